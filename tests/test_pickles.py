"""The search for pickles finds them, whatever they are called and wherever they hide."""

from __future__ import annotations

import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from pickles import find_pickles, is_pickle


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [{"weights": [1.0]}, Path("x"), 3, "text", None])
def test_every_protocol_is_known(protocol: int, value: object) -> None:
    assert is_pickle(pickle.dumps(value, protocol=protocol))


@pytest.mark.parametrize(
    "content", [b"", b"Text that ends in a dot.", b"{}", b"(see below).", b"\x89PNG\r\n", b"I am."]
)
def test_other_files_are_not(content: bytes) -> None:
    assert not is_pickle(content)


def test_it_looks_into_archives_arrays_and_databases(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.bin")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    with sqlite3.connect(tmp_path / "some.db") as database:
        database.execute("create table kept (value blob)")
        database.execute("insert into kept values (?)", (pickle.dumps({"a": 1}),))
    (tmp_path / "notes.txt").write_bytes(pickle.dumps([1]))
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "notes.txt", "inner.txt")
    (tmp_path / "notes.txt").unlink()
    with zipfile.ZipFile(tmp_path / "plain.zip", "w") as archive:
        archive.writestr("readme", "nothing here")
    found = find_pickles(tmp_path)
    assert found == ["code.tar.gz!inner.txt", "objects.npy", "some.db!kept", "weights.bin!weights/data.pkl"]
