"""What a snapshot says of itself to machines: ``croissant.json``. Facts only; what nobody told is "not stated".

Croissant 1.1 is a JSON-LD vocabulary for data sets: docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cascada.physics.columns import COLUMNS
from cascada.repro.fingerprint import file_sha256

NOT_STATED = "not stated"

_FORMATS = {
    ".parquet": "application/x-parquet", ".json": "application/json", ".html": "text/html", ".md": "text/markdown",
}  # fmt: skip
_TYPES = {
    "Int64": ("sc:Integer", "cr:Int64"), "Float32": ("sc:Float", "cr:Float32"), "Float64": ("sc:Float", "cr:Float64"),
    "Boolean": ("sc:Boolean",), "String": ("sc:Text",),
}  # fmt: skip
_LICENCES = {
    "MIT": "https://spdx.org/licenses/MIT.html",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}
_CONTENTS = {
    "showers": "The rows that were kept, one a shower or event.",
    "quarantine": "The rows that were refused, as they came, each with its reason.",
    "snapshot": "The card of the snapshot: counts, origin and hashes.",
    "validation": "The report of the expectation suites.",
}


class Snapshot(Protocol):
    """The facts of a snapshot that documents are made of (`cascada.data.snapshots.SnapshotRef`)."""

    @property
    def name(self) -> str: ...
    @property
    def content_sha256(self) -> str: ...
    @property
    def schema_version(self) -> int: ...
    @property
    def rows_in(self) -> int: ...
    @property
    def rows_kept(self) -> int: ...
    @property
    def rows_quarantined(self) -> int: ...
    @property
    def rows_per_primary(self) -> Mapping[str, int]: ...
    @property
    def reasons(self) -> Mapping[str, int]: ...
    @property
    def origin(self) -> Mapping[str, object]: ...
    @property
    def valid(self) -> bool: ...


@dataclass(frozen=True)
class DataFile:
    """A file of a snapshot.

    Attributes
    ----------
    bytes
        Size.
    columns
        Column to its polars type, for a table; empty for other files.
    """

    name: str
    sha256: str
    bytes: int
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> str:
        stem = Path(self.name).stem
        table = f"Table {stem} of the same showers." if self.columns else self.name
        return _CONTENTS.get(stem, table)


def describe_files(folder: Path, *, without: Sequence[str] = ("croissant.json", "DATASHEET.md")) -> list[DataFile]:
    """List the files of a snapshot by name, with hash, size and, for tables, columns.

    Parameters
    ----------
    without
        Names of the documents themselves, which cannot hold their own hash.
    """
    import polars as pl

    def columns(file: Path) -> dict[str, str]:
        return {name: str(dtype) for name, dtype in pl.read_parquet_schema(file).items()}

    return [
        DataFile(
            name=file.name,
            sha256=file_sha256(file),
            bytes=file.stat().st_size,
            columns=columns(file) if file.suffix == ".parquet" else {},
        )
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name not in without
    ]


def croissant(snapshot: Snapshot, files: Sequence[DataFile], *, published: str = "") -> dict[str, Any]:
    """Describe a snapshot in Croissant 1.1; the addresses of its files are relative to the document.

    Parameters
    ----------
    files
        As `describe_files` gives them.
    published
        Date of the publication, ``YYYY-MM-DD``; left out when there is none.
    """
    licence = told(snapshot, "licence")
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": snapshot.name,
        "description": summary(snapshot),
        "license": _LICENCES.get(licence, licence),
        "url": _address(snapshot),
        "citeAs": told(snapshot, "citation"),
        "version": f"{snapshot.schema_version}.0.0+{snapshot.content_sha256[:12]}",
        "distribution": [_file_object(file) for file in files],
        "recordSet": [_record_set(file) for file in files if file.columns],
    }
    return document | ({"datePublished": published} if published else {})


def told(snapshot: Snapshot, key: str) -> str:
    """Return what the origin of a snapshot says under a key, or that nothing was told."""
    return str(snapshot.origin.get(key) or NOT_STATED)


def summary(snapshot: Snapshot) -> str:
    """Say in two or three sentences what a snapshot is."""
    state = "" if snapshot.valid else " NOT VALID: it was taken in spite of a failed expectation suite."
    return (
        f"{snapshot.rows_kept} rows of air showers or events, from: {told(snapshot, 'origin')}."
        f" {snapshot.rows_quarantined} of {snapshot.rows_in} rows were refused and lie apart with their reasons.{state}"
    )


def _address(snapshot: Snapshot) -> str:
    """Find the address of the origin in its description; without one, the name of the content."""
    origin = told(snapshot, "origin")
    if found := re.search(r"https?://[^\s,;)]+", origin):
        return found[0]
    if found := re.search(r"doi:(10\.\S+?)(?=[\s,;)]|$)", origin):
        return f"https://doi.org/{found[1]}"
    if found := re.search(r"\b(?:github|gitlab)\.com/[\w.-]+/[\w.-]+", origin):
        return f"https://{found[0]}"
    return f"urn:sha256:{snapshot.content_sha256}"


def _file_object(file: DataFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "description": file.content,
        "contentUrl": file.name,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": _FORMATS.get(Path(file.name).suffix, "application/octet-stream"),
        "sha256": file.sha256,
    }


def _record_set(file: DataFile) -> dict[str, Any]:
    table = Path(file.name).stem
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": file.content,
        "field": [_field(table, file.name, name, dtype) for name, dtype in file.columns.items()],
    }


def _field(table: str, file: str, name: str, dtype: str) -> dict[str, Any]:
    single = dtype.removeprefix("List(").removesuffix(")")
    types = list(_TYPES.get(single, ("sc:Text",)))
    if name in COLUMNS and COLUMNS[name].role == "label":
        types.append("cr:Label")
    described = {
        "@type": "cr:Field",
        "@id": f"{table}/{name}",
        "name": name,
        "description": _meaning(name),
        "dataType": types if len(types) > 1 else types[0],
        "source": {"fileObject": {"@id": file}, "extract": {"column": name}},
    }
    return described | ({"isArray": True, "arrayShape": "-1"} if single != dtype else {})


def _meaning(name: str) -> str:
    column = COLUMNS.get(name)
    if column is None:
        return "Why the row was refused." if name == "reason" else NOT_STATED
    unit = f" Unit: {column.unit}." if column.unit else ""
    warning = " Known to a simulation only: never a feature." if column.role == "truth" else ""
    return f"{column.description or NOT_STATED}.{unit} Role: {column.role}.{warning}"


_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{
        term: f"cr:{term}"
        for term in (
            "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject",
            "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
            "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
            "separator", "source", "subField", "transform",
        )
    },
}  # fmt: skip
"""Short names of the vocabulary, as the specification lists them."""
