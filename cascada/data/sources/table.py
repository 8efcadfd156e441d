"""What every source returns: a shower table and where its rows came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from cascada.physics.columns import COLUMNS


@dataclass(frozen=True)
class SourceTable:
    """A shower table in file order, in canonical units, not yet judged.

    Attributes
    ----------
    frame
        Columns of `cascada.physics.columns.COLUMNS`, observables in float64; those that the source does not have
        are absent.
    files
        Primary to the file (or generator) that its rows came from, for messages.
    origin
        Facts for the manifest: origin, licence, citation, hashes of the files, or generator and seed.
    """

    frame: pl.DataFrame
    files: Mapping[str, str]
    origin: Mapping[str, object]


def in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Select the columns of the shower table that a frame has, in their order."""
    return frame.select(name for name in COLUMNS if name in frame.columns)
