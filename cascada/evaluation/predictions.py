"""What a model says about showers, and the p-value of an anomaly score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """Predictions for n showers.

    Attributes
    ----------
    probabilities
        Shape (n, classes), rows sum to one.
    anomaly_score
        Shape (n,): mean squared reconstruction error in standard deviations of the features; larger is stranger.
    p_value
        Shape (n,): share of reference showers at least as strange.
    """

    probabilities: Floats
    anomaly_score: Floats
    p_value: Floats


def conformal_p_value(scores: Floats, reference: Floats) -> Floats:
    """Rank scores among those of reference showers that the model was not fitted on.

    For scores exchangeable with the reference, P(p <= a) <= a for every a: the false-alarm rate is guaranteed
    (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005; Bates et al., arXiv:2104.08279).

    Parameters
    ----------
    scores
        Shape (n,).
    reference
        Sorted ascending, shape (m,).

    Returns
    -------
    numpy.ndarray
        ``(1 + #{reference >= score}) / (1 + m)``, shape (n,).

    Examples
    --------
    >>> conformal_p_value(np.array([0.0, 2.5, 9.0]), np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 0.5, 0.25]
    """
    at_least = reference.size - np.searchsorted(reference, scores, side="left")
    return np.asarray((1.0 + at_least) / (1.0 + reference.size), np.float64)
