"""What changed from one snapshot to another: rows, schema, distributions."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cascada.data.quality import CHUNK_ROWS
from cascada.data.snapshots import SnapshotRef, scan_showers
from cascada.physics.columns import COLUMNS

Floats = NDArray[np.float64]

_BINS = 1000
_TAIL = 1e-3  # significance below which two distributions are called different


class ColumnDiff(BaseModel):
    """How the values of a column changed.

    Attributes
    ----------
    mean_before, mean_after, std_before, std_after
        In the unit of the column.
    distance
        Largest difference of the two cumulative distributions (Kolmogorov-Smirnov, on 1000 quantiles of the first).
    p_value
        Asymptotic probability of a larger distance between two samples of one distribution.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    mean_before: float
    mean_after: float
    std_before: float
    std_after: float
    distance: float
    p_value: float

    @property
    def differs(self) -> bool:
        return self.p_value < _TAIL


class SnapshotDiff(BaseModel):
    """What changed between two snapshots.

    Attributes
    ----------
    same_content, same_rows
        Whether every value is the same in order, or in any order.
    only_before, only_after, common
        Rows, by all their values; null when the columns differ.
    added_columns, removed_columns
        Names.
    rows_per_primary
        Primary to rows before and after.
    columns
        One entry a numeric column that both have.
    """

    model_config = ConfigDict(frozen=True)

    before: str
    after: str
    same_content: bool
    same_rows: bool
    only_before: int | None
    only_after: int | None
    common: int | None
    added_columns: tuple[str, ...]
    removed_columns: tuple[str, ...]
    rows_per_primary: dict[str, tuple[int, int]]
    columns: tuple[ColumnDiff, ...]


def compare(before: SnapshotRef, after: SnapshotRef) -> SnapshotDiff:
    """Compare the kept rows of two snapshots, in bounded memory (16 bytes a row)."""
    shared = [name for name in before.columns if name in after.columns]
    same_columns = set(before.columns) == set(after.columns)
    counts = _rows_in_common(before, after, shared) if same_columns else (None, None, None)
    numeric = [name for name in shared if COLUMNS[name].dtype == "float32"]
    primaries = dict.fromkeys((*before.rows_per_primary, *after.rows_per_primary))
    return SnapshotDiff(
        before=before.name,
        after=after.name,
        same_content=before.content_sha256 == after.content_sha256,
        same_rows=before.unordered_sha256 == after.unordered_sha256,
        only_before=counts[0],
        only_after=counts[1],
        common=counts[2],
        added_columns=tuple(name for name in after.columns if name not in shared),
        removed_columns=tuple(name for name in before.columns if name not in shared),
        rows_per_primary={p: (before.rows_per_primary.get(p, 0), after.rows_per_primary.get(p, 0)) for p in primaries},
        columns=tuple(_compare_column(name, before, after) for name in numeric),
    )


def _rows_in_common(before: SnapshotRef, after: SnapshotRef, columns: list[str]) -> tuple[int, int, int]:
    one, other = (
        scan_showers(ref).select(pl.struct(columns).hash()).collect(engine="streaming").to_series().sort().to_numpy()
        for ref in (before, after)
    )
    distinct, rows = np.unique(one, return_counts=True)
    others, other_rows = np.unique(other, return_counts=True)
    _, left, right = np.intersect1d(distinct, others, assume_unique=True, return_indices=True)
    common = int(np.minimum(rows[left], other_rows[right]).sum())
    return one.size - common, other.size - common, common


def _compare_column(name: str, before: SnapshotRef, after: SnapshotRef) -> ColumnDiff:
    first = _values(before, name).head(1_000_000).collect(engine="streaming").to_series().to_numpy()
    edges = np.unique(np.quantile(first, np.linspace(0, 1, _BINS + 1))) if first.size else np.zeros(1)
    (n, mean, std, cdf), (m, other_mean, other_std, other_cdf) = (
        _moments(_values(ref, name), edges) for ref in (before, after)
    )
    distance = float(np.abs(cdf - other_cdf).max()) if n and m else math.nan
    return ColumnDiff(
        name=name, unit=COLUMNS[name].unit, mean_before=mean, mean_after=other_mean, std_before=std,
        std_after=other_std, distance=distance, p_value=_p_value(distance, n, m),
    )  # fmt: skip


def _values(ref: SnapshotRef, name: str) -> pl.LazyFrame:
    return scan_showers(ref).select(pl.col(name).cast(pl.Float64).drop_nulls().drop_nans())


def _moments(values: pl.LazyFrame, edges: Floats) -> tuple[int, float, float, Floats]:
    """Count, mean, standard deviation and the cumulative distribution at some edges."""
    count, total, square = 0, 0.0, 0.0
    below = np.zeros(edges.size)
    origin = float(edges[0])
    for chunk in values.collect_batches(chunk_size=CHUNK_ROWS, engine="streaming"):
        numbers = np.sort(chunk.to_series().to_numpy())
        count += numbers.size
        total += float((numbers - origin).sum())
        square += float(np.square(numbers - origin).sum())
        below += np.searchsorted(numbers, edges, side="right")
    if not count:
        return 0, math.nan, math.nan, below
    mean = total / count
    return count, origin + mean, math.sqrt(max(square / count - mean**2, 0.0)), below / count


def _p_value(distance: float, n: int, m: int) -> float:
    from scipy.stats import kstwobign

    return float(kstwobign.sf(distance * math.sqrt(n * m / (n + m)))) if n and m else 1.0
