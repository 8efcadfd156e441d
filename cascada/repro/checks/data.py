"""Checks of the data: where they come from, how they are described, whether partitions share rows."""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cascada.repro.checks.evidence import Evidence, Outcome, check, failed, of_run, passed
from cascada.repro.fingerprint import file_sha256
from cascada.repro.manifest import Manifest

_DESCRIBING = re.compile(
    r"^(data|datasets)/(.*/)?[^/]+\.(md|rst|txt|ya?ml|json|jsonld)$|^data(sheet|_card)?\.md$", re.IGNORECASE
)
_LICENCE = re.compile(r"\blicen[cs]e\b", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://|\bdoi:|\b10\.\d{4,}/|\borigin\b|\bsimulat", re.IGNORECASE)
_CROISSANT = re.compile(r"croissant[^/]*\.json(ld)?$", re.IGNORECASE)
_MOST_BYTES = 200 * 2**20  # of a table whose rows are compared
_PARTS = re.compile(r"(?:^|[_.\-/])(train|test|valid|validation|val|dev|calibration)(?:[_.\-/\d]|$)", re.IGNORECASE)
_TEXT = (".csv", ".tsv", ".txt", ".jsonl")


@check
def data_origin(evidence: Evidence) -> Outcome:
    """Look for Croissant, or a page beside the data, that names their origin and licence."""
    described = [name for name in _documents(evidence) if _has_origin(_content(evidence.root / name))]
    pages = [name for name in evidence.files if _DESCRIBING.match(name) and name not in _documents(evidence)]
    written = (name for name in pages if _LICENCE.search(text := evidence.text(name)) and _ORIGIN.search(text))
    found = [*described, *written]
    if found:
        return passed(found[0])
    step = "write data/README.md: for each data set its address or DOI, its licence, when it was fetched"
    return failed("no page in data/ names origin and licence", step)


def _has_origin(content: dict[str, Any]) -> bool:
    return bool(content.get("license")) and any(content.get(key) for key in ("url", "citeAs", "isBasedOn"))


def _documents(evidence: Evidence) -> list[str]:
    """List the Croissant files, those of data that git does not track among them."""
    tracked = [name for name in evidence.files if _CROISSANT.search(name)]
    beside = [path.relative_to(evidence.root).as_posix() for path in sorted(evidence.root.glob("data/*/*.json*"))]
    return sorted({*tracked, *(name for name in beside if _CROISSANT.search(name))})


@check
def data_croissant(evidence: Evidence) -> Outcome:
    """Look for Croissant with name, licence and a hash of every file."""
    names = _documents(evidence)
    if not names:
        return failed("no croissant.json", "write one with mlcroissant (mlcommons.org/croissant)")
    for name in names:
        if missing := _missing(evidence.root / name):
            return failed(f"{name} lacks {', '.join(missing)}", "complete it; mlcroissant validate says more")
    return passed(", ".join(names[:3]))


def _missing(path: Path) -> list[str]:
    content = _content(path)
    if not content:
        return ["valid JSON"]
    found = [key for key in ("name", "license", "distribution") if not content.get(key)]
    listed = content.get("distribution") or ()
    listed = [listed] if isinstance(listed, dict) else [one for one in listed if isinstance(one, dict)]
    files = [one for one in listed if str(one.get("@type", "")).endswith("FileObject")]
    unhashed = [str(one.get("name")) for one in files if not (one.get("sha256") or one.get("md5"))]
    return found + [f"the hash of {name}" for name in unhashed]


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


@of_run
def partitions_hashed(evidence: Evidence) -> Outcome:
    """Look for a hash of the partitions, or for inputs that are partitions, each with its hash."""
    level, reason, step = evidence.levels["partitions"]
    if level >= 2:
        return passed(reason)
    parts = _parts(evidence.run)
    if len(parts) > 1 and all(one.get("sha256") for inputs in parts.values() for one in inputs):
        return passed(f"inputs with hash: {', '.join(sorted(parts))}")
    step = "write the partitions to files such as train.csv and test.csv, and name them with --data"
    return failed(reason, step)


@of_run
def partitions_disjoint(evidence: Evidence) -> Outcome:
    """Count the rows that partitions share: by the recorded counts, or by the rows of inputs that are partitions."""
    manifest = evidence.run
    counted, kept = manifest.partitions.get("rows"), manifest.dataset.get("rows_kept")
    if isinstance(counted, Mapping) and kept is not None:
        total = sum(counted.values())
        if total > kept:
            return failed(f"partitions have {total} rows, the data {kept}", "put every row into one partition")
        return passed(f"{total} rows in partitions of {kept}")
    parts = _parts(manifest)
    paths = {name: [evidence.root / one["path"] for one in inputs] for name, inputs in sorted(parts.items())}
    if len(parts) < 2 or not all(map(_can_be_read, itertools.chain(*paths.values()))):
        return Outcome("by hand", "the record does not say which rows are in which partition")
    if changed := [one["path"] for inputs in parts.values() for one in inputs if not _is_as_read(evidence.root, one)]:
        return Outcome("by hand", f"{changed[0]} is not what the run read")
    rows = {name: frozenset().union(*map(_rows, found)) for name, found in paths.items()}
    for (one, left), (other, right) in itertools.combinations(rows.items(), 2):
        if shared := len(left & right):
            return failed(f"{shared} rows are in {one} and in {other}", "remove repeated rows before the split")
    return passed(f"no row shared by {', '.join(rows)}")


def _parts(manifest: Manifest) -> dict[str, list[dict[str, Any]]]:
    """Group the inputs that are named as partitions: train_a.csv, train_b.csv, data/test.parquet."""
    parts: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in manifest.dataset.get("inputs") or ():
        if match := _PARTS.search(str(one.get("path", ""))):
            parts[match[1].lower()].append(one)
    return dict(parts)


def _is_as_read(root: Path, recorded: Mapping[str, Any]) -> bool:
    return file_sha256(root / recorded["path"]) == recorded.get("sha256")


def _can_be_read(path: Path) -> bool:
    known = path.suffix.lower() in (*_TEXT, ".parquet")
    return known and path.is_file() and path.stat().st_size <= _MOST_BYTES


def _rows(path: Path) -> frozenset[object]:
    """Take the rows of a table as a set: lines of text without the first, which may name columns; hashes of Parquet."""
    if path.suffix.lower() == ".parquet":
        import polars as pl

        return frozenset(pl.read_parquet(path).hash_rows(seed=0).to_list())
    with path.open(encoding="utf-8", errors="replace") as file:
        return frozenset(line.strip() for line in itertools.islice(file, 1, None) if line.strip())
