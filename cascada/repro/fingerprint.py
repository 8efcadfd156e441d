"""Full-content hashes of files, folders, JSON values and source code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def file_sha256(path: Path) -> str:
    """Hash the bytes of a file, hexadecimal SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sha256(folder: Path) -> str:
    """Hash the names and bytes of all files below a folder; the order that the file system lists them in is no part."""
    # cascada: ignore[D201]  # files_sha256 sorts them
    return files_sha256(folder, (path for path in folder.rglob("*") if path.is_file()))


def files_sha256(root: Path, paths: Iterable[Path]) -> str:
    """Hash the names (relative to a root) and bytes of files."""
    return json_sha256({path.relative_to(root).as_posix(): file_sha256(path) for path in paths})


def json_sha256(value: Any) -> str:
    """Hash a JSON value; the order of keys is no part.

    Examples
    --------
    >>> json_sha256({"a": 1, "b": 2}) == json_sha256({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def source_sha256(*folders: Path) -> str:
    """Hash the sources (Python, YAML, templates) below folders: what a cached result was computed by."""
    return json_sha256(
        {
            # cascada: ignore[D201]  # files_sha256 sorts them
            folder.name: files_sha256(folder, (p for p in folder.rglob("*") if p.suffix in (".py", ".yaml", ".j2")))
            for folder in folders
        }
    )
