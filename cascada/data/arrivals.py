"""Files of a data set on this machine: which version each one is, by its checksum."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter

from cascada.config import Section
from cascada.config.catalog import PUBLISHED, CatalogEntry
from cascada.errors import SourceError, nearest
from cascada.repro.fingerprint import file_sha256

RECEIPT = "receipt.json"
"""File in a data folder that says where each file came from and which version it is."""

UNKNOWN = "unknown: not in the catalogue"
"""Version of a file whose checksum nobody has published."""


class Arrived(Section):
    """A file in a data folder.

    Attributes
    ----------
    name
        Relative to the data folder.
    version
        ``published``, the catalogue's note on another known version, or `UNKNOWN`.
    taken_from
        Address, or path on this machine.
    """

    name: str
    sha256: str
    bytes: int
    version: str
    taken_from: str

    @property
    def is_published(self) -> bool:
        return self.version == PUBLISHED


def identify(path: Path, entry: CatalogEntry) -> list[Arrived]:
    """Find out which versions of the files of a data set lie on this machine; nothing is copied or written.

    Parameters
    ----------
    path
        One file, or a folder that holds them under the names of the entry.

    Raises
    ------
    SourceError
        If none of the files of the entry is there.
    """
    return [_identify(file, name, entry) for name, file in _find(path, entry).items()]


def read_receipt(folder: Path) -> dict[str, Arrived]:
    """Read what is known of the files in a data folder, by name; empty when nothing was noted."""
    file = folder / RECEIPT
    if not file.exists():
        return {}
    return {a.name: a for a in TypeAdapter(list[Arrived]).validate_json(file.read_bytes())}


def write_receipt(folder: Path, arrived: list[Arrived]) -> list[Arrived]:
    """Add files to the receipt of a data folder, and return them."""
    known = read_receipt(folder) | {file.name: file for file in arrived}
    text = json.dumps([known[name].model_dump() for name in sorted(known)], indent=2)
    part = folder / f"{RECEIPT}.part"
    part.write_text(text + "\n", encoding="utf-8")
    part.rename(folder / RECEIPT)
    return arrived


def unpack(archive: Path) -> None:
    """Unpack a ZIP archive beside itself; other files are left alone.

    Raises
    ------
    SourceError
        If it is no archive.
    """
    if archive.suffix != ".zip":
        return
    try:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(archive.parent)
    except zipfile.BadZipFile as error:
        raise SourceError("the archive cannot be unpacked", where=str(archive), got=str(error)) from error


def _find(path: Path, entry: CatalogEntry) -> dict[str, Path]:
    if path.is_file():
        return {_name_of(path, entry): path}
    present = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file() and p.name != RECEIPT}
    if not entry.files:
        return present
    # Also when the user names a folder inside the data folder, or has all files in one flat folder.
    candidates = present | {f"{path.name}/{name}": file for name, file in present.items()}
    flat, bases = _by_base(present), _by_base({name: Path(name) for name in entry.files})
    found = {n: candidates.get(n) or (flat.get(Path(n).name) if Path(n).name in bases else None) for n in entry.files}
    there = {name: file for name, file in found.items() if file is not None}
    if not there:
        raise SourceError(
            f"none of the files of {entry.name!r} is there", where=str(path),
            expected=_bounded(list(entry.files)), got=_bounded(sorted(present)) or "no file at all",
            hint=entry.obtain or f"download them: cascada data fetch {entry.name}",
        )  # fmt: skip
    return there


def _by_base(files: Mapping[str, Path]) -> dict[str, Path]:
    """Map the last part of each name to its file, where no two files share it."""
    bases = Counter(Path(name).name for name in files)
    return {Path(name).name: file for name, file in files.items() if bases[Path(name).name] == 1}


def _name_of(file: Path, entry: CatalogEntry) -> str:
    if not entry.files:
        return file.name
    by_base = {PurePosixPath(name).name: name for name in entry.files}
    if file.name in by_base:
        return by_base[file.name]
    found = file_sha256(file)
    for name, versions in entry.files.items():
        if found in {version.sha256 for version in versions}:
            return name
    raise SourceError(
        f"{file.name} is no file of {entry.name!r}", where=str(file),
        expected=_bounded(list(by_base)), got=f"sha256 {found}, which the catalogue does not know",
        hint=nearest(file.name, by_base),
    )  # fmt: skip


def _identify(file: Path, name: str, entry: CatalogEntry) -> Arrived:
    found = file_sha256(file)
    notes: Mapping[str, str] = {version.sha256: version.note for version in entry.files.get(name, ())}
    return Arrived(
        name=name,
        sha256=found,
        bytes=file.stat().st_size,
        version=notes.get(found, UNKNOWN),
        taken_from=str(file.absolute()),
    )


def _bounded(names: list[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
