"""ROOT files: trees and RNTuples, flat or with vectors; and files that are none, not whole or without a tree."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from open_data import damaged
from uproot.models.TObjString import Model_TObjString

from cascada.config import RootSource
from cascada.data.sources import root
from cascada.data.sources.files import InputFile
from cascada.data.sources.root import read_root
from cascada.data.sources.table import SourceTable
from cascada.errors import CascadaError, SourceError

COLUMNS = {"shower_id": {"column": "id"}, "energy_eev": {"column": "lgE", "unit": "lg(GeV)"}}
TIMES = [[4.0, 2.0], [], [3.0], [1.0, 5.0, 6.0], [7.0]]
BRANCHES = {
    "id": np.arange(5) + 2**53,
    "lgE": np.linspace(9, 11, 5),
    "signals": ak.Array([[1, 2], [], [3], [4, 5, 6], [7]]),
    "times": ak.Array(TIMES),
    "position": np.arange(15.0).reshape(5, 3),
    "primary": ["p", "Fe", "p", "p", "Fe"],
}
TYPES = {
    "id": "int64", "lgE": "float64", "signals": "var * int64", "times": "var * float64",
    "position": (np.dtype("f8"), (3,)), "primary": "string",
}  # fmt: skip


@cache
def written(kind: str = "tree") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "showers.root"
        with uproot.recreate(path) as file:
            if kind == "ntuple":
                file.mkrntuple("run/showers", BRANCHES)
            else:
                file.mktree("run/showers", TYPES)
                file["run/showers"].extend(BRANCHES)
            file.mktree("run/empty", TYPES)
            file["run/spectrum"] = np.histogram(np.arange(4.0))
        return path.read_bytes()


def read(folder: Path, content: bytes | None = None, **settings_: object) -> SourceTable:
    (folder / "a:b.root").write_bytes(written() if content is None else content)
    shape = {"kind": "root", "files": {"p": "a:b.root"}, "tree": "run/showers", "columns": COLUMNS}
    return read_root(RootSource.model_validate(shape | settings_), folder)


@pytest.mark.parametrize("kind", ["tree", "ntuple"])
@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_flat_branches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, chunk_rows: int) -> None:
    monkeypatch.setattr(root, "CHUNK_ROWS", chunk_rows)
    frame = read(tmp_path, written(kind)).frame.collect()
    assert frame["shower_id"].to_list() == [n + 2**53 for n in range(5)]
    assert frame["energy_eev"].to_list() == pytest.approx([1, 10**0.5, 10, 10**1.5, 100])
    assert frame["primary"].to_list() == ["p"] * 5


@pytest.mark.parametrize("kind", ["tree", "ntuple"])
@pytest.mark.parametrize("chunk_rows", [1, 100])
@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("len(times)", [2, 0, 1, 3, 1]),
        ("sum(times)", [6, 0, 3, 12, 7]),
        ("max(times)", [4, None, 3, 6, 7]),
        ("min(times)", [2, None, 3, 1, 7]),
        ("mean(times)", [3, None, 3, 4, 7]),
        ("times[0]", [4, None, 3, 1, 7]),
        ("times[2]", [None, None, None, 6, None]),
        ("times[9]", [None] * 5),
        ("sum(signals)", [3, 0, 3, 15, 7]),
        ("max(signals)", [2, None, 3, 6, 7]),
        ("position[1]", [1, 4, 7, 10, 13]),
        ("len(position)", [3] * 5),
    ],
)
def test_one_number_of_a_vector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, chunk_rows: int, column: str, expected: list[int | None]
) -> None:
    monkeypatch.setattr(root, "CHUNK_ROWS", chunk_rows)
    frame = read(tmp_path, written(kind), columns=COLUMNS | {"n_mu": {"column": column}}).frame.collect()
    assert frame["n_mu"].fill_nan(None).to_list() == expected


@pytest.mark.parametrize("kind", ["tree", "ntuple"])
def test_labels_in_a_branch(tmp_path: Path, kind: str) -> None:
    label = {"column": "primary", "values": {"p": "p", "Fe": "Fe"}}
    frame = read(tmp_path, written(kind), files=["a:b.root"], label=label).frame.collect()
    assert frame["primary"].to_list() == BRANCHES["primary"]


def test_an_empty_tree_is_a_table(tmp_path: Path) -> None:
    columns = COLUMNS | {"n_mu": {"column": "len(times)"}, "n_em": {"column": "times[1]"}}
    frame = read(tmp_path, tree="run/empty", columns=columns).frame.collect()
    assert (frame.height, frame.width) == (0, 6)


@pytest.mark.parametrize(
    ("settings_", "told"),
    [
        ({"tree": "run/shower"}, ["no tree 'run/shower'", "one of its 2 trees", "mean run/showers?"]),
        ({"tree": "run/spectrum"}, ["no tree", "an object of class TH1D", "run/showers"]),
        ({"tree": "run"}, ["no tree 'run'", "run/empty, run/showers"]),
        ({"columns": {"n_mu": {"column": "time"}}}, ["column 'time', mapped to n_mu", "8 branches", "mean times"]),
        ({"columns": {"n_mu": {"column": "len(time)"}}}, ["column 'time'", "mean times"]),
        ({"columns": {"n_mu": {"column": "median(times)"}}}, ["column 'median(times)'"]),
        ({"columns": {"n_mu": {"column": "times"}}}, ["branch 'times' does not hold a number", "len(branch)"]),
        ({"columns": {"n_mu": {"column": "lgE[0]"}}}, ["branch 'lgE' does not hold a vector"]),
        ({"columns": {"n_mu": {"column": "primary"}}}, ["column 'primary', mapped to n_mu, holds text"]),
    ],
)
def test_what_does_not_fit_the_map(tmp_path: Path, settings_: dict[str, object], told: list[str]) -> None:
    with pytest.raises(SourceError) as caught:
        read(tmp_path, **settings_).frame.collect()
    for words in told:
        assert words in str(caught.value)


INTERPRETATION = uproot.interpretation


@pytest.mark.parametrize(
    "interpretation",
    [
        INTERPRETATION.identify.UnknownInterpretation("none of the rules matched", "ADST.root", "event."),
        INTERPRETATION.objects.AsObjects(Model_TObjString),
        INTERPRETATION.grouped.AsGrouped(None, {}),
    ],
)
def test_objects_need_compiled_dictionaries(interpretation: object) -> None:
    """A stand-in for a branch of an ADST file, which nothing here can write."""
    branch: Any = SimpleNamespace(name="event.", typename="RecEvent", interpretation=interpretation)
    with pytest.raises(SourceError, match=r"'event\.' holds objects of class RecEvent") as caught:
        root._refuse_objects(branch, Path("ADST.root"))
    assert "export a flat tree" in caught.value.hint


def test_vectors_are_no_objects() -> None:
    vectors = INTERPRETATION.objects.AsObjects(uproot.containers.AsVector(True, np.dtype(">f8")))
    root._refuse_objects(SimpleNamespace(name="x", typename="vector", interpretation=vectors), Path("flat.root"))


def test_long_vectors_make_small_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "_CHUNK_BYTES", len(written()) // 2)
    config = RootSource.model_validate(
        {"kind": "root", "files": ["a:b.root"], "tree": "run/showers", "columns": {"n_mu": {"column": "sum(times)"}}}
    )
    (tmp_path / "a:b.root").write_bytes(written())
    chunks = list(root._chunks(config, InputFile(tmp_path / "a:b.root")))
    assert [(start, chunk.height) for start, chunk in chunks] == [(0, 2), (2, 2), (4, 1)]


@pytest.mark.parametrize(
    "content", [b"", b"root", b"no tree at all" * 100, written()[:300], written()[:-2000], written()[:-1]]
)
def test_what_is_no_whole_root_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="not a ROOT file, or not a whole one") as caught:
        read(tmp_path, content).frame.collect()
    assert caught.value.where == str(tmp_path / "a:b.root")


@settings(max_examples=100, deadline=None)
@given(damaged(written()) | damaged(written("ntuple")))
def test_damage_is_refused_in_our_words(content: bytes) -> None:
    """Whatever bytes: a table, or an error of ours."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            columns = COLUMNS | {"n_mu": {"column": "len(times)"}}
            read(Path(folder), content, columns=columns).frame.collect()
        except CascadaError:
            return
