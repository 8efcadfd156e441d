"""Classifiers: linear models, support vector machines, forests and boosted trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cascada.config import baselines as config
from cascada.errors import ConfigError, InvalidDataError, nearest
from cascada.repro.seeds import integer_seed
from cascada.training.baselines.estimator import Estimator, Features, Floats, limited
from cascada.training.dataset import Sample
from cascada.training.scaling import Scaling

_DEFAULT = config.Baselines()


class Classifier(Protocol):
    """Tells primaries apart."""

    def predict(self, features: Features) -> Floats:
        """Predict probabilities, shape (n, classes), of features, shape (n, features), not standardised."""
        ...


def fit_supervised(
    name: str, train: Sample, *, scaling: Scaling, classes: tuple[str, ...], seed: int, threads: int,
    baselines: config.Baselines = _DEFAULT,
) -> Classifier:  # fmt: skip
    """Fit a classifier.

    Parameters
    ----------
    name
        One of `cascada.config.baselines.SUPERVISED`.
    train
        Training partition, not yet standardised.
    scaling
        One for all classes, from the training partition.
    classes
        Primaries in the order of class indices.
    seed, threads
        With data and settings they determine every prediction.

    Raises
    ------
    ConfigError
        If there is no such classifier.
    InvalidDataError
        If the training partition lacks a class, or there is one class only.
    """
    if name not in _MAKE:
        raise ConfigError(f"unknown classifier {name!r}", hint=nearest(name, _MAKE))
    _check_classes(train, classes)
    standardised = scaling.apply(train.features)
    with limited(threads):
        recipe = Recipe(train, integer_seed(seed, f"baselines.{name}"), threads)
        model = _MAKE[name](getattr(baselines, name), recipe).fit(standardised, train.labels)
    if name == "random_forest":
        model.set_params(n_jobs=1)  # threads would add the trees up in the order in which they come
    return _Classifier(scaling, threads, model.predict_proba)


class _Classifier(Estimator):
    def predict(self, features: Features) -> Floats:
        return self.apply(features)


def _check_classes(train: Sample, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        raise InvalidDataError(
            "there is one class only, and nothing to tell it from", got=", ".join(classes),
            hint="bring a second primary, or score anomalies against this one",
        )  # fmt: skip
    counts = np.bincount(train.labels, minlength=len(classes))
    lacking = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    if lacking:
        raise InvalidDataError(
            f"the training partition holds no {', '.join(lacking)}",
            expected=f"showers of {', '.join(classes)}",
            got=", ".join(f"{name}: {count}" for name, count in zip(classes, counts, strict=True)),
            hint="bring showers of every class, or leave the class out",
        )


@dataclass(frozen=True)
class Recipe:
    """What an estimator is made for."""

    train: Sample
    seed: int
    threads: int


def _logistic(section: config.Logistic, recipe: Recipe) -> Any:  # noqa: ARG001
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=section.inverse_penalty, max_iter=2000)


def _linear_svm(section: config.LinearSvm, recipe: Recipe) -> Any:
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=section.inverse_penalty, dual=False, random_state=recipe.seed)
    return _calibrated(machine, section.folds, recipe)


def _nystroem_svm(section: config.NystroemSvm, recipe: Recipe) -> Any:
    from sklearn.kernel_approximation import Nystroem
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    rows, features = recipe.train.features.shape
    landmarks = min(section.landmarks, rows // 2)
    kernel = Nystroem(gamma=section.width / features, n_components=landmarks, random_state=recipe.seed)
    machine = LinearSVC(C=section.inverse_penalty, dual=False, random_state=recipe.seed)
    return _calibrated(make_pipeline(kernel, machine), section.folds, recipe)


def _calibrated(machine: Any, folds: int, recipe: Recipe) -> Any:
    """Turn margins into probabilities by sigmoids (Platt 1999) fitted on groups that the machine has not seen."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import StratifiedGroupKFold

    train = recipe.train
    smallest = min(np.unique(train.groups[train.labels == label]).size for label in np.unique(train.labels))
    if smallest < folds:
        raise InvalidDataError(
            "too few groups to calibrate a support vector machine", expected=f"{folds} groups of every class or more",
            got=str(smallest), hint="bring more showers, or choose a classifier that needs no calibration",
        )  # fmt: skip
    splits = StratifiedGroupKFold(folds).split(train.features, train.labels, train.groups)
    return CalibratedClassifierCV(machine, cv=list(splits), ensemble=False)


def _random_forest(section: config.RandomForest, recipe: Recipe) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        section.trees, min_samples_leaf=section.min_leaf, n_jobs=recipe.threads, random_state=recipe.seed
    )


def _hist_gradient_boosting(section: config.HistGradientBoosting, recipe: Recipe) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=section.trees, learning_rate=section.learning_rate, max_leaf_nodes=section.leaves,
        min_samples_leaf=section.min_leaf, early_stopping=False, random_state=recipe.seed,
    )  # fmt: skip


def _xgboost(section: config.Xgboost, recipe: Recipe) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=section.trees, learning_rate=section.learning_rate, max_depth=section.depth,
        subsample=section.rows, colsample_bytree=section.columns, tree_method="hist", n_jobs=recipe.threads,
        random_state=recipe.seed,
    )  # fmt: skip


def _lightgbm(section: config.Lightgbm, recipe: Recipe) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=section.trees, learning_rate=section.learning_rate, num_leaves=section.leaves,
        min_child_samples=section.min_leaf, subsample=section.rows, subsample_freq=1, colsample_bytree=section.columns,
        n_jobs=recipe.threads, random_state=recipe.seed, deterministic=True, force_row_wise=True, verbosity=-1,
    )  # fmt: skip


_MAKE: dict[str, Callable[[Any, Recipe], Any]] = {
    "logistic": _logistic,
    "linear_svm": _linear_svm,
    "nystroem_svm": _nystroem_svm,
    "random_forest": _random_forest,
    "hist_gradient_boosting": _hist_gradient_boosting,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
}
