"""Metrics with their intervals and sample sizes.

Every metric of a sample takes one weight a row, so that one bootstrap by group serves all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.special import ndtri

from cascada.evaluation.predictions import Predictions
from cascada.physics.primaries import PRIMARIES

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEVEL = 0.95
"""Level of every interval."""


class Metric(BaseModel):
    """A number with its interval.

    Attributes
    ----------
    low, high
        Central interval of level `LEVEL`.
    n
        Showers that the number was computed from.
    interval
        How the interval was made.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    value: float
    low: float
    high: float
    n: int
    interval: Literal["wilson", "bootstrap"]

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Evaluation(BaseModel):
    """All metrics of a model on one test partition.

    Attributes
    ----------
    classes
        Primaries in the order of the confusion matrix.
    confusion
        Counts: row true, column predicted.
    """

    model_config = ConfigDict(frozen=True)

    classes: tuple[str, ...]
    metrics: tuple[Metric, ...]
    confusion: tuple[tuple[int, ...], ...]

    def find(self, name: str) -> Metric | None:
        """Find a metric by name; None if it cannot be computed for these classes."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def wilson(name: str, successes: int, trials: int) -> Metric:
    """Measure a proportion with Wilson's score interval (J. Am. Stat. Assoc. 22 (1927) 209).

    Examples
    --------
    >>> print(wilson("efficiency", 8, 10))
    0.800 [0.490, 0.943]
    """
    z = float(ndtri(0.5 + LEVEL / 2.0))
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return Metric(
        name=name, value=share, low=max(centre - half, 0.0), high=min(centre + half, 1.0), n=trials, interval="wilson"
    )


def roc_auc(score: Floats, positive: NDArray[np.bool_], weight: Floats) -> float:
    """Measure the area under the ROC curve: P(score of a positive > score of a negative), ties counted half.

    Parameters
    ----------
    score, positive, weight
        Shape (n,).

    Returns
    -------
    float
        NaN if all the weight lies on one side.
    """
    values, position = np.unique(score, return_inverse=True)
    up = np.bincount(position, weights=weight * positive, minlength=values.size)
    down = np.bincount(position, weights=weight * ~positive, minlength=values.size)
    below = np.cumsum(down) - down
    pairs = up.sum() * down.sum()
    return float(np.sum(up * (below + down / 2.0)) / pairs) if pairs > 0.0 else math.nan


def merit_factor(value: Floats, first: NDArray[np.bool_], weight: Floats) -> float:
    """Measure how far two classes stand apart: ``|mean1 - mean2| / sqrt(var1 + var2)``.

    Parameters
    ----------
    value, weight
        Shape (n,).
    first
        Shape (n,): which rows are of the first class; the others are of the second.

    Returns
    -------
    float
        NaN if a class has no weight or neither has any spread.
    """
    moments = []
    for mask in (first, ~first):
        if not weight[mask].any():
            return math.nan
        mean = np.average(value[mask], weights=weight[mask])
        moments.append((mean, np.average((value[mask] - mean) ** 2, weights=weight[mask])))
    (mean1, var1), (mean2, var2) = moments
    spread = math.sqrt(var1 + var2)
    return float(abs(mean1 - mean2) / spread) if spread > 0.0 else math.nan


def group_weights(groups: Integers, replicates: int, rng: np.random.Generator) -> list[Floats]:
    """Draw bootstrap weights: how often each row's group was drawn when groups are drawn with replacement."""
    names, position = np.unique(groups, return_inverse=True)
    return [
        np.bincount(rng.integers(0, names.size, names.size), minlength=names.size)[position].astype(np.float64)
        for _ in range(replicates)
    ]


def bootstrap(
    name: str,
    statistic: Callable[[Floats], float],
    groups: Integers,
    *,
    rng: np.random.Generator,
    replicates: int = 200,
) -> Metric:
    """Measure a statistic with the percentile interval of a bootstrap by group (Efron, Ann. Stat. 7 (1979) 1).

    Parameters
    ----------
    statistic
        Takes weights of shape (n,).
    groups
        Group of each row, shape (n,).

    Notes
    -----
    A replicate in which the statistic is NaN, because it drew nothing of a class, says nothing about the statistic and
    is left out: the interval is conditional on every class being drawn. It is NaN if no replicate is left.
    """
    draws = np.array([statistic(weight) for weight in group_weights(groups, replicates, rng)])
    drawn = draws[np.isfinite(draws)]
    low, high = np.quantile(drawn, [0.5 - LEVEL / 2.0, 0.5 + LEVEL / 2.0]) if drawn.size else (math.nan, math.nan)
    value = statistic(np.ones(groups.size))
    return Metric(name=name, value=value, low=float(low), high=float(high), n=int(groups.size), interval="bootstrap")


