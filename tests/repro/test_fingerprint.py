"""Hashes: every value, name, type and unit counts; how the bytes lie in memory or on disk does not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cascada.repro.fingerprint import file_sha256, files_sha256, folder_sha256, json_sha256, source_sha256, table_sha256

UNITS = {"energy_eev": "EeV", "xmax_g_cm2": "g/cm2"}


def table(**changes: NDArray[Any]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {
        "energy_eev": np.array([1.0, 2.0, 3.0], np.float32),
        "xmax_g_cm2": np.array([700.0, 750.0, 800.0], np.float32),
        "shower_id": np.arange(3, dtype=np.int64),
        "primary": np.array(["p", "He", "Fe"], dtype=object),
    }
    return columns | changes


def fingerprint(columns: Mapping[str, NDArray[Any]], **units: str) -> str:
    return table_sha256(columns, UNITS | units)


@pytest.mark.parametrize(
    "other",
    [
        table(energy_eev=np.array([1.0, 2.0, np.nextafter(np.float32(3.0), np.float32(4.0))], np.float32)),
        table(energy_eev=np.array([1.0, 2.0, np.nan], np.float32)),
        table(energy_eev=np.array([1.0, 2.0, 3.0], np.float64)),
        table(shower_id=np.arange(3, dtype=np.int32)),
        table(shower_id=np.arange(3, dtype=np.uint64)),
        table(primary=np.array(["p", "he", "Fe"], dtype=object)),
        table(energy_eev=np.array([700.0, 750.0, 800.0], np.float32), xmax_g_cm2=table()["energy_eev"]),
        {name: values[::-1] for name, values in table().items()},
        {name: values[:2] for name, values in table().items()},
        {name: values for name, values in table().items() if name != "primary"},
        {name.replace("shower_id", "shower_no"): values for name, values in table().items()},
        {**table(), "weight": np.empty(3)},
    ],
    ids=[
        "one ulp", "nan", "float64", "int32", "uint64", "text", "swapped columns", "row order", "fewer rows",
        "column missing", "column renamed", "column more",
    ],
)  # fmt: skip
def test_every_change_of_a_table_counts(other: dict[str, NDArray[Any]]) -> None:
    assert fingerprint(other) != fingerprint(table())


def test_units_count() -> None:
    assert fingerprint(table(), energy_eev="PeV") != fingerprint(table())
    assert table_sha256(table(), {}) != fingerprint(table())
    assert fingerprint(table(), primary="", n_mu="1") == fingerprint(table())


def test_where_and_how_values_lie_in_memory_does_not_count() -> None:
    chunks = {name: np.concatenate([values[:1], values[1:]]) for name, values in table().items()}
    strided = {name: np.repeat(values, 2)[::2] for name, values in table().items()}
    big_endian = table(energy_eev=table()["energy_eev"].astype(">f4"), shower_id=np.arange(3, dtype=">i8"))
    fixed_width = table(primary=np.array(["p", "He", "Fe"]))
    backwards = dict(reversed(table().items()))
    for same in (chunks, strided, big_endian, fixed_width, backwards):
        assert fingerprint(same) == fingerprint(table())


@pytest.mark.parametrize(
    ("first", "second"), [(["ab", "c"], ["a", "bc"]), (["", "a"], ["a", ""]), (["aa"], ["a", "a"]), (["µ"], ["u"])]
)
def test_texts_keep_their_borders(first: list[str], second: list[str]) -> None:
    hashes = {table_sha256({"primary": np.array(values, dtype=object)}, {}) for values in (first, second)}
    assert len(hashes) == 2


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_texts_hash_alike_only_if_they_are_alike(first: list[str], second: list[str]) -> None:
    one, other = (table_sha256({"t": np.array(values, dtype=object)}, {}) for values in (first, second))
    assert (one == other) == (first == second)


# FIPS 180-2, appendix B.1.
def test_a_file_is_hashed_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "long").write_bytes(b"x" * 3_000_000)
    assert file_sha256(tmp_path / "long") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def folder(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_folder_is_hashed_in_no_order(tmp_path: Path) -> None:
    files = {"weights.bin": "1", "spec.json": "2", "deep/notes.md": "3"}
    first = folder(tmp_path / "first", files)
    second = folder(tmp_path / "second", dict(reversed(files.items())))
    assert folder_sha256(first) == folder_sha256(second)
    listings = [sorted(first.rglob("*.*"), reverse=reverse) for reverse in (False, True)]
    assert files_sha256(first, listings[0]) == files_sha256(first, listings[1]) == folder_sha256(first)


@pytest.mark.parametrize(
    "files",
    [{"b": "1", "a": "2"}, {"c": "1", "b": "2"}, {"x/a": "1", "b": "2"}, {"a": "1"}, {"a": "12", "b": ""}],
)
def test_names_and_bytes_of_a_folder_count(tmp_path: Path, files: dict[str, str]) -> None:
    usual, other = folder(tmp_path / "one", {"a": "1", "b": "2"}), folder(tmp_path / "two", files)
    assert folder_sha256(usual) != folder_sha256(other)


def test_json_is_hashed_by_its_values() -> None:
    assert json_sha256({"a": 1, "b": [1, 2]}) == json_sha256({"b": [1, 2], "a": 1})
    hashes = [json_sha256(value) for value in ({"a": 1}, {"a": "1"}, {"a": 1.5}, {"a": [1]}, {"a": None}, {})]
    assert len(set(hashes)) == len(hashes)


def test_sources_are_python_and_yaml(tmp_path: Path) -> None:
    package = folder(tmp_path / "package", {"a.py": "x = 1\n", "suite.yaml": "rows: []\n", "notes.md": "one"})
    before = source_sha256(package)
    folder(package, {"notes.md": "two", "__pycache__/a.pyc": "compiled"})
    assert source_sha256(package) == before
    folder(package, {"a.py": "x = 2\n"})
    assert source_sha256(package) != before
    folder(package, {"a.py": "x = 1\n", "suite.yaml": "rows: [1]\n"})
    assert source_sha256(package) != before
