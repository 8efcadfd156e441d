"""What a model says about showers: probabilities, ln A with its uncertainty, and the p-value of an anomaly score."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.physics.primaries import PRIMARIES

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


def mean_ln_mass(probabilities: Floats, classes: tuple[str, ...]) -> Floats:
    """Estimate ln A as its mean under the probabilities of the nuclei, shape (n,)."""
    return _ln_mass_moments(probabilities, classes)[0]


def ln_mass_sigma(probabilities: Floats, classes: tuple[str, ...]) -> Floats:
    """Estimate the uncertainty of `mean_ln_mass`: the standard deviation of ln A under the same probabilities, (n,).

    What is neither a nucleus nor likely one, such as a photon, has the ln A and the sigma that it would have if it were
    a nucleus: the probability of a photon says how far to trust them.
    """
    return _ln_mass_moments(probabilities, classes)[1]


def _ln_mass_moments(probabilities: Floats, classes: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Sum class by class: the order, and so the last bit, does not depend on how many showers there are."""
    nuclei = [i for i, name in enumerate(classes) if PRIMARIES[name].is_nucleus]
    ln_mass = [PRIMARIES[classes[i]].ln_mass for i in nuclei]
    share = [probabilities[:, i] + np.finfo(np.float32).tiny for i in nuclei]
    whole: Floats = functools.reduce(np.add, share)
    share = [one / whole for one in share]
    mean: Floats = functools.reduce(np.add, [one * mass for one, mass in zip(share, ln_mass, strict=True)])
    spread = [one * (mass - mean) ** 2 for one, mass in zip(share, ln_mass, strict=True)]
    sigma: Floats = np.sqrt(functools.reduce(np.add, spread))
    return mean, sigma


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
