"""A challenger against the champion on the same showers, and the noise that a gain must exceed.

Two trainings of one recipe with different seeds differ, too. A gain is one only when it is larger than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.stats import t

from cascada.evaluation.anomalies import anomaly_auc_difference, normal_showers
from cascada.evaluation.metrics import LEVEL, Floats, Mask, Metric, Resampling, accuracy_difference
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.slices import FEWEST_SHOWERS, regions
from cascada.evaluation.truth import Truth

NOISE_LEVEL = 0.95
"""Share of retrainings of an unchanged recipe whose gain stays below the bound of the noise."""

REPLICATES = 1000
"""Of the bootstrap of slices: the 95 % quantile of their largest deviation rests on 50 of them."""


class Noise(BaseModel):
    """How much the accuracy of a recipe moves from seed to seed, on the same showers.

    Attributes
    ----------
    accuracies
        Of the challenger and of its recipe with other seeds.
    bound
        Gain that one more training of the same recipe exceeds with probability 1 - `NOISE_LEVEL`.
    """

    model_config = ConfigDict(frozen=True)

    accuracies: tuple[float, ...]
    bound: float


def seed_noise(accuracies: Sequence[float]) -> Noise:
    """Measure the noise from the accuracies of k trainings that differ in their seeds alone, k >= 2.

    Notes
    -----
    Champion and challenger are two draws from the same distribution when nothing but the seed changed; the variance of
    their difference is twice that of one. The bound is t(k - 1) s sqrt(2), Student's one-sided prediction bound.
    Seeds as a source of variance of a benchmark: Bouthillier et al., arXiv:2103.03098.

    Examples
    --------
    >>> round(seed_noise([0.80, 0.81, 0.79, 0.80]).bound, 4)
    0.0272
    """
    bound = float(t.ppf(NOISE_LEVEL, len(accuracies) - 1)) * stdev(accuracies) * math.sqrt(2.0)
    return Noise(accuracies=tuple(accuracies), bound=bound)


class Contest(BaseModel):
    """A challenger against a champion on the same showers.

    Attributes
    ----------
    rival
        Version of the champion.
    gain
        Accuracy of the challenger minus that of the champion.
    slices
        The same in each protected slice, with intervals that hold for all slices at once.
    anomalies
        Anomaly AUC of the challenger minus that of the champion; None where the showers do not define it, and in
        contests of before.
    noise
        None while it decides nothing: a gain whose lower end is not above zero needs no comparison with noise.
    """

    model_config = ConfigDict(frozen=True)

    rival: int
    gain: Metric
    slices: tuple[Metric, ...] = ()
    anomalies: Metric | None = None
    noise: Noise | None = None

    @property
    def needs_noise(self) -> bool:
        """Whether the noise decides, and nobody has measured it yet."""
        return self.noise is None and self.gain.low > 0.0


def hold_contest(
    challenger: Predictions, champion: Predictions, truth: Truth, classes: tuple[str, ...], *,
    reference: tuple[str, ...], rival: int, rng: np.random.Generator,
) -> Contest:  # fmt: skip
    """Compare two models' answers for the same showers, as a whole and in every protected slice.

    Parameters
    ----------
    reference
        Primaries that are normal for both: those of the challenger.
    """
    gain = accuracy_difference(challenger, champion, truth.labels, truth.groups, rng=rng)
    right = [(p.probabilities.argmax(axis=1) == truth.labels).astype(np.float64) for p in (challenger, champion)]
    slices = _differences(right[0] - right[1], protected_slices(truth, classes), truth, rng)
    normal = normal_showers(truth, classes, reference)
    anomalies = anomaly_auc_difference(challenger, champion, normal, truth.groups, rng=rng)
    return Contest(rival=rival, gain=gain, slices=slices, anomalies=anomalies)


def protected_slices(truth: Truth, classes: tuple[str, ...]) -> dict[str, Mask]:
    """Give the rows of every bin of energy and zenith angle and of every primary, where there are enough showers."""
    primaries = {f"primary {name}": truth.labels == index for index, name in enumerate(classes)}
    return regions(truth) | {name: rows for name, rows in primaries.items() if rows.sum() >= FEWEST_SHOWERS}


def _differences(gain: Floats, slices: dict[str, Mask], truth: Truth, rng: np.random.Generator) -> tuple[Metric, ...]:
    """Measure the mean of a gain in every slice, with simultaneous intervals.

    Each half width is the slice's bootstrap error times one factor: the `LEVEL` quantile of the largest studentised
    deviation of all slices (Romano and Wolf, Econometrica 73 (2005) 1237, for which a bootstrap maximum takes the place
    of Bonferroni or Holm; it knows that slices overlap).
    """
    if not slices:
        return ()
    masks = np.stack(list(slices.values()), axis=1).astype(np.float64)
    draws = Resampling(truth.groups, rng, replicates=REPLICATES).means(gain, masks)
    values = (gain @ masks) / masks.sum(axis=0)
    errors = np.nanstd(draws, axis=0)
    deviations = np.abs(draws - values)[:, errors > 0.0] / errors[errors > 0.0]
    factor = float(np.quantile(np.nanmax(deviations, axis=1), LEVEL)) if deviations.size else 0.0
    return tuple(
        Metric(name="accuracy_gain", value=value, low=value - factor * error, high=value + factor * error, n=int(n),
               interval="bootstrap", region=name)
        for name, value, error, n in zip(slices, values.tolist(), errors.tolist(), masks.sum(axis=0), strict=True)
    )  # fmt: skip
