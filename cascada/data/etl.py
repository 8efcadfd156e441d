"""From a source table to the rows that train and the rows that do not, each of the latter with its reason.

Everything here is a lazy plan of polars: nothing is computed before the result is sunk to a file, and then chunk by
chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.physics.columns import COLUMNS, COUNTS

Limits = Mapping[str, tuple[float, float]]
"""Column to its range, inclusive, in canonical units; a column with limits must be finite in every row."""

_STORED_AS = {"int64": pl.Int64, "float32": pl.Float32, "str": pl.String, "bool": pl.Boolean}
_ROW = "_row"


@dataclass(frozen=True)
class Sieved:
    """A table in two parts; every row of the input is in exactly one.

    Attributes
    ----------
    kept
        Rows of the shower table, in file order and storage types.
    quarantined
        Refused rows as they came, with a column ``reason``.
    """

    kept: pl.LazyFrame
    quarantined: pl.LazyFrame


def difference_running_sums(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Turn counts that were summed up row by row back into counts per shower.

    The sums start again where a block of the original production ended: there every count decreases at once, and
    the first row of a block is its own count.

    Parameters
    ----------
    frame
        A source table in file order.
    """
    counts = [name for name in COUNTS if name in frame.collect_schema()]
    falls = [(pl.col(name).diff() < 0).fill_null(True) for name in counts]
    starts = pl.all_horizontal(falls).over("primary")
    return frame.with_columns(starts.alias("_start")).with_columns(
        pl.when("_start").then(pl.col(name)).otherwise(pl.col(name) - pl.col(name).shift(1).over("primary")).alias(name)
        for name in counts
    ).drop("_start")  # fmt: skip


def sieve(frame: pl.LazyFrame, limits: Limits, repeated: NDArray[np.uint32]) -> Sieved:
    """Part the rows that are within the limits and new from those that are not.

    Parameters
    ----------
    limits
        Columns that the table does not have are passed over.
    repeated
        Positions of the rows that repeat an earlier one (`cascada.data.repeats.repeated_rows`).
    """
    columns = frame.collect_schema().names()
    judged = {name: bounds for name, bounds in limits.items() if name in columns}
    reasons = [_out_of_range(name, *bounds) for name, bounds in judged.items()]
    good = pl.all_horizontal(pl.lit(True), *(_within(name, *bounds) for name, bounds in judged.items()))
    if repeated.size:
        is_repeated = pl.col(_ROW).is_in(pl.Series(repeated).implode())
        frame = frame.with_row_index(_ROW)
        good &= ~is_repeated
        reasons.append(pl.when(is_repeated).then(pl.lit("duplicate of an earlier row")))
    reason = pl.concat_str(reasons, separator="; ", ignore_nulls=True) if reasons else pl.lit("")
    stored = [pl.col(name).cast(_STORED_AS[COLUMNS[name].dtype]) for name in columns]
    return Sieved(frame.filter(good).select(stored), frame.filter(~good).select(*columns, reason.alias("reason")))


def physics_of(columns: list[str]) -> list[str]:
    """List the columns that make a shower what it is: two rows that agree in all of them are one shower."""
    return [name for name in columns if COLUMNS[name].role in ("observable", "label", "domain")]


def _within(name: str, minimum: float, maximum: float) -> pl.Expr:
    return (pl.col(name).is_between(minimum, maximum) & pl.col(name).is_finite()).fill_null(False)


def _out_of_range(name: str, minimum: float, maximum: float) -> pl.Expr:
    value = pl.col(name)
    finite = value.is_not_null() & value.is_finite()
    text = f"{name} outside [{minimum:g}, {maximum:g}] {COLUMNS[name].unit}"
    return (
        pl.when(~finite).then(pl.lit(f"{name} not finite"))
        .when(~value.is_between(minimum, maximum)).then(pl.lit(text))
    )  # fmt: skip


def reasons_of(quarantined: pl.LazyFrame) -> dict[str, int]:
    """Count quarantined rows by reason, the most frequent first; a row with two reasons counts for both."""
    single = quarantined.select(pl.col("reason").str.split("; ")).explode("reason")
    counts = single.group_by("reason").len().sort(["len", "reason"], descending=[True, False])
    return dict(counts.collect(engine="streaming").iter_rows())
