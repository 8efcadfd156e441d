"""Physics of a table, summarised: what expectation suites check beyond the values of single rows.

A table is read once, in chunks of any size, in file order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.data.etl import Limits, physics_of
from cascada.data.repeats import repeated_rows
from cascada.physics.columns import COUNTS
from cascada.physics.primaries import PRIMARIES, class_order

Floats = NDArray[np.float64]

CHUNK_ROWS = 1_000_000
_FEW = 10  # rows below which nothing is fitted
_ENOUGH = 200  # rows of each primary below which their distributions are not compared
_LN_N_MU_ORIGIN = 16.0  # sums are taken around it, to keep their digits
_ZENITH_EDGES_DEG = np.linspace(0.0, 90.0, 1801)
_LG_ENERGY_EDGES = np.linspace(-9.0, 3.0, 2401)  # lg(E/EeV)
_EDGE_SHARE = 0.01


@dataclass
class _Running:
    """Sums over the rows of one primary.

    Attributes
    ----------
    decreases, pairs, last
        For each count: consecutive rows in which it decreases, consecutive rows, the count of the last row.
    normal, moment, square, fitted
        Normal equations of the fit of ln N_mu: X^T X, X^T y, y^T y and the number of rows.
    zenith, energy
        Histograms.
    """

    rows: int = 0
    decreases: dict[str, int] = field(default_factory=dict)
    pairs: dict[str, int] = field(default_factory=dict)
    last: dict[str, float | None] = field(default_factory=dict)
    normal: Floats = field(default_factory=lambda: np.zeros((4, 4)))
    moment: Floats = field(default_factory=lambda: np.zeros(4))
    square: float = 0.0
    fitted: int = 0
    zenith: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_ZENITH_EDGES_DEG.size - 1, np.int64))
    energy: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_LG_ENERGY_EDGES.size - 1, np.int64))


@dataclass(frozen=True)
class Physics:
    """Two summaries of a table.

    Attributes
    ----------
    per_primary
        One row a primary (or one, with a null, for a table without labels): ``primary, file, rows``;
        ``decreasing_share_<count>``, the share of consecutive rows in which a count decreases (1/2 for independent
        showers, 0 for running sums); ``ln_n_mu_slope`` = d ln N_mu / d ln E of a fit to ln E, sec(zenith) and its
        square (Heitler-Matthews: 0.85 to 0.95 for nuclei, Matthews, Astropart. Phys. 22 (2005) 387) and
        ``ln_n_mu_scatter``, the rms of its residuals; ``median_zenith_deg``; ``zenith_distance``, the
        Kolmogorov-Smirnov distance of the zenith angles from the closer of an isotropic flux on a flat array (uniform
        in sin^2) and a flux uniform in sec(zenith), both up to the largest angle; 0 for a single angle.
    table
        One row: ``file``, empty; ``rows``; ``repeated_ids``, rows whose shower_id (and primary) are those of an
        earlier one; ``repeated_showers``, rows that agree with an earlier one in every observable and the label, and
        ``repeated_share``, their share; ``muon_mass_exponent``, the smallest d ln N_mu / d ln A between nuclei that
        follow one another in mass, at the same energy and zenith (0.06 to 0.08 for CORSIKA / QGSJetII-04);
        ``lg_energy_edge_spread``, the largest difference between primaries of the energy below which 1 % of their
        showers lie, in decades.

    Values that cannot be computed are null, so are comparisons of distributions of fewer than 200 showers.
    """

    per_primary: pl.DataFrame
    table: pl.DataFrame


def summarise(
    frame: pl.LazyFrame, files: Mapping[str, str], limits: Limits | None = None, repeated: int | None = None
) -> Physics:
    """Summarise a shower table in file order.

    Parameters
    ----------
    frame
        A table whose rows can be read more than once.
    files
        Primary to its file, copied into the column ``file``.
    limits
        Rows outside are left out of the fit of ln N_mu: they will be refused one by one, and must not bend it.
    repeated
        Rows that repeat an earlier one, if they were counted already.
    """
    columns = frame.collect_schema().names()
    running: dict[str | None, _Running] = {}
    for chunk in frame.collect_batches(chunk_size=CHUNK_ROWS, maintain_order=True, engine="streaming"):
        labelled = chunk if "primary" in columns else chunk.with_columns(pl.lit(None, pl.String).alias("primary"))
        for (name,), part in labelled.group_by("primary", maintain_order=True):
            _add(running.setdefault(str(name) if name is not None else None, _Running()), part, limits or {})
    known = class_order({name for name in running if name})
    others = sorted((name for name in running if name not in known), key=str)
    rows = [_row(name, running[name], files, columns) for name in (*known, *others)]
    return Physics(pl.DataFrame(rows, infer_schema_length=None), _table(frame, columns, running, repeated))


def _add(running: _Running, part: pl.DataFrame, limits: Limits) -> None:
    running.rows += part.height
    for count in COUNTS:
        if count in part.columns:
            _count_decreases(running, count, part[count])
    _add_histogram(running.zenith, part, "zenith_deg", _ZENITH_EDGES_DEG)
    if "energy_eev" in part.columns:
        positive = part.select(pl.col("energy_eev").filter(pl.col("energy_eev") > 0).log10())
        _add_histogram(running.energy, positive, "energy_eev", _LG_ENERGY_EDGES)
    if {"n_mu", "energy_eev", "zenith_deg"} <= set(part.columns):
        _add_muons(running, part, limits)


def _count_decreases(running: _Running, count: str, values: pl.Series) -> None:
    last = running.last.get(count)
    before = pl.Series([last], dtype=values.dtype)
    steps = pl.concat([before, values]).diff().drop_nulls()
    running.decreases[count] = running.decreases.get(count, 0) + int((steps < 0).sum())
    running.pairs[count] = running.pairs.get(count, 0) + steps.len()
    running.last[count] = values[-1]


def _add_histogram(histogram: NDArray[np.int64], part: pl.DataFrame, column: str, edges: Floats) -> None:
    if column in part.columns:
        histogram += np.histogram(part[column].drop_nulls().drop_nans().to_numpy(), edges)[0]


def _add_muons(running: _Running, part: pl.DataFrame, limits: Limits) -> None:
    names = ("energy_eev", "zenith_deg", "n_mu")
    numbers = part.select(names).drop_nulls().cast(pl.Float64)
    physical = [pl.col("n_mu") > 0, pl.col("energy_eev") > 0, pl.col("zenith_deg").abs() < 89]
    inside = [pl.col(name).is_between(*limits[name]) for name in names if name in limits]
    usable = numbers.filter(pl.all_horizontal(pl.all().is_finite()), *physical, *inside)
    energy, zenith, n_mu = (usable[column].to_numpy() for column in names)
    tilt = 1.0 / np.cos(np.radians(zenith)) - 1.0
    design = np.stack([np.ones_like(tilt), np.log(energy), tilt, tilt**2], axis=1)
    target = np.log(n_mu) - _LN_N_MU_ORIGIN
    running.normal += design.T @ design
    running.moment += design.T @ target
    running.square += float(target @ target)
    running.fitted += usable.height


def _row(name: str | None, running: _Running, files: Mapping[str, str], columns: Sequence[str]) -> dict[str, object]:
    row: dict[str, object] = {"primary": name, "file": files.get(name or "", files.get("", "")), "rows": running.rows}
    for count in (count for count in COUNTS if count in columns):
        pairs = running.pairs[count]
        row[f"decreasing_share_{count}"] = running.decreases[count] / pairs if pairs else None
    fit = _fit(running)
    row["ln_n_mu_slope"] = None if fit is None else float(fit[1])
    row["ln_n_mu_scatter"] = None if fit is None else _scatter(running, fit)
    row["median_zenith_deg"] = _quantile(running.zenith, _ZENITH_EDGES_DEG, 0.5)
    row["zenith_distance"] = _zenith_distance(running.zenith)
    return row


def _fit(running: _Running) -> Floats | None:
    """Solve the normal equations; None where ln E does not vary, so that it has no slope."""
    if running.fitted < _FEW:
        return None
    scale = np.sqrt(np.diag(running.normal))
    scale[scale == 0] = 1.0
    scaled = running.normal / np.outer(scale, scale)
    others = np.delete(np.delete(scaled, 1, 0), 1, 1)
    if np.linalg.matrix_rank(scaled, tol=1e-9) == np.linalg.matrix_rank(others, tol=1e-9):
        return None
    solution: Floats = np.linalg.pinv(scaled, rcond=1e-12, hermitian=True) @ (running.moment / scale) / scale
    return solution


def _scatter(running: _Running, fit: Floats) -> float:
    return float(np.sqrt(max(float(running.square - fit @ running.moment), 0.0) / running.fitted))


def _quantile(histogram: NDArray[np.int64], edges: Floats, share: float) -> float | None:
    total = histogram.sum()
    if not total:
        return None
    cumulative = np.concatenate([[0], np.cumsum(histogram)]) / total
    return float(np.interp(share, cumulative, edges))


def _zenith_distance(histogram: NDArray[np.int64]) -> float | None:
    filled = np.flatnonzero(histogram)
    if histogram.sum() < _ENOUGH:
        return None
    if filled.size == 1:
        return 0.0
    low, high = _ZENITH_EDGES_DEG[filled[0]], _ZENITH_EDGES_DEG[filled[-1] + 1]
    if high > 89:
        return 1.0
    angles = np.radians(np.clip(_ZENITH_EDGES_DEG[1:], low, high))
    measured = np.cumsum(histogram) / histogram.sum()
    acceptances = (np.sin(angles) ** 2, 1.0 / np.cos(angles))
    ends = ((np.sin(np.radians(e)) ** 2, 1.0 / np.cos(np.radians(e))) for e in (low, high))
    start, stop = (np.array(end) for end in ends)
    expected = [(a - start[i]) / (stop[i] - start[i]) for i, a in enumerate(acceptances)]
    return float(min(np.abs(measured - cdf).max() for cdf in expected))


def _table(
    frame: pl.LazyFrame, columns: Sequence[str], running: Mapping[str | None, _Running], repeated: int | None
) -> pl.DataFrame:
    identity = [name for name in ("shower_id", "primary") if name in columns]
    physics = physics_of(list(columns))
    rows = sum(int(part.rows) for part in running.values())
    if repeated is None and physics:
        repeated = repeated_rows(frame, physics).size
    row: dict[str, object] = {
        "file": "",
        "rows": rows,
        "repeated_ids": repeated_rows(frame, identity).size if "shower_id" in columns else None,
        "repeated_showers": repeated,
        "repeated_share": None if repeated is None else repeated / max(rows, 1),
        "muon_mass_exponent": _mass_exponent(running),
        "lg_energy_edge_spread": _edge_spread(running),
    }
    return pl.DataFrame([row], infer_schema_length=None)


def _mass_exponent(running: Mapping[str | None, _Running]) -> float | None:
    """Compare the fits of neighbouring nuclei where all their showers lie on average."""
    nuclei = [PRIMARIES[name] for name in class_order({n for n in running if n}) if PRIMARIES[name].is_nucleus]
    fits = {nucleus.ln_mass: _fit(running[nucleus.name]) for nucleus in nuclei}
    few = any(running[nucleus.name].fitted < _ENOUGH for nucleus in nuclei)
    if few or len(fits) < 2 or any(fit is None for fit in fits.values()):
        return None
    mean = sum(running[nucleus.name].normal[0] for nucleus in nuclei)
    mean = mean / mean[0]
    values = {mass: float(fit @ mean) for mass, fit in fits.items() if fit is not None}
    return min((values[b] - values[a]) / (b - a) for a, b in pairwise(sorted(values)))


def _edge_spread(running: Mapping[str | None, _Running]) -> float | None:
    if not running or any(part.energy.sum() < _ENOUGH for part in running.values()):
        return None
    edges = [_quantile(part.energy, _LG_ENERGY_EDGES, _EDGE_SHARE) or 0.0 for part in running.values()]
    return max(edges) - min(edges)
