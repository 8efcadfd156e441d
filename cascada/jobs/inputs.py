"""The files that a run reads and writes, by their full content."""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cascada.errors import SourceError, nearest
from cascada.repro.fingerprint import file_sha256, folder_sha256

Stamp = dict[str, tuple[int, int, int]]
"""Path to inode, size in bytes and time of the last change in ns: what differs when a file was written."""


def hash_inputs(paths: Iterable[Path], *, cwd: Path, root: Path) -> list[dict[str, Any]]:
    """Hash files and folders in full.

    Parameters
    ----------
    paths
        Absolute, or from `cwd`.
    root
        Paths inside of it are recorded relative to it, others as they are.

    Returns
    -------
    list of dict
        ``path``, ``sha256``, ``bytes`` and number of ``files`` of each.

    Raises
    ------
    SourceError
        If a path does not exist or a folder holds no file.
    """
    return [_hash_input(cwd / path, root) for path in paths]


def _hash_input(path: Path, root: Path) -> dict[str, Any]:
    files = _files(path)
    if not files:
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise SourceError(
            "there is no such data" if not path.exists() else "the data folder is empty",
            where=str(path), hint=nearest(path.name, beside[:50]) if beside else "",
        )  # fmt: skip
    return {
        "path": path_from(path, root),
        "sha256": folder_sha256(path) if path.is_dir() else file_sha256(path),
        "bytes": sum(file.stat().st_size for file in files),
        "files": len(files),
    }


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path] * path.is_file()


def path_from(path: Path, root: Path) -> str:
    """Name a path from a root if it is inside of it, and whole if it is not."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - a link into the project is named by where it stands
    top = root.resolve()
    return absolute.relative_to(top).as_posix() if absolute.is_relative_to(top) else str(absolute)


def stamp(paths: Iterable[Path], *, cwd: Path) -> Stamp:
    """Note the state of all files at and below paths; paths that do not exist yet hold none."""
    listed = [file for path in paths for file in _files(cwd / path)]
    return {str(file): (s.st_ino, s.st_size, s.st_mtime_ns) for file in listed for s in [file.stat()]}


def keep_outputs(
    paths: Iterable[Path], before: Stamp, folder: Path, *, cwd: Path, secrets: Sequence[str]
) -> dict[str, str]:
    """Copy the files that are new or changed since a stamp into a folder, under their path from `cwd`.

    Returns
    -------
    dict
        Path in the folder to a reason, for each file that was not copied because a secret stands in it.
    """
    omitted: dict[str, str] = {}
    for name in sorted(k for k, v in stamp(paths, cwd=cwd).items() if before.get(k) != v):
        relative = os.path.relpath(name, cwd).replace(f"..{os.sep}", "")
        if _holds(Path(name), secrets):
            omitted[relative] = "holds a password, key or token"
            continue
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, folder / relative)
    return omitted


def _holds(path: Path, secrets: Sequence[str]) -> bool:
    if not secrets or path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(secret.encode()) >= 0 for secret in secrets)


def hash_outputs(folder: Path) -> dict[str, str]:
    """Hash every file below a folder, path from it to SHA-256."""
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in _files(folder)}
