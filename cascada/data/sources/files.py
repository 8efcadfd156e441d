"""The input files of a source: found, or missed with a message that says where to get them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cascada.config import FileSource
from cascada.errors import SourceError, nearest
from cascada.physics.primaries import class_order, find_primary
from cascada.repro.fingerprint import file_sha256


@dataclass(frozen=True)
class InputFile:
    """A file (or, for CORSIKA 8, a folder) to read; `primary` is "" when its name does not say what it holds."""

    path: Path
    primary: str = ""


def find_files(config: FileSource, directory: Path) -> list[InputFile]:
    """Find the files of a source: by primary in the order of `PRIMARIES`, or sorted by name.

    Raises
    ------
    SourceError
        If a name or pattern matches nothing.
    ConfigError
        If a primary is unknown.
    """
    if isinstance(config.files, dict):
        order = class_order({find_primary(name).name for name in config.files})
        named = [(primary, config.files[primary]) for primary in order]
    else:
        named = [("", pattern) for pattern in config.files]
    return [InputFile(path, primary) for primary, name in named for path in _match(config, directory, name)]


def _match(config: FileSource, directory: Path, name: str) -> list[Path]:
    found = sorted(directory.glob(name)) if any(mark in name for mark in "*?[") else [directory / name]
    if found and all(path.exists() for path in found):
        return found
    present = sorted(p.name for p in directory.iterdir()) if directory.is_dir() else []
    raise SourceError(
        "an input file is missing",
        where=str(directory / name),
        expected=f"a file from {config.origin} ({config.licence}; cite {config.citation})",
        got=f"{len(present)} other files in the folder" if present else "no such folder, or an empty one",
        hint=(nearest(name, present[:1000]) + "; or " if present else "")
        + "download it from there and name its folder with --data DIR",
    )


def describe_origin(config: FileSource, files: Sequence[InputFile]) -> dict[str, object]:
    """Collect origin, licence, citation and the SHA-256 of every file, for the manifest."""
    return {
        "origin": config.origin,
        "licence": config.licence,
        "citation": config.citation,
        "sha256": hash_files(files),
    }


def hash_files(files: Sequence[InputFile]) -> dict[str, str]:
    """Hash every file, by name relative to the innermost folder that holds them all."""
    root = os.path.commonpath([file.path.parent for file in files])
    return {str(part.relative_to(root)): file_sha256(part) for file in files for part in _parts(file.path)}


def _parts(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def names_for_messages(files: Sequence[InputFile]) -> dict[str, str]:
    """Map each primary ("" for files that hold no or several) to its file, or to the first and the number of files."""
    grouped: dict[str, list[str]] = {}
    for file in files:
        grouped.setdefault(file.primary, []).append(str(file.path))
    return {
        primary: paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
        for primary, paths in grouped.items()
    }
