"""The Gaussian mixture: its likelihood is scikit-learn's, in the points' own units."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

from cascada.errors import InvalidDataError
from cascada.training.density import Mixture, fit_mixture

UNITS = np.array([1.0, 1e3, 1e-3])


def cloud(rows: int, *, seed: int) -> NDArray[np.float64]:
    """Two clouds of unit width, ten apart on every axis."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, 3)) + 10.0 * (np.arange(rows) % 2)[:, None]


def log_likelihood(mixture: Mixture, points: NDArray[np.float64]) -> NDArray[np.float64]:
    white = np.einsum("nkd,kde->nke", points[:, None, :] - mixture.mean, mixture.whitening)
    return np.asarray(logsumexp(mixture.log_normalisation - 0.5 * (white**2).sum(axis=2), axis=1))


@pytest.mark.parametrize("components", [1, 2, 5])
def test_the_likelihood_is_that_of_scikit_learn(components: int) -> None:
    points = cloud(2000, seed=1)
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    peer = GaussianMixture(components, reg_covar=1e-5, random_state=3, max_iter=200).fit(points)
    fresh = 0.3 * cloud(100, seed=2)
    assert log_likelihood(fit_mixture(points, components, seed=3), fresh) == pytest.approx(peer.score_samples(fresh))


def test_units_shift_the_likelihood_by_their_volume_alone() -> None:
    points, fresh = cloud(2000, seed=1), cloud(100, seed=2)
    plain = log_likelihood(fit_mixture(points, 2, seed=3), fresh)
    scaled = log_likelihood(fit_mixture(points * UNITS + 7.0, 2, seed=3), fresh * UNITS + 7.0)
    assert scaled == pytest.approx(plain - np.log(UNITS).sum(), rel=1e-6)


def test_two_clouds_are_found() -> None:
    mixture = fit_mixture(cloud(4000, seed=1), 2, seed=3)
    assert np.sort(mixture.mean[:, 0]) == pytest.approx([0.0, 10.0], abs=0.15)
    covariance = np.linalg.inv(mixture.whitening @ mixture.whitening.transpose(0, 2, 1))
    assert covariance == pytest.approx(np.stack([np.eye(3)] * 2), abs=0.15)


def test_a_mixture_repeats_with_its_seed() -> None:
    one, other = (fit_mixture(cloud(3000, seed=1), 6, seed=3) for _ in range(2))
    assert np.array_equal(one.mean, other.mean)
    assert np.array_equal(one.whitening, other.whitening)
    assert not np.array_equal(one.mean, fit_mixture(cloud(3000, seed=1), 6, seed=4).mean)


def test_points_stay_as_they_were() -> None:
    points = cloud(100, seed=1)
    before = points.copy()
    fit_mixture(points, 2, seed=3)
    assert np.array_equal(points, before)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="too few") as caught:
        fit_mixture(cloud(39, seed=1), 4, seed=1)
    assert "anomaly.components" in caught.value.hint
    assert (caught.value.expected, caught.value.got) == ("at least 40 for 4 components", "39")


def test_a_coordinate_that_never_changes_keeps_the_density_finite() -> None:
    points = cloud(200, seed=1)
    points[:, 1] = 4.0
    assert np.isfinite(log_likelihood(fit_mixture(points, 2, seed=3), points)).all()
