"""Showers from the trees of ROOT files, flat or with vectors, through a column map."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import polars as pl
import uproot

from cascada.config import RootSource
from cascada.data.sources.files import InputFile, find_files
from cascada.data.sources.mapping import Chunk, check_map, find_raw, raw_columns, raw_name, read_mapped
from cascada.data.sources.table import SourceTable
from cascada.errors import CascadaError, SourceError, nearest

CHUNK_ROWS = 100_000
_CHUNK_BYTES = 64 * 1024**2
_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
_REDUCED = re.compile(r"(?P<how>len|sum|max|min|mean)\((?P<inner>.+)\)|(?P<vector>.+)\[(?P<index>\d+)\]")
_REDUCTIONS: Mapping[str, Callable[[ak.Array], ak.Array]] = {
    "len": lambda vectors: ak.num(vectors, axis=1),
    "sum": lambda vectors: ak.sum(vectors, axis=1),
    "max": lambda vectors: ak.max(vectors, axis=1),
    "min": lambda vectors: ak.min(vectors, axis=1),
    "mean": lambda vectors: ak.mean(vectors, axis=1),
}


@dataclass(frozen=True)
class _Branch:
    """A branch, and what makes one number a row of the vectors in it."""

    branch: Any
    reduce: Callable[[ak.Array], ak.Array] | None

    def read(self, start: int, stop: int) -> ak.Array:
        return self.branch.array(entry_start=start, entry_stop=stop, library="ak")


def read_root(config: RootSource, directory: Path) -> SourceTable:
    """Open the files of a ROOT source: trees (TTree, TNtuple) and RNTuples.

    A column of the map is a branch with one number a row, or of a branch with vectors: one element (``branch[0]``; NaN
    where the vector is shorter), or ``len(branch)``, ``sum(branch)``, ``max(branch)``, ``min(branch)``,
    ``mean(branch)`` (NaN where the vector is empty, but for length and sum).

    Raises
    ------
    SourceError
        If a file is missing or is no whole ROOT file, the tree or a branch is unknown, or a branch holds objects that
        need compiled dictionaries, as in the ADST files of the Pierre Auger Observatory; while the table is collected,
        if an id is no whole number or a label is not in the map.
    ConfigError
        If the column map names a column that the shower table does not have.
    """
    check_map(config)
    files = find_files(config, directory)
    for file in files:
        with _opened(file.path) as root:
            _read_chunk(_find_branches(root, config, file.path), 0, 0, file.path)
    return read_mapped(config, files, partial(_chunks, config))


def _chunks(config: RootSource, file: InputFile) -> Iterator[Chunk]:
    with _opened(file.path) as root:
        branches = _find_branches(root, config, file.path)
        rows = _find_tree(root, config, file.path).num_entries
        # Rows with long vectors are many bytes: a chunk is no more than its share of the file.
        step = max(1, min(CHUNK_ROWS, rows * _CHUNK_BYTES // file.path.stat().st_size))
        for start in range(0, rows, step):
            yield start, _read_chunk(branches, start, min(start + step, rows), file.path)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with uproot.open(path) as root:
            # uproot reads a cut file as long as it finds what it looks for.
            if path.stat().st_size < root.file.fEND:
                raise ValueError(f"{path.stat().st_size} bytes of {root.file.fEND}")
            yield root
    except CascadaError:
        raise
    except Exception as error:
        # On damaged bytes uproot and awkward raise whatever their parsing runs into; all of it says the same.
        raise SourceError(
            "an input file is not a ROOT file, or not a whole one",
            where=str(path),
            got=f"{type(error).__name__}: {error}"[:300],
            hint="download it again",
        ) from error


def _find_tree(root: Any, config: RootSource, path: Path) -> Any:
    kinds = {name: kind for name, kind in root.classnames(cycle=False).items() if kind != "TDirectory"}
    kind = kinds.get(config.tree.strip("/").partition(";")[0])
    if kind in _TREES:
        return root[config.tree]
    trees = [name for name, kind in kinds.items() if kind in _TREES]
    raise SourceError(
        f"there is no tree {config.tree!r} in the file",
        where=str(path),
        expected=f"one of its {len(trees)} trees",
        got=f"an object of class {kind}" if kind else "",
        hint=nearest(config.tree, trees[:1000]),
    )


def _find_branches(root: Any, config: RootSource, path: Path) -> dict[str, _Branch]:
    tree = _find_tree(root, config, path)
    names = tree.keys()
    found = {}
    for name, column in raw_columns(config).items():
        inner, reduce = _parse(column, names)
        branch = tree[find_raw(inner, names, mapped_to=name, where=f"{path}, {config.tree}", what="branches")]
        _refuse_objects(branch, path)
        found[raw_name(column)] = _Branch(branch, reduce)
    return found


def _parse(column: int | str, names: list[str]) -> tuple[int | str, Callable[[ak.Array], ak.Array] | None]:
    match = None if column in names else _REDUCED.fullmatch(str(column))
    if match is None:
        return column, None
    if match["how"]:
        return match["inner"], _REDUCTIONS[match["how"]]
    index = int(match["index"])
    return match["vector"], lambda vectors: ak.pad_none(vectors, index + 1, axis=1)[:, index]


def _refuse_objects(branch: Any, path: Path) -> None:
    """Refuse what uproot cannot make arrays of; fields of RNTuples have no interpretation and always can."""
    interpretation = getattr(branch, "interpretation", None)
    unknown = isinstance(interpretation, uproot.interpretation.identify.UnknownInterpretation)
    objects = isinstance(interpretation, uproot.interpretation.objects.AsObjects) and isinstance(
        interpretation.model, type
    )
    if unknown or objects or isinstance(interpretation, uproot.interpretation.grouped.AsGrouped):
        raise SourceError(
            f"branch {branch.name!r} holds objects of class {branch.typename or 'unknown'}, which are not supported",
            where=str(path),
            expected="branches of numbers or of vectors of numbers",
            hint="ADST and Offline files need ROOT's compiled dictionaries: export a flat tree with those first",
        )


def _read_chunk(branches: Mapping[str, _Branch], start: int, stop: int, path: Path) -> pl.DataFrame:
    return pl.DataFrame({name: _series(branch, start, stop, path) for name, branch in branches.items()})


def _series(branch: _Branch, start: int, stop: int, path: Path) -> pl.Series:
    values = branch.read(start, stop)
    if values.layout.parameter("__array__") == "string":
        return pl.Series(values=values.to_list(), dtype=pl.String)
    what, dimensions = ("a number", 1) if branch.reduce is None else ("a vector", 2)
    if ak.fields(values) or values.ndim != dimensions:
        raise SourceError(
            f"branch {branch.branch.name!r} does not hold {what} a row",
            where=str(path),
            got=str(values.type)[:200],
            hint="write branch[0], len(branch), sum(branch), max(branch), min(branch) or mean(branch) for vectors, "
            "and branch alone for numbers",
        )
    numbers = values if branch.reduce is None else branch.reduce(values)
    return pl.Series(values=ak.to_numpy(ak.fill_none(numbers, np.nan) if ak.any(ak.is_none(numbers)) else numbers))
