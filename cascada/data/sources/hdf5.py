"""Showers from HDF5 files, through a column map: a table (compound data set), or a group with a data set a column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.config import Hdf5Source
from cascada.data.sources.files import InputFile, find_files
from cascada.data.sources.mapping import Chunk, check_map, find_raw, raw_columns, raw_name, read_mapped
from cascada.data.sources.table import SourceTable
from cascada.errors import SourceError, nearest

CHUNK_ROWS = 100_000
_CHUNK_BYTES = 64 * 1024**2

# What h5py raises for files that are damaged; it documents OSError, and its C layer maps the rest of HDF5's errors.
_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, OverflowError, MemoryError)


@dataclass(frozen=True)
class _Column:
    """A raw column: a data set, or a field of its records, or one of the numbers that a row holds there."""

    data: h5py.Dataset
    field: str | None = None
    index: int | None = None

    def read(self, start: int, stop: int) -> NDArray[Any]:
        rows = self.data.fields(self.field)[start:stop] if self.field else self.data[start:stop]
        return np.asarray(rows if self.index is None else rows[:, self.index])


def read_hdf5(config: Hdf5Source, directory: Path) -> SourceTable:
    """Open the files of an HDF5 source.

    A row that holds several numbers in a column (an array field, or a data set of two dimensions) has the columns
    ``name[0]``, ``name[1]`` ...; tables that pandas or PyTables wrote are named by their group.

    Raises
    ------
    SourceError
        If a file is missing or is no whole HDF5 file, the table or a column is unknown, or columns differ in length;
        while the table is collected, if an id is no whole number or a label is not in the map.
    ConfigError
        If the column map names a column that the shower table does not have.
    """
    check_map(config)
    files = find_files(config, directory)
    for file in files:
        with _opened(file.path) as h5:
            _rows(_find_columns(h5, config, file.path), file.path)
    return read_mapped(config, files, partial(_chunks, config))


def _chunks(config: Hdf5Source, file: InputFile) -> Iterator[Chunk]:
    with _opened(file.path) as h5:
        columns = _find_columns(h5, config, file.path)
        rows = _rows(columns, file.path)
        row_bytes = sum(column.data.dtype.itemsize * math.prod(column.data.shape[1:]) for column in columns.values())
        step = max(1, min(CHUNK_ROWS, _CHUNK_BYTES // max(row_bytes, 1)))
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            named = {name: _series(column.read(start, stop), name, file.path) for name, column in columns.items()}
            yield start, pl.DataFrame(named)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as h5:
            yield h5
    except _DAMAGED as error:
        raise SourceError(
            "an input file is not an HDF5 file, or not a whole one",
            where=str(path),
            got=str(error)[:300],
            hint="download it again",
        ) from error


def _find_columns(h5: h5py.File, config: Hdf5Source, path: Path) -> dict[str, _Column]:
    if config.table not in h5:
        names: list[str] = ["/"]
        h5.visit(names.append)
        raise SourceError(
            f"there is no {config.table!r} in the file", where=str(path), hint=nearest(config.table, names[:1000])
        )
    present = _columns_of(h5[config.table], config.table)
    where = f"{path}, {config.table}"
    return {
        raw_name(column): present[find_raw(column, list(present), mapped_to=name, where=where)]
        for name, column in raw_columns(config).items()
    }


def _columns_of(node: h5py.Group | h5py.Dataset, name: str) -> dict[str, _Column]:
    if isinstance(node, h5py.Dataset):
        return _columns_of_data(node, name.rsplit("/", 1)[-1])
    members: dict[str, h5py.Dataset] = {key: node[key] for key in node if isinstance(node.get(key), h5py.Dataset)}
    if "table" in members and members["table"].dtype.names:
        return _columns_of_data(members["table"], "table")
    plain = {key: data for key, data in members.items() if not data.dtype.names}
    return {column: found for key, data in plain.items() for column, found in _columns_of_data(data, key).items()}


def _columns_of_data(data: h5py.Dataset, name: str) -> dict[str, _Column]:
    if not data.dtype.names:
        return _numbered(name, data, (data.shape or ())[1:])
    fields: Mapping[str, Any] = data.dtype.fields
    columns: dict[str, _Column] = {}
    for field, (kind, *_) in fields.items():
        columns |= _numbered(field, data, kind.shape, field=field)
    return columns


def _numbered(name: str, data: h5py.Dataset, shape: tuple[int, ...], field: str | None = None) -> dict[str, _Column]:
    if len(shape) == 0:
        return {name: _Column(data, field)} if data.shape else {}
    return {f"{name}[{index}]": _Column(data, field, index) for index in range(shape[0])} if len(shape) == 1 else {}


def _rows(columns: Mapping[str, _Column], path: Path) -> int:
    rows = {name: len(column.data) for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        odd = sorted(rows.items(), key=lambda item: item[1])
        raise SourceError(
            "the columns of an input file differ in length",
            where=str(path),
            expected="one row a shower in every column",
            got=f"{odd[0][0]}: {odd[0][1]} rows, {odd[-1][0]}: {odd[-1][1]} rows",
        )
    for name, column in columns.items():
        _check_stored(name, column.data, path)
    return next(iter(rows.values()))


def _check_stored(name: str, data: h5py.Dataset, path: Path) -> None:
    """Refuse rows that are announced and not there: HDF5 would fill them with zeros, however many."""
    if data.chunks:
        expected = math.prod(math.ceil(size / chunk) for size, chunk in zip(data.shape, data.chunks, strict=True))
        stored = data.id.get_num_chunks()
    else:
        expected, stored = data.size * data.dtype.itemsize, data.id.get_storage_size()
    if stored < expected:
        what = "chunks" if data.chunks else "bytes"
        raise SourceError(
            f"column {name!r} is not whole", where=str(path), expected=f"{expected} {what}", got=f"{stored} {what}"
        )


def _series(values: NDArray[Any], name: str, path: Path) -> pl.Series:
    if values.dtype.kind in "iufb":
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        return pl.Series(values=native.astype(np.float32) if native.dtype == np.float16 else native)
    texts = values.tolist()
    if values.dtype.kind in "SUO" and all(isinstance(text, bytes | str) for text in texts):
        return pl.Series(values=[t.decode() if isinstance(t, bytes) else t for t in texts], dtype=pl.String)
    raise SourceError(
        f"column {name!r} holds neither numbers nor text", where=str(path), got=re.sub(r"\s+", " ", str(values.dtype))
    )
