"""How well the anomaly score finds what is unlike the reference: in all, per primary and per kind of anomaly."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cascada.evaluation.metrics import FEWEST, Floats, Integers, Mask, Metric, Resampling, defined, wilson
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.separation import best_improvement, rank
from cascada.evaluation.truth import Truth
from cascada.physics.anomalies import NONE

ALARM = 0.01
"""P-value at and below which a shower raises an alarm."""


def normal_showers(truth: Truth, classes: tuple[str, ...], reference: tuple[str, ...]) -> Mask:
    """Tell which showers are ordinary ones of the reference primaries, shape (n,)."""
    named = [classes.index(name) for name in reference if name in classes]
    return np.isin(truth.labels, named) & truth.ordinary()


def measure_anomalies(
    predictions: Predictions, truth: Truth, normal: Mask, classes: tuple[str, ...], resampling: Resampling
) -> list[Metric]:
    """Measure the anomaly score.

    Returns
    -------
    list of Metric
        ``anomaly_auc``, the best significance improvement ``anomaly_sic``, the rate of false alarms and the efficiency
        at p <= `ALARM`; the last two also per primary, and AUC and efficiency per anomalous primary and kind.
    """
    score, alarm = predictions.anomaly_score, predictions.p_value <= ALARM
    metrics = _compare("anomaly", score, alarm, ~normal, normal, resampling)
    if normal.sum() > FEWEST and not normal.all():
        ranking = rank(score, ~normal)
        metrics.append(resampling.measure("anomaly_sic", lambda w: best_improvement(ranking, w), centred=True))
    if normal.any():
        metrics.append(_rate(f"false_alarm_rate_at_p_{ALARM:g}", alarm, normal))
    for name, rows in _primaries(truth, classes):
        if (rows & normal).any():
            metrics.append(_rate(f"false_alarm_rate_{name}_at_p_{ALARM:g}", alarm, rows & normal))
        else:
            metrics += _compare(f"anomaly_{name}", score, alarm, rows, normal, resampling)
    for kind, rows in _kinds(truth):
        metrics += _compare(f"anomaly_{kind}", score, alarm, rows, normal, resampling)
    return defined(metrics)


def anomaly_auc_difference(
    challenger: Predictions, champion: Predictions, normal: Mask, groups: Integers, *, rng: np.random.Generator
) -> Metric | None:
    """Measure the anomaly AUC of a challenger minus that of the champion on the same showers, paired by group.

    Returns
    -------
    Metric or None
        None where these showers do not define it: nothing is unlike the reference, or everything is.
    """
    own, others = (rank(said.anomaly_score, ~normal) for said in (challenger, champion))
    difference = Resampling(groups, rng).measure("anomaly_auc_gain", lambda w: own.auc(w) - others.auc(w))
    return difference if difference.is_defined else None


def _primaries(truth: Truth, classes: tuple[str, ...]) -> Iterable[tuple[str, Mask]]:
    ordinary = truth.ordinary()
    rows = ((name, (truth.labels == index) & ordinary) for index, name in enumerate(classes))
    return [(name, mask) for name, mask in rows if mask.any()]


def _kinds(truth: Truth) -> Iterable[tuple[str, Mask]]:
    kinds = truth.kinds
    return [] if kinds is None else [(str(k), kinds == k) for k in np.unique(kinds) if k != NONE]


def _rate(name: str, alarm: Mask, rows: Mask) -> Metric:
    return wilson(name, int(alarm[rows].sum()), int(rows.sum()))


def _compare(
    name: str, score: Floats, alarm: Mask, unusual: Mask, normal: Mask, resampling: Resampling
) -> list[Metric]:
    if not unusual.any() or not normal.any():
        return []
    rows = unusual | normal
    ranking = rank(score[rows], unusual[rows])
    efficiency = _rate(f"{name}_efficiency_at_p_{ALARM:g}", alarm, unusual)
    return [resampling.measure(f"{name}_auc", ranking.auc, rows), efficiency]
