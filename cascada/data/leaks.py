"""What a split must not let through: the same shower on two sides, and truth among the features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from cascada.data.etl import physics_of
from cascada.physics.columns import COLUMNS

_NEAR_DIGITS = 4
"""Significant digits to which all observables of near duplicates agree."""
_ENOUGH_OBSERVABLES = 4


def summarise_split(frame: pl.DataFrame, manifest: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Count what leaks from one partition into another, for a suite to judge.

    Parameters
    ----------
    frame, manifest
        Snapshot and split, row by row the same showers.
    columns
        Columns that the features are computed from.

    Returns
    -------
    polars.DataFrame
        One row: ``shared_groups``, groups in more than one partition; ``shared_showers``, rows that agree with a row
        of another partition in every observable; ``near_showers``, the same to four significant digits (null for
        fewer than four observables, which agree by chance);
        ``truth_columns`` and ``label_columns``, columns of the features that only a simulation knows, or that name
        the answer.
    """
    sides = manifest.select("group_id", "partition")
    physics = frame.select(name for name in physics_of(frame.columns) if COLUMNS[name].role == "observable")
    roles = [COLUMNS[name].role for name in columns]
    row = {
        "shared_groups": int((sides.group_by("group_id").n_unique()["partition"] > 1).sum()),
        "shared_showers": _shared(physics, manifest["partition"]),
        "near_showers": _near(physics, manifest["partition"]),
        "truth_columns": roles.count("truth"),
        "label_columns": sum(role in ("label", "id", "group") for role in roles),
    }
    return pl.DataFrame([row], infer_schema_length=None)


def _shared(physics: pl.DataFrame, partition: pl.Series) -> int:
    if physics.is_empty():
        return 0
    keys = physics.lazy().select(pl.struct(pl.all()).hash().alias("key")).collect().with_columns(partition)
    sides = keys.group_by("key").agg(pl.len(), pl.col("partition").n_unique().alias("sides"))
    return int(sides.filter(pl.col("sides") > 1)["len"].sum())


def _near(physics: pl.DataFrame, partition: pl.Series) -> int | None:
    if sum(dtype.is_float() for dtype in physics.dtypes) < _ENOUGH_OBSERVABLES:
        return None
    return max(_shared(rounded, partition) for rounded in _rounded(physics))


def _rounded(physics: pl.DataFrame) -> list[pl.DataFrame]:
    """Round on two grids, shifted by half a step: neighbours that one grid parts, the other joins."""
    numeric = [name for name, dtype in physics.schema.items() if dtype.is_float()]
    step = np.log1p(10.0**-_NEAR_DIGITS)
    grid = {name: pl.col(name).cast(pl.Float64).abs().log() / step for name in numeric}
    return [
        physics.with_columns([((grid[name] + shift).floor() * pl.col(name).sign()).alias(name) for name in numeric])
        for shift in (0.0, 0.5)
    ]
