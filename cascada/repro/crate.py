"""The zip file that carries a run: files, and the JSON-LD that names each of them with its hash.

What comes in is checked before anything of it is used: every file is one that ``ro-crate-metadata.json`` names, with
its size and SHA-256, and none is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote

from cascada.errors import ArtifactError, SourceError
from cascada.repro.environment import Record
from cascada.repro.fingerprint import file_sha256

METADATA = "ro-crate-metadata.json"
"""Name that the RO-Crate specification gives to the description."""

RECORD, PACK, DATA = "record", "code/commit.pack", "data"
"""Where the crate of a run has its record, its code and the data that it read."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can tell
_MOST_METADATA = 64 * 2**20
_HARMLESS = 2**30  # bytes unpacked; below it no ratio is asked for
_MOST_TIMES = 100  # unpacked to packed
_PIECE = 2**20
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError)


class Part(Record):
    """A file to pack: where it is, and what it must hold."""

    path: Path
    sha256: str
    bytes: int


def part(path: Path) -> Part:
    """Hash a file that is to be packed."""
    return Part(path=path, sha256=file_sha256(path), bytes=path.stat().st_size)


def pack_crate(parts: Mapping[str, Part], metadata: str, target: Path) -> None:
    """Write a crate, whole or not at all; the same parts give the same bytes.

    Parameters
    ----------
    parts
        Name in the crate to file.
    metadata
        Text of ``ro-crate-metadata.json``.

    Raises
    ------
    ArtifactError
        If the target exists, a name cannot be unpacked everywhere, or a file changed since it was hashed.
    """
    if target.exists():
        raise ArtifactError("there is a file of this name", where=str(target), hint="remove it or choose another name")
    for name in parts:
        require_plain(name, str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(partial, "w") as archive:
            archive.writestr(_entry(METADATA), metadata.encode())
            for name in sorted(parts):
                _add(archive, name, parts[name])
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix: the mode below means something
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def _add(archive: zipfile.ZipFile, name: str, one: Part) -> None:
    entry = _entry(name)
    entry.file_size = one.bytes
    with one.path.open("rb") as source, archive.open(entry, "w") as target:
        if _copy(source, target) != one.sha256:
            raise ArtifactError("a file changed while it was packed", where=str(one.path), hint="export again")


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while piece := source.read(_PIECE):
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


def unpack_crate(crate: Path, target: Path) -> None:
    """Unpack a crate, each file checked by size and hash.

    Parameters
    ----------
    target
        A folder that does not exist yet; what is in it after a refusal must not be used.

    Raises
    ------
    SourceError
        If there is no such file.
    ArtifactError
        If it is no crate, or holds a file that is changed, missing or not named, that would be written elsewhere, that
        is no plain file, or that unpacks to more than the file system or good sense allows.
    """
    if not crate.is_file():
        raise SourceError("there is no such file", where=str(crate), hint="`cascada export RUN --crate FILE` makes one")
    try:
        with zipfile.ZipFile(crate) as archive:
            entries = _safe_entries(archive, crate)
            named = _named_files(archive, entries, crate)
            _require_same_names(entries.keys() - {METADATA}, named.keys(), crate)
            target.mkdir(parents=True)
            _require_room(entries, crate, target)
            for name, entry in entries.items():
                _extract(archive, entry, target / name, named.get(name))
    except (*_UNREADABLE, OSError, RuntimeError) as error:
        raise ArtifactError("the crate cannot be read", where=str(crate), got=str(error)) from error


def _safe_entries(archive: zipfile.ZipFile, crate: Path) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix("/")
        require_plain(name, str(crate))
        if name in entries:
            raise ArtifactError(f"the crate holds {name} twice", where=str(crate))
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in {0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG}:
            raise ArtifactError(f"{name} is a link or a device", where=str(crate), expected="plain files")
        if not entry.is_dir():
            entries[name] = entry
    return entries


def require_plain(name: str, where: str) -> None:
    """Refuse names that a file system would take for a place elsewhere, or cannot write.

    Raises
    ------
    ArtifactError
        If it is absolute, has ``..`` in it, a backslash, or what cannot be printed.
    """
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and not PurePosixPath(name).is_absolute()
    if not plain or {"", ".", ".."} & set(parts):
        raise ArtifactError(
            f"a run that travels cannot have a file of the name {name!r}", where=where,
            expected="a path inside of it, of printable characters and without a backslash",
        )  # fmt: skip


def _named_files(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], crate: Path) -> dict[str, Any]:
    """Read what the metadata say of each file that the crate is to hold."""
    described = entries.get(METADATA)
    if described is None or described.file_size > _MOST_METADATA:
        raise ArtifactError(f"this is no RO-Crate: it holds no readable {METADATA}", where=str(crate))
    try:
        graph = json.loads(archive.read(described))["@graph"]
        files = [one for one in graph if one["@type"] == "File" and "sha256" in one]
        return {unquote(one["@id"]): (one["sha256"], int(one["contentSize"])) for one in files if _is_inside(one)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{METADATA} does not describe a run of cascada", where=str(crate), got=f"{type(error).__name__}: {error}"
        ) from error


def _is_inside(entity: Mapping[str, Any]) -> bool:
    return not entity["@id"].startswith("#") and "://" not in entity["@id"]


def _require_same_names(held: set[str], named: Any, crate: Path) -> None:
    for names, what in ((named - held, "is missing from the crate"), (held - named, "is not a file of the crate")):
        if names:
            first = min(names)
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ArtifactError(f"{first} {what}", where=str(crate), got=f"{first}{more}", hint="take another copy")


def _require_room(entries: Mapping[str, zipfile.ZipInfo], crate: Path, target: Path) -> None:
    declared = sum(entry.file_size for entry in entries.values())
    packed = crate.stat().st_size
    free = shutil.disk_usage(target).free
    bomb = declared > _HARMLESS and declared > _MOST_TIMES * packed
    if bomb or declared > free or sum(entry.compress_size for entry in entries.values()) > packed:
        raise ArtifactError(
            f"the crate would unpack to {declared} bytes", where=str(crate), got=f"{packed} bytes packed",
            expected=f"at most {min(free, max(_HARMLESS, _MOST_TIMES * packed))} bytes",
        )  # fmt: skip


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, expected: tuple[str, int] | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(entry) as source, target.open("xb") as file:
            sha256 = _copy(source, file)
    except _UNREADABLE as error:  # its own checksum does not fit
        raise ArtifactError(f"{entry.filename} of the crate was altered", got=str(error)) from error
    if expected is not None and (sha256, target.stat().st_size) != expected:
        raise ArtifactError(
            f"{entry.filename} of the crate was altered", expected=f"sha256 {expected[0]}", got=f"sha256 {sha256}",
            hint="take another copy of the crate",
        )  # fmt: skip
