"""The science product: fractions of primaries in a mixture, unfolded from what the model says of its showers.

Labels of single showers are not what a measurement of the composition publishes. A mixture is unfolded with the
response of the model, P(predicted | true), by the iteration of D'Agostini (NIM A 362 (1995) 487), which is expectation
maximisation for the multinomial likelihood: its fractions are never negative and equal those of the inverted matrix
where those are positive.
"""

from __future__ import annotations

import numpy as np

from cascada.evaluation.metrics import LEVEL, Floats, Integers, Metric

SHOWERS = 1000
"""Showers of a simulated measurement."""

MEASUREMENTS = 200
"""Simulated measurements of each mixture."""

ITERATIONS = 1000

# Fractions of p, He, N, Fe fitted to the depths of the Pierre Auger Observatory with EPOS-LHC at lg(E/eV) = 18.25,
# 18.85 and 19.44: ICRC 2023, doi:10.22323/1.444.0319.
AUGER_MIXTURES = {
    "auger_18.25": {"p": 0.66, "He": 0.11, "N": 0.19, "Fe": 0.03},
    "auger_18.85": {"p": 0.15, "He": 0.75, "N": 0.09, "Fe": 0.02},
    "auger_19.44": {"p": 0.10, "He": 0.29, "N": 0.51, "Fe": 0.10},
}


def response(labels: Integers, predicted: Integers, size: int, weight: Floats) -> Floats:
    """Measure P(predicted | true), shape (predicted, true); columns sum to one, or to zero without showers."""
    counts = np.bincount(predicted * size + labels, weights=weight, minlength=size**2).reshape(size, size)
    total = counts.sum(axis=0)
    return np.asarray(counts / np.where(total > 0.0, total, 1.0), np.float64)


def unfold(counts: Floats, matrix: Floats) -> Floats:
    """Unfold fractions of true primaries from counts of predicted ones.

    Parameters
    ----------
    counts
        Shape (..., predicted).
    matrix
        P(predicted | true), shape (predicted, true), or one for each of the counts, shape (..., predicted, true).

    Returns
    -------
    numpy.ndarray
        Shape (..., true), sums to one: the most likely fractions, found from equal ones in `ITERATIONS` steps.

    Examples
    --------
    >>> unfold(np.array([50.0, 50.0]), np.array([[0.8, 0.3], [0.2, 0.7]])).round(4).tolist()
    [0.4, 0.6]
    """
    share = counts / counts.sum(axis=-1, keepdims=True)
    fractions = np.full((*share.shape[:-1], matrix.shape[-1]), 1.0 / matrix.shape[-1])
    for _ in range(ITERATIONS):
        expected = np.einsum("...pt,...t->...p", matrix, fractions)
        ratio = share / np.where(expected > 0.0, expected, 1.0)
        fractions = fractions * np.einsum("...pt,...p->...t", matrix, ratio)
        fractions /= fractions.sum(axis=-1, keepdims=True)
    return fractions


def mixtures_for(classes: tuple[str, ...]) -> dict[str, Floats]:
    """Give the mixtures to unfold: equal shares, and those of Auger where all of their nuclei are told apart."""
    mixtures = {"equal": np.full(len(classes), 1.0 / len(classes))}
    for name, shares in AUGER_MIXTURES.items():
        if set(shares) <= set(classes):
            fractions = np.array([shares.get(primary, 0.0) for primary in classes])
            mixtures[name] = fractions / fractions.sum()
    return mixtures


def measure_fractions(
    predicted: Integers, labels: Integers, groups: Integers, classes: tuple[str, ...], rng: np.random.Generator
) -> list[Metric]:
    """Simulate measurements of mixtures and measure how wrong the unfolded fractions are.

    For every one of `MEASUREMENTS` the groups are parted into two halves: one measures the response, from the other
    `SHOWERS` showers are drawn as the mixture says. What the size of the response sample costs is so part of the error.

    Returns
    -------
    list of Metric
        Per mixture the mean absolute error of a fraction, ``fraction_error_<mixture>``, and per primary the mean error
        ``fraction_bias_<mixture>_<primary>``; intervals hold the central 95 % of the simulated measurements. Empty
        when a half lacks a primary.
    """
    names, position = np.unique(groups, return_inverse=True)
    measuring, measured = [], []
    for _ in range(MEASUREMENTS):
        half = (rng.permutation(names.size) < names.size // 2)[position].astype(np.float64)
        measuring.append(response(labels, predicted, len(classes), half))
        measured.append(response(labels, predicted, len(classes), 1.0 - half))
    known, drawn = np.stack(measuring), np.stack(measured)
    if not (known.sum(axis=1).all() and drawn.sum(axis=1).all()):
        return []
    metrics = []
    for name, fractions in mixtures_for(classes).items():
        counts = rng.multinomial(SHOWERS, drawn @ fractions).astype(np.float64)
        errors = unfold(counts, known) - fractions
        metrics.append(_spread(f"fraction_error_{name}", np.abs(errors).mean(axis=1)))
        metrics += [_spread(f"fraction_bias_{name}_{p}", errors[:, i]) for i, p in enumerate(classes)]
    return metrics


def _spread(name: str, values: Floats) -> Metric:
    low, high = np.quantile(values, [0.5 - LEVEL / 2.0, 0.5 + LEVEL / 2.0])
    return Metric(name=name, value=float(values.mean()), low=float(low), high=float(high), n=SHOWERS, interval="toys")
