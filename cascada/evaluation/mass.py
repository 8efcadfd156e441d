"""The estimate of ln A: bias and resolution of each nucleus."""

from __future__ import annotations

import math

import numpy as np

from cascada.evaluation.metrics import Floats, Integers, Metric, Resampling, defined
from cascada.evaluation.predictions import ln_mass_sigma, mean_ln_mass
from cascada.physics.primaries import PRIMARIES


def mean_and_deviation(value: Floats, weight: Floats) -> tuple[float, float]:
    """Compute the weighted mean and standard deviation, of arrays of shape (n,); NaN without any weight."""
    if not weight.any():
        return math.nan, math.nan
    mean = float(np.average(value, weights=weight))
    return mean, math.sqrt(float(np.average((value - mean) ** 2, weights=weight)))


def measure_mass(
    probabilities: Floats, labels: Integers, classes: tuple[str, ...], resampling: Resampling
) -> list[Metric]:
    """Measure the bias ``<ln A estimated> - ln A`` and the standard deviation of the estimate, of each nucleus.

    Also over all nuclei, how often the true ln A lies within two of the estimate's own sigmas:
    ``ln_mass_coverage_2_sigma``. Empty where fewer than two nuclei are told apart: their ln A needs no estimate.
    """
    if sum(PRIMARIES[name].is_nucleus for name in classes) < 2:
        return []
    estimate = mean_ln_mass(probabilities, classes)
    metrics = []
    for index, name in enumerate(classes):
        rows = labels == index
        if PRIMARIES[name].is_nucleus and rows.any():
            error = estimate[rows] - PRIMARIES[name].ln_mass
            names = [f"ln_mass_bias_{name}", f"ln_mass_resolution_{name}"]
            metrics += resampling.measure_all(names, lambda w, error=error: mean_and_deviation(error, w), rows)  # type: ignore[misc]
    return defined(metrics + _coverage(probabilities, labels, classes, resampling))


def _coverage(
    probabilities: Floats, labels: Integers, classes: tuple[str, ...], resampling: Resampling
) -> list[Metric]:
    masses = np.array([PRIMARIES[n].ln_mass if PRIMARIES[n].is_nucleus else math.nan for n in classes])
    rows = np.isfinite(masses[labels])
    if not rows.any():
        return []
    error = np.abs(mean_ln_mass(probabilities[rows], classes) - masses[labels[rows]])
    inside = (error <= 2.0 * ln_mass_sigma(probabilities[rows], classes)).astype(np.float64)
    return [resampling.measure("ln_mass_coverage_2_sigma", lambda w: mean_and_deviation(inside, w)[0], rows)]
