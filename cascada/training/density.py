"""The density of reference showers, as a Gaussian mixture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.errors import InvalidDataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """A mixture of k Gaussians in d dimensions: ``ln p(x) = logsumexp_k(c_k - |(x - mean_k) W_k|^2 / 2)``.

    Attributes
    ----------
    mean
        Shape (k, d).
    whitening
        Shape (k, d, d): W W' is the inverse covariance.
    log_normalisation
        c, shape (k,).
    """

    mean: Floats
    whitening: Floats
    log_normalisation: Floats


def fit_mixture(points: Floats, components: int, *, seed: int) -> Mixture:
    """Fit a Gaussian mixture with full covariances by expectation maximisation (scikit-learn).

    Parameters
    ----------
    points
        Shape (n, d), finite. Coordinates are standardised for the fit, and the result is in their own units.

    Raises
    ------
    InvalidDataError
        If there are fewer than ten points a component.
    """
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    if points.shape[0] < 10 * components:
        raise InvalidDataError(
            "too few reference showers for the density of the anomaly score",
            expected=f"at least {10 * components} for {components} components", got=str(points.shape[0]),
            hint="lower anomaly.components, or set anomaly.score: reconstruction",
        )  # fmt: skip
    centre, scale = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-12)
    mixture = GaussianMixture(components, reg_covar=1e-5, random_state=seed, max_iter=200)
    with threadpool_limits(1):  # the order in which threads add their sums is not determined
        found = mixture.fit((points - centre) / scale)
    whitening = np.asarray(found.precisions_cholesky_) / scale[:, None]
    log_determinant = np.log(np.abs(np.diagonal(whitening, axis1=1, axis2=2))).sum(axis=1)
    return Mixture(
        mean=found.means_ * scale + centre,
        whitening=whitening,
        log_normalisation=np.log(found.weights_) + log_determinant - 0.5 * points.shape[1] * math.log(2.0 * math.pi),
    )
