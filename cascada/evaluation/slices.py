"""Bins of energy and zenith angle, and the metrics that are measured in each."""

from __future__ import annotations

import itertools
import re

import numpy as np

from cascada.evaluation.metrics import Floats, Integers, Mask, Metric, Resampling, defined, wilson
from cascada.evaluation.predictions import Predictions, mean_ln_mass
from cascada.evaluation.separation import log_odds, merit_factor, rank
from cascada.evaluation.truth import Truth

LG_ENERGY, ZENITH = "lg_energy_ev", "zenith_deg"
"""Axes of the bins."""

LG_ENERGY_WIDTH = 0.5
ZENITH_EDGES = (0.0, 30.0, 45.0, 60.0, 75.0, 90.0)
FEWEST_SHOWERS = 50
"""A bin with fewer showers is left out."""


def region_name(axis: str, low: float, high: float) -> str:
    """Name a bin.

    Examples
    --------
    >>> region_name(LG_ENERGY, 18.5, 19.0)
    'lg_energy_ev 18.5 to 19'
    """
    return f"{axis} {low:g} to {high:g}"


def bounds_of(region: str) -> tuple[str, float, float] | None:
    """Read axis, lower and upper edge of a bin from its name; None for what is no bin.

    Examples
    --------
    >>> bounds_of("zenith_deg 30 to 45")
    ('zenith_deg', 30.0, 45.0)
    """
    found = re.fullmatch(r"(\w+) (-?[\d.]+) to (-?[\d.]+)", region)
    return None if found is None else (found[1], float(found[2]), float(found[3]))


def regions(truth: Truth) -> dict[str, Mask]:
    """Give the rows of every bin that holds enough showers, by its name; upper edges are open but for the last."""
    found: dict[str, Mask] = {}
    if truth.energy_eev is not None:
        lg_energy = np.log10(truth.energy_eev) + 18.0
        finite = lg_energy[np.isfinite(lg_energy)]
        if finite.size:
            # Energies of a range are stored in float32: 10**18 comes back a little below it.
            first, last = (float(edge) for edge in np.round(finite[[finite.argmin(), finite.argmax()]], 4))
            start = np.floor(first / LG_ENERGY_WIDTH) * LG_ENERGY_WIDTH
            steps = max(int(np.ceil((last - start) / LG_ENERGY_WIDTH)), 1)
            found |= _bins(LG_ENERGY, np.round(lg_energy, 4), start + LG_ENERGY_WIDTH * np.arange(steps + 1))
    if truth.zenith_deg is not None:
        found |= _bins(ZENITH, truth.zenith_deg, np.array(ZENITH_EDGES))
    return found


def _bins(axis: str, values: Floats, edges: Floats) -> dict[str, Mask]:
    found = {}
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        closed = (values == high) & (place == edges.size - 2)
        rows = (values >= low) & ((values < high) | closed)
        if rows.sum() >= FEWEST_SHOWERS:
            found[region_name(axis, float(low), float(high))] = rows
    return found


def measure_slices(
    predictions: Predictions, truth: Truth, normal: Mask, classes: tuple[str, ...], resampling: Resampling
) -> list[Metric]:
    """Measure accuracy, AUC and merit factor of p and Fe, anomaly AUC and false alarms in every bin."""
    metrics = []
    for name, rows in regions(truth).items():
        measured = _measure_bin(predictions, truth.labels, normal, classes, rows, resampling)
        metrics += [metric.model_copy(update={"region": name}) for metric in measured]
    return metrics


def _measure_bin(
    predictions: Predictions,
    labels: Integers,
    normal: Mask,
    classes: tuple[str, ...],
    rows: Mask,
    resampling: Resampling,
) -> list[Metric]:
    right = predictions.probabilities[rows].argmax(axis=1) == labels[rows]
    metrics = [wilson("accuracy", int(right.sum()), int(right.size))]
    if {"p", "Fe"} <= set(classes):
        metrics += _proton_iron(predictions.probabilities, labels, classes, rows, resampling)
    if (rows & normal).any():
        alarm = predictions.p_value[rows & normal] <= 0.01
        metrics.append(wilson("false_alarm_rate_at_p_0.01", int(alarm.sum()), int(alarm.size)))
    if (rows & normal).any() and (rows & ~normal).any():
        ranking = rank(predictions.anomaly_score[rows], ~normal[rows])
        metrics.append(resampling.measure("anomaly_auc", ranking.auc, rows))
    return defined(metrics)


def _proton_iron(
    probabilities: Floats, labels: Integers, classes: tuple[str, ...], rows: Mask, resampling: Resampling
) -> list[Metric]:
    proton, iron = classes.index("p"), classes.index("Fe")
    both = rows & np.isin(labels, [proton, iron])
    is_iron = labels[both] == iron
    ranking = rank(log_odds(probabilities[both], proton, iron), is_iron)
    mass = mean_ln_mass(probabilities[both], classes)
    return [
        resampling.measure("auc_p_fe", ranking.auc, both),
        resampling.measure("merit_factor_p_fe", lambda w: merit_factor(mass, is_iron, w), both),
    ]
