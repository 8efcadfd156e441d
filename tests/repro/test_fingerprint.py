"""Hashes of files, folders and values: names and bytes count, their order on disk does not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from cascada.repro.fingerprint import file_sha256, files_sha256, folder_sha256, json_sha256, source_sha256


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
