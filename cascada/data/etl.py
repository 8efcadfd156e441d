"""From a source table to the rows that train and the rows that do not, each of the latter with its reason."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cascada.errors import SourceError
from cascada.physics.columns import COLUMNS, COUNTS, OBSERVABLES

_TYPES = {"int64": pl.Int64, "float32": pl.Float32, "str": pl.String}


@dataclass(frozen=True)
class Sieved:
    """A table in two parts; every row of the input is in exactly one.

    Attributes
    ----------
    kept
        Rows of the shower table, in file order and storage types.
    quarantined
        Refused rows with a column ``reason``.
    """

    kept: pl.DataFrame
    quarantined: pl.DataFrame


def difference_running_sums(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn counts that were summed up row by row back into counts per shower.

    The sums start again where a block of the original production ended: there every count decreases at once, and
    the first row of a block is its own count.

    Parameters
    ----------
    frame
        A source table in file order.
    """
    counts = [name for name in COUNTS if name in frame.columns]
    falls = [(pl.col(name).diff() < 0).fill_null(True) for name in counts]
    starts = pl.all_horizontal(falls).over("primary")
    return frame.with_columns(starts.alias("_start")).with_columns(
        pl.when("_start").then(pl.col(name)).otherwise(pl.col(name) - pl.col(name).shift(1).over("primary")).alias(name)
        for name in counts
    ).drop("_start")  # fmt: skip


def sieve(frame: pl.DataFrame) -> Sieved:
    """Part the rows that meet every range of the shower table from those that do not.

    Raises
    ------
    SourceError
        If no row is left, or counts do not add up.
    """
    reasons = [_out_of_range(name) for name in OBSERVABLES if name in frame.columns] + [_duplicate(frame)]
    joined = pl.concat_str(reasons, separator="; ", ignore_nulls=True)
    judged = frame.with_columns(joined.alias("reason")).with_columns(
        pl.when(pl.col("reason") != "").then(pl.col("reason")).alias("reason")
    )
    refused = judged.filter(pl.col("reason").is_not_null())
    kept = judged.filter(pl.col("reason").is_null()).drop("reason")
    if kept.height + refused.height != frame.height:
        raise SourceError("rows were lost", expected=str(frame.height), got=f"{kept.height} + {refused.height}")
    if kept.is_empty():
        raise SourceError("no row is left after the quality cuts", got=str(reasons_of(refused)))
    return Sieved(kept.select(pl.col(name).cast(_TYPES[COLUMNS[name].dtype]) for name in kept.columns), refused)


def _out_of_range(name: str) -> pl.Expr:
    column = COLUMNS[name]
    value = pl.col(name)
    finite = value.is_not_null() & value.is_finite()
    text = f"{name} outside [{column.minimum:g}, {column.maximum:g}] {column.unit}"
    return (
        pl.when(~finite).then(pl.lit(f"{name} not finite"))
        .when(~value.is_between(column.minimum, column.maximum)).then(pl.lit(text))
    )  # fmt: skip


def _duplicate(frame: pl.DataFrame) -> pl.Expr:
    physics = [name for name in frame.columns if COLUMNS[name].role in ("observable", "label")]
    return pl.when(~pl.struct(physics).is_first_distinct()).then(pl.lit("duplicate of an earlier row"))


def reasons_of(quarantined: pl.DataFrame) -> dict[str, int]:
    """Count quarantined rows by reason, the most frequent first; a row with two reasons counts for both."""
    single = quarantined.select(pl.col("reason").str.split("; ")).explode("reason")
    counts = single.group_by("reason").len().sort(["len", "reason"], descending=[True, False])
    return dict(counts.iter_rows())
