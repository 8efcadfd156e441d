"""Probabilities that mean what they say: temperature scaling (Guo et al., arXiv:1706.04599)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Find the temperature T that minimises the log loss of the mean over networks of softmax(logits / T).

    Parameters
    ----------
    logits
        Of showers that no network was fitted on, shape (networks, n, classes).
    labels
        Class indices, shape (n,).

    Returns
    -------
    float
        Between 1e-3 and 1e3; it changes no ranking of a single network's classes.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import softmax

    rows = np.arange(labels.size)

    def log_loss(log_temperature: float) -> float:
        share = softmax(logits / math.exp(log_temperature), axis=2).mean(axis=0)[rows, labels]
        return float(-np.log(np.maximum(share, 1e-300)).mean())

    found = minimize_scalar(log_loss, bounds=(math.log(1e-3), math.log(1e3)), method="bounded")
    return math.exp(float(found.x))
