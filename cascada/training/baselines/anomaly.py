"""Anomaly scores that are fitted on the reference alone; larger is stranger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from cascada.config import baselines as config
from cascada.errors import ConfigError, InvalidDataError, nearest
from cascada.repro.seeds import integer_seed
from cascada.training.baselines.estimator import Estimator, Features, Floats, limited
from cascada.training.scaling import Scaling

_DEFAULT = config.Baselines()


class AnomalyScore(Protocol):
    """Tells how unlike the reference something is."""

    def score(self, features: Features) -> Floats:
        """Score features, shape (n, features), not standardised; shape (n,), larger is stranger."""
        ...


def fit_anomaly(
    name: str, reference: Features, *, scaling: Scaling, seed: int, threads: int,
    baselines: config.Baselines = _DEFAULT,
) -> AnomalyScore:  # fmt: skip
    """Fit an anomaly score on the reference classes alone.

    Parameters
    ----------
    name
        One of `cascada.config.baselines.ANOMALY`.
    reference
        Training rows of the reference primaries, shape (n, features), not yet standardised.
    scaling
        One for all classes, from the training partition.
    seed, threads
        With data and settings they determine every score.

    Raises
    ------
    ConfigError
        If there is no such score.
    InvalidDataError
        If there are fewer rows than the score needs.
    """
    if name not in _FIT:
        raise ConfigError(f"unknown anomaly score {name!r}", hint=nearest(name, _FIT))
    section = getattr(baselines, name)
    least = _least_rows(section)
    if reference.shape[0] < least:
        raise InvalidDataError(
            f"too few reference showers to fit {name}", expected=f"{least} or more", got=str(reference.shape[0]),
            hint=f"bring more showers, or make baselines.{name} smaller",
        )  # fmt: skip
    with limited(threads):
        evaluate = _FIT[name](section, scaling.apply(reference), integer_seed(seed, f"baselines.{name}"), threads)
    return _Score(scaling, threads, evaluate)


class _Score(Estimator):
    def score(self, features: Features) -> Floats:
        return self.apply(features)


Evaluate = Callable[[Features], Any]


def _least_rows(section: Any) -> int:
    if isinstance(section, config.LocalOutlierFactor):
        return section.neighbours + 1
    return section.components + 1 if isinstance(section, config.GaussianMixture) else 2


def _pca(section: config.Pca, reference: Features, seed: int, threads: int) -> Evaluate:  # noqa: ARG001
    from sklearn.decomposition import PCA

    model = PCA(section.variance, svd_solver="full").fit(reference)

    def error(features: Features) -> Floats:
        rebuilt = model.inverse_transform(model.transform(features))
        squares: Floats = np.square(rebuilt - features, dtype=np.float64).mean(axis=1)
        return squares

    return error


def _isolation_forest(section: config.IsolationForest, reference: Features, seed: int, threads: int) -> Evaluate:
    from sklearn.ensemble import IsolationForest

    rows = min(section.rows, reference.shape[0])
    model = IsolationForest(n_estimators=section.trees, max_samples=rows, n_jobs=threads, random_state=seed)
    model.fit(reference).set_params(n_jobs=1)
    return lambda features: -model.score_samples(features)


def _local_outlier_factor(section: config.LocalOutlierFactor, reference: Features, seed: int, threads: int) -> Evaluate:
    from sklearn.neighbors import LocalOutlierFactor

    if reference.shape[0] > section.rows:
        rows = np.random.default_rng(seed).choice(reference.shape[0], section.rows, replace=False)
        reference = reference[np.sort(rows)]
    model = LocalOutlierFactor(section.neighbours, novelty=True, n_jobs=threads).fit(reference)
    return lambda features: -model.score_samples(features)


def _gaussian_mixture(section: config.GaussianMixture, reference: Features, seed: int, threads: int) -> Evaluate:  # noqa: ARG001
    from sklearn.mixture import GaussianMixture

    # Double precision: single leaves covariances of narrow components without a Cholesky factor.
    model = GaussianMixture(section.components, max_iter=300, random_state=seed).fit(reference.astype(np.float64))
    return lambda features: -model.score_samples(features.astype(np.float64))


_FIT: dict[str, Callable[[Any, Features, int, int], Evaluate]] = {
    "pca": _pca,
    "isolation_forest": _isolation_forest,
    "local_outlier_factor": _local_outlier_factor,
    "gaussian_mixture": _gaussian_mixture,
}
