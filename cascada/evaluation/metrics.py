"""A metric with its interval and sample size, and how intervals are made.

Proportions have Wilson's interval; every other metric is a pure function of one weight a row, so that one bootstrap by
group (`Resampling`) serves all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.special import ndtri

from cascada.evaluation.predictions import Predictions

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEVEL = 0.95
"""Level of every interval."""

ALL = "all"
"""Region of metrics of the whole test partition."""

FEWEST = 5
"""Showers below which a count carries no rate: a relative error of 45 % and more."""


class Metric(BaseModel):
    """A number with its interval.

    Attributes
    ----------
    low, high
        Central interval of level `LEVEL`.
    n
        Showers that the number was computed from.
    interval
        How the interval was made: of a proportion, by bootstrap, or as the spread of simulated measurements.
    region
        The showers that it is about: `ALL`, or a bin of `cascada.evaluation.slices`.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    value: float
    low: float
    high: float
    n: int
    interval: Literal["wilson", "bootstrap", "toys"]
    region: str = ALL

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def is_defined(self) -> bool:
        return math.isfinite(self.value + self.low + self.high)


class Evaluation(BaseModel):
    """All metrics of a model on one test partition.

    Attributes
    ----------
    classes
        Primaries in the order of the confusion matrix.
    reference
        Primaries that the anomaly score calls normal.
    confusion
        Counts: row true, column predicted.
    unmeasured
        Metrics that these showers do not allow, each with the reason.
    """

    model_config = ConfigDict(frozen=True)

    classes: tuple[str, ...]
    reference: tuple[str, ...] = ()
    metrics: tuple[Metric, ...]
    confusion: tuple[tuple[int, ...], ...]
    unmeasured: dict[str, str] = {}

    def find(self, name: str, region: str = ALL) -> Metric | None:
        """Find a metric by name; None if it cannot be computed for these showers."""
        return next((m for m in self.metrics if m.name == name and m.region == region), None)

    @property
    def overall(self) -> tuple[Metric, ...]:
        """The metrics of the whole test partition."""
        return tuple(metric for metric in self.metrics if metric.region == ALL)

    @property
    def headline(self) -> tuple[Metric, ...]:
        """The metrics that a physicist reads first, as far as they are defined."""
        first = ("accuracy", "merit_factor_p_fe", "auc_p_fe", "ece", "anomaly_auc", "false_alarm_rate_at_p_0.01")
        chosen = (*first, "anomaly_efficiency_at_p_0.01", *(f"efficiency_{name}" for name in self.classes))
        return tuple(metric for name in chosen if (metric := self.find(name)) is not None)


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
    low, high = centre - half if successes else 0.0, centre + half if successes < trials else 1.0  # exactly, both
    return Metric(name=name, value=share, low=low, high=high, n=trials, interval="wilson")


class Resampling:
    """A bootstrap by group (Efron, Ann. Stat. 7 (1979) 1): how often each group is drawn, in every replicate.

    Parameters
    ----------
    groups
        Group of each row, shape (n,); groups are drawn with replacement, whole.
    """

    def __init__(self, groups: Integers, rng: np.random.Generator, *, replicates: int = 200) -> None:
        names, self._position = np.unique(groups, return_inverse=True)
        size = names.size
        draws = (rng.integers(0, size, size) if size else np.empty(0, np.int64) for _ in range(replicates))
        self._times = np.stack([np.bincount(drawn, minlength=size).astype(np.uint8) for drawn in draws])

    def weights(self, rows: Mask | None = None) -> Iterator[Floats]:
        """Give the weight of each row (of some rows) in every replicate, shape (n,)."""
        position = self._position if rows is None else self._position[rows]
        for times in self._times:
            yield times[position].astype(np.float64)

    def means(self, values: Floats, masks: Floats) -> Floats:
        """Compute the mean of some values over several sets of rows in every replicate, shape (replicates, sets).

        Parameters
        ----------
        values
            One a row, shape (n,).
        masks
            Which rows are in each set, 0 or 1, shape (n, sets).

        Notes
        -----
        A mean of which a replicate drew no row is NaN.
        """
        sums = np.zeros((2, self._times.shape[1], masks.shape[1]))
        np.add.at(sums[0], self._position, values[:, None] * masks)
        np.add.at(sums[1], self._position, masks)
        drawn = self._times.astype(np.float64) @ sums
        with np.errstate(invalid="ignore"):
            return np.asarray(drawn[0] / drawn[1], np.float64)

    def measure(
        self,
        name: str,
        statistic: Callable[[Floats], float],
        rows: Mask | None = None,
        *,
        centred: bool = False,
    ) -> Metric:
        """Measure one statistic; see `measure_all`."""
        return self.measure_all([name], lambda weight: [statistic(weight)], rows, centred=centred)[0]

    def measure_all(
        self,
        names: Sequence[str],
        statistic: Callable[[Floats], Sequence[float] | Floats],
        rows: Mask | None = None,
        *,
        centred: bool = False,
    ) -> list[Metric]:
        """Measure statistics that are computed together, with the percentile interval of each.

        Parameters
        ----------
        statistic
            From weights of shape (n,) to one number a name.
        rows
            Which rows it is about, shape (all rows,); all of them when None.
        centred
            For statistics that noise makes larger, such as a mean of absolute values: the interval is moved by the bias
            of the bootstrap, which would else be counted twice.

        Notes
        -----
        A replicate in which a statistic is NaN, because it drew nothing of a class, says nothing about it and is left
        out: the interval is conditional on every class being drawn. It is NaN if no replicate is left.
        """
        n = self._position.size if rows is None else int(rows.sum())
        values = np.asarray(statistic(np.ones(n)), np.float64)
        draws = np.array([statistic(weight) for weight in self.weights(rows)], np.float64)
        made = []
        for name, value, column in zip(names, values, draws.T, strict=True):
            low, high = _percentiles(column, float(value) if centred else None)
            made.append(Metric(name=name, value=float(value), low=low, high=high, n=n, interval="bootstrap"))
        return made


def _percentiles(draws: Floats, value: float | None) -> tuple[float, float]:
    drawn = draws[np.isfinite(draws)]
    if not drawn.size:
        return math.nan, math.nan
    low, high = np.quantile(drawn, [0.5 - LEVEL / 2.0, 0.5 + LEVEL / 2.0])
    if value is None:
        return float(low), float(high)
    bias = float(drawn.mean()) - value
    return max(float(low) - bias, min(0.0, value)), float(high) - bias


def defined(metrics: Sequence[Metric]) -> list[Metric]:
    """Leave out what is not a number, because the showers at hand do not define it."""
    return [metric for metric in metrics if metric.is_defined]


def accuracy_difference(
    challenger: Predictions, champion: Predictions, labels: Integers, groups: Integers, *, rng: np.random.Generator
) -> Metric:
    """Measure the accuracy of a challenger minus that of the champion on the same showers, paired by group."""
    right = [(p.probabilities.argmax(axis=1) == labels).astype(np.float64) for p in (challenger, champion)]
    gain = right[0] - right[1]
    return Resampling(groups, rng).measure("accuracy_gain", lambda w: float(np.average(gain, weights=w)))
