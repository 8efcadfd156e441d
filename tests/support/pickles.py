"""Finding pickles in files, whatever they are called."""

from __future__ import annotations

import io
import pickletools
import sqlite3
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path


def find_pickles(folder: Path) -> list[str]:
    """Name every pickle below a folder: files, members of archives, arrays of objects, values in SQLite databases."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for name, content in _contents(path):
            if is_pickle(content):
                found.append(f"{path.relative_to(folder)}{name}")
    return found


def is_pickle(content: bytes) -> bool:
    """Tell pickles by their first bytes, those of the oldest protocols by reading their opcodes to the end."""
    if content[:1] == b"\x80" and content[1:2] in {bytes([n]) for n in range(2, 6)} and content[-1:] == b".":
        return True
    if content[:6] == b"\x93NUMPY" and b"'|O'" in content[:256]:
        return True
    if content[-1:] != b".":
        return False
    try:
        return max(place or 0 for _, _, place in pickletools.genops(content)) == len(content) - 1
    except Exception:  # noqa: BLE001 - whatever reading something else as a pickle raises
        return False


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    yield "", content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            for name in zipped.namelist():
                yield f"!{name}", zipped.read(name)
    if content[:2] == b"\x1f\x8b" and tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            for member in filter(tarfile.TarInfo.isfile, archive):
                file = archive.extractfile(member)
                yield f"!{member.name}", b"" if file is None else file.read()
    if content[:15] == b"SQLite format 3":
        yield from _values(path)


def _values(path: Path) -> Iterator[tuple[str, bytes]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in database.execute(f'select * from "{table}"'):  # noqa: S608 - names come from the database
                for value in row:
                    if isinstance(value, bytes):
                        yield f"!{table}", value
