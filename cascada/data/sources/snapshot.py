"""Showers from a snapshot that was taken before."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from cascada.config import SnapshotSource
from cascada.data.snapshots import CARD, open_snapshot, scan_showers
from cascada.data.sources.table import SourceTable, schema_of
from cascada.errors import ConfigError, nearest


def read_snapshot(config: SnapshotSource, directory: Path | None) -> SourceTable:
    """Open the kept rows of a snapshot, and its further tables.

    Parameters
    ----------
    directory
        Parent folder of the snapshots.

    Raises
    ------
    ConfigError
        If there is no such snapshot.
    """
    folder = directory or Path()
    if not (folder / config.name / CARD).exists():
        known = sorted(card.parent.name for card in folder.glob(f"*/{CARD}"))
        hint = (
            nearest(config.name, known) if known else "take one with `cascada data import` or `cascada data simulate`"
        )
        raise ConfigError(f"there is no snapshot {config.name!r}", where=str(folder), hint=hint)
    ref = open_snapshot(folder / config.name)
    frame = scan_showers(ref)
    read_as = schema_of(frame.collect_schema().names())
    origin = dict(ref.origin) | {
        "snapshot": ref.name,
        "snapshot_sha256": ref.content_sha256,
        "snapshot_valid": ref.valid,
    }
    tables = {name: pl.scan_parquet(ref.path / f"{name}.parquet") for name in ref.tables}
    return SourceTable(frame.cast(dict(read_as.items())), {"": str(ref.path)}, origin, tables)