def evaluate(
    predictions: Predictions,
    labels: Integers,
    groups: Integers,
    *,
    classes: tuple[str, ...],
    reference: tuple[str, ...],
    rng: np.random.Generator,
) -> Evaluation:
    """Measure accuracy, efficiencies, confusion, anomaly AUC and the p-Fe merit factor on a test partition.

    Parameters
    ----------
    predictions
        For n showers.
    labels, groups
        Class index and group of each shower, shape (n,).
    classes
        Primaries in the order of class indices.
    reference
        Primaries that the anomaly score calls normal; the others are the anomalies.

    Notes
    -----
    The merit factor is that of the estimated ln A. It depends on how an estimator is scaled: this one saturates at the
    masses of p and Fe, so it lies above the factors of linear discriminants and compares only with its own kind.
    Metrics that the showers at hand do not define, because there are none of a class, are left out.
    """
    predicted = predictions.probabilities.argmax(axis=1)
    size = len(classes)
    confusion = np.bincount(labels * size + predicted, minlength=size**2).reshape(size, size)
    counts = {"accuracy": (np.trace(confusion), labels.size)}
    counts |= {f"efficiency_{name}": (confusion[i, i], confusion[i].sum()) for i, name in enumerate(classes)}
    metrics = [wilson(name, int(right), int(trials)) for name, (right, trials) in counts.items() if trials > 0]
    anomalous = ~np.isin(labels, [classes.index(name) for name in reference])
    if anomalous.any() and not anomalous.all():
        metrics += _anomalies(predictions, anomalous, groups, rng)
    if {"p", "Fe"} <= set(classes):
        metrics += _proton_iron(predictions, labels, groups, classes, rng)
    return Evaluation(classes=classes, metrics=tuple(metrics), confusion=tuple(map(tuple, confusion.tolist())))


def _anomalies(
    predictions: Predictions, anomalous: NDArray[np.bool_], groups: Integers, rng: np.random.Generator
) -> list[Metric]:
    score, alarm = predictions.anomaly_score, predictions.p_value <= 0.01
    return [
        *_defined(bootstrap("anomaly_auc", lambda w: roc_auc(score, anomalous, w), groups, rng=rng)),
        wilson("false_alarm_rate_at_p_0.01", int(alarm[~anomalous].sum()), int((~anomalous).sum())),
        wilson("anomaly_efficiency_at_p_0.01", int(alarm[anomalous].sum()), int(anomalous.sum())),
    ]


def _defined(metric: Metric) -> list[Metric]:
    return [metric] if math.isfinite(metric.value + metric.low + metric.high) else []


def mean_ln_mass(probabilities: Floats, classes: tuple[str, ...]) -> Floats:
    """Estimate ln A as its mean under the probabilities of the nuclei, shape (n,)."""
    nuclei = [i for i, name in enumerate(classes) if PRIMARIES[name].is_nucleus]
    share = probabilities[:, nuclei] + np.finfo(np.float32).tiny
    mean: Floats = share @ np.array([PRIMARIES[classes[i]].ln_mass for i in nuclei]) / share.sum(axis=1)
    return mean


def _proton_iron(
    predictions: Predictions, labels: Integers, groups: Integers, classes: tuple[str, ...], rng: np.random.Generator
) -> list[Metric]:
    rows = np.isin(labels, [classes.index("p"), classes.index("Fe")])
    mass, proton = mean_ln_mass(predictions.probabilities[rows], classes), labels[rows] == classes.index("p")
    return _defined(bootstrap("merit_factor_p_fe", lambda w: merit_factor(mass, proton, w), groups[rows], rng=rng))


def accuracy_difference(
    challenger: Predictions, champion: Predictions, labels: Integers, groups: Integers, *, rng: np.random.Generator
) -> Metric:
    """Measure the accuracy of a challenger minus that of the champion on the same showers, paired by group."""
    right = [(p.probabilities.argmax(axis=1) == labels).astype(np.float64) for p in (challenger, champion)]
    gain = right[0] - right[1]
    return bootstrap("accuracy_gain", lambda w: float(np.average(gain, weights=w)), groups, rng=rng)
