"""Snapshots: immutable, validated data sets on disk.

A snapshot is the folder ``data/<name>`` with ``showers.parquet``, ``quarantine.parquet``, the tables that belong to the
same showers, ``snapshot.json``, and for readers ``validation.html``, ``DATASHEET.md`` and ``croissant.json``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from cascada.data.quality import CHUNK_ROWS
from cascada.errors import ArtifactError, SourceError
from cascada.physics.columns import COLUMNS
from cascada.repro.tables import TableDigest, hash_table

logger = logging.getLogger(__name__)

CHUNK_LISTS = 65_536
"""Rows of a further table that are hashed at a time: they may hold lists, such as traces."""

SHOWERS, QUARANTINE, CARD = "showers.parquet", "quarantine.parquet", "snapshot.json"


class SnapshotRef(BaseModel):
    """A reference to a snapshot, as it travels between stages.

    Attributes
    ----------
    path
        Folder of the snapshot.
    content_sha256
        Hash of every value of the kept rows, with names, types, units and order.
    unordered_sha256
        The same for rows in any order (`cascada.repro.tables`).
    columns
        Columns of the kept rows, in order.
    tables
        Names of further tables of the same showers, each in a file of its own.
    table_sha256
        Hash of every value of each of them.
    rows_in, rows_kept, rows_quarantined
        ``rows_in = rows_kept + rows_quarantined``.
    reasons
        Quarantined rows by reason.
    dvc_md5
        DVC's name of this version; empty until it is tracked.
    suites
        Names of the suites that judged the rows as they came and as they are.
    valid
        Whether every suite passed; a snapshot taken in spite of a failed suite is marked for ever.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    content_sha256: str
    unordered_sha256: str
    schema_version: int
    columns: tuple[str, ...]
    tables: tuple[str, ...] = ()
    table_sha256: dict[str, str] = Field(default_factory=dict, exclude_if=lambda tables: not tables)
    rows_in: int
    rows_kept: int
    rows_quarantined: int
    rows_per_primary: dict[str, int]
    reasons: dict[str, int]
    origin: dict[str, object]
    suites: tuple[str, ...]
    valid: bool
    dvc_md5: str = ""

    @property
    def card(self) -> dict[str, object]:
        """The reference as the snapshot itself holds it: without what only its surroundings know."""
        return self.model_dump(mode="json", exclude={"path", "dvc_md5"})


def digest_table(table: pl.LazyFrame | pl.DataFrame) -> TableDigest:
    """Hash all values of a table of canonical columns, chunk by chunk."""
    units = {name: COLUMNS[name].unit for name in table.lazy().collect_schema().names()}
    return _digest(table.lazy(), units, CHUNK_ROWS)


def further_table_sha256(table: pl.LazyFrame) -> str:
    """Hash all values of a further table, in row order; its names carry the units."""
    return _digest(table, {}, CHUNK_LISTS).ordered


def _digest(frame: pl.LazyFrame, units: Mapping[str, str], rows: int) -> TableDigest:
    return hash_table(frame.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming"), units)


def content_sha256(table: pl.LazyFrame | pl.DataFrame) -> str:
    """Hash all values of a shower table in row order: the identity of a data set."""
    return digest_table(table).ordered


@contextlib.contextmanager
def staging(folder: Path, name: str) -> Iterator[Path]:
    """Give a folder to write a snapshot in; `publish` makes it the snapshot, leaving without that leaves nothing.

    Parameters
    ----------
    folder
        Parent of the snapshots.
    name
        Name of the snapshot; what killed runs left under it is swept away.

    Raises
    ------
    SourceError
        If the disk is full or cannot be written.
    """
    staged: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder, name)
        staged = Path(tempfile.mkdtemp(prefix=f".{name}.writing-", dir=folder))
        staged.chmod(folder.stat().st_mode & 0o777)  # mkdtemp's own would hide the snapshot from the group
        yield staged
    except OSError as error:
        raise _no_room(folder, error) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if "No space left" in str(error):
            raise _no_room(folder, error) from error
        raise SourceError(
            "the rows of an input file cannot be read", got=str(error)[:500], hint="the file is damaged: fetch it anew"
        ) from error
    finally:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)


def _no_room(folder: Path, error: BaseException) -> SourceError:
    return SourceError(
        "the snapshot cannot be written", where=str(folder), got=str(error)[:500], hint="free some disk space"
    )


def _sweep(folder: Path, name: str) -> None:
    for leftover in folder.glob(f".{name}.replaced-*"):
        if (folder / name).exists():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.rename(folder / name)
    for leftover in folder.glob(f".{name}.writing-*"):
        logger.info("removing %s, left by a run that was killed", leftover)
        shutil.rmtree(leftover, ignore_errors=True)


def write_card(staged: Path, ref: SnapshotRef) -> None:
    """Write the reference of a snapshot into its own folder."""
    (staged / CARD).write_text(json.dumps(ref.card, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def publish(staged: Path, ref: SnapshotRef) -> None:
    """Make a staged folder the snapshot, in the place of the one that was there."""
    for file in staged.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    replaced = staged.with_name(staged.name.replace(".writing-", ".replaced-"))
    if ref.path.exists():
        ref.path.rename(replaced)
    staged.rename(ref.path)
    shutil.rmtree(replaced, ignore_errors=True)


def open_snapshot(path: Path) -> SnapshotRef:
    """Read the reference of a snapshot on disk from its card.

    Raises
    ------
    ArtifactError
        If the folder holds no snapshot.
    """
    try:
        return SnapshotRef.model_validate(json.loads((path / CARD).read_text(encoding="utf-8")) | {"path": path})
    except (OSError, ValueError) as error:
        raise ArtifactError("this folder holds no snapshot", where=str(path), expected=CARD, got=str(error)) from error


def list_snapshots(folder: Path) -> list[SnapshotRef]:
    """List the snapshots below a folder, by name."""
    return [open_snapshot(card.parent) for card in sorted(folder.glob(f"*/{CARD}"))]


def scan_showers(ref: SnapshotRef) -> pl.LazyFrame:
    """Open the kept rows of a snapshot, lazily and unchecked; `cascada.data.versions.read_showers` checks them."""
    return pl.scan_parquet(ref.path / SHOWERS)


def is_intact(ref: SnapshotRef) -> bool:
    """Tell whether the kept rows on disk are those of the reference, by their full content."""
    try:
        return content_sha256(scan_showers(ref)) == ref.content_sha256
    except (OSError, KeyError, pl.exceptions.PolarsError):
        return False
