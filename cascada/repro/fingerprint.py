"""Full-content hashes of files, folders, tables and source code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def file_sha256(path: Path) -> str:
    """Hash the bytes of a file, hexadecimal SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sha256(folder: Path) -> str:
    """Hash the names and bytes of all files below a folder; the order that the file system lists them in is no part."""
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


def table_sha256(columns: Mapping[str, NDArray[Any]], units: Mapping[str, str]) -> str:
    """Hash a table by all its values, in row order, with names, types and units.

    Parameters
    ----------
    columns
        Name to values; all of shape (n,). Text is hashed with the length of each value.
    units
        Name to unit; a column without one counts as "".
    """
    digest = hashlib.sha256()
    for name in sorted(columns):
        values = columns[name]
        header = {"name": name, "unit": units.get(name, ""), "rows": values.shape[0]}
        if values.dtype.kind in "OUT":
            encoded = [str(value).encode() for value in values.tolist()]
            header["dtype"] = "str"
            payload = np.array([len(value) for value in encoded], dtype="<i8").tobytes() + b"".join(encoded)
        else:
            little = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
            header["dtype"] = little.dtype.str
            payload = little.tobytes()
        digest.update(json.dumps(header, sort_keys=True).encode())
        digest.update(payload)
    return digest.hexdigest()


def source_sha256(*folders: Path) -> str:
    """Hash the Python and YAML sources below folders: what a cached result was computed by."""
    return json_sha256(
        {
            folder.name: files_sha256(folder, (p for p in folder.rglob("*") if p.suffix in (".py", ".yaml")))
            for folder in folders
        }
    )
