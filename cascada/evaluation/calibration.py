"""Whether probabilities mean what they say: reliability, expected calibration error, Brier score and log-loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cascada.evaluation.metrics import Floats, Integers, Metric, Resampling, defined

BINS = 15
"""Bins of the confidence (Guo et al., arXiv:1706.04599)."""


@dataclass(frozen=True)
class Reliability:
    """The reliability curve of the most likely primary, one entry a bin of confidence that holds showers.

    Attributes
    ----------
    confidence, accuracy
        Means of the bin, shape (bins,).
    weight
        Sum of the weights in the bin, shape (bins,).
    """

    confidence: Floats
    accuracy: Floats
    weight: Floats


def reliability(probabilities: Floats, labels: Integers, weight: Floats) -> Reliability:
    """Compare the confidence in the most likely primary with how often it is right, in `BINS` equal bins."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    sums = [np.bincount(place, weights=w, minlength=BINS) for w in (weight, weight * confidence, weight * right)]
    held = sums[0] > 0.0
    total, confident, correct = (column[held].astype(np.float64) for column in sums)
    return Reliability(confident / total, correct / total, total)


def calibration_error(probabilities: Floats, labels: Integers, weight: Floats) -> float:
    """Measure the expected calibration error: the mean distance of the reliability curve from the diagonal.

    Naeini, Cooper, Hauskrecht, Proc. AAAI 29 (2015) 2901; bins as in arXiv:1706.04599.
    """
    curve = reliability(probabilities, labels, weight)
    if not curve.weight.size:
        return math.nan
    return float(np.average(np.abs(curve.accuracy - curve.confidence), weights=curve.weight))


def brier_score(probabilities: Floats, labels: Integers, weight: Floats) -> float:
    """Measure the mean squared distance of the probabilities from the truth, summed over classes: 0 to 2.

    Brier, Mon. Weather Rev. 78 (1950) 1.
    """
    if not weight.any():
        return math.nan
    right = probabilities[np.arange(labels.size), labels]
    return float(np.average(np.sum(probabilities**2, axis=1) - 2.0 * right + 1.0, weights=weight))


def log_loss(probabilities: Floats, labels: Integers, weight: Floats) -> float:
    """Measure the mean of -ln P(true primary); probabilities below 1e-15 count as that."""
    if not weight.any():
        return math.nan
    right = np.maximum(probabilities[np.arange(labels.size), labels], 1e-15)
    return float(np.average(-np.log(right), weights=weight))


def measure_calibration(probabilities: Floats, labels: Integers, resampling: Resampling) -> list[Metric]:
    """Measure calibration error, Brier score and log-loss."""
    return defined([
        resampling.measure("ece", lambda w: calibration_error(probabilities, labels, w), centred=True),
        resampling.measure("brier_score", lambda w: brier_score(probabilities, labels, w)),
        resampling.measure("log_loss", lambda w: log_loss(probabilities, labels, w)),
    ])  # fmt: skip
