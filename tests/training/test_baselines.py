"""Classical models: what they must get right, the same answer twice, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from cascada.config.baselines import ANOMALY, SUPERVISED, Baselines
from cascada.errors import ConfigError, InvalidDataError
from cascada.evaluation.separation import roc_auc
from cascada.training.baselines import fit_anomaly, fit_supervised
from cascada.training.dataset import Sample
from cascada.training.scaling import Scaling, fit_scaling

CLASSES = ("photon", "p", "Fe")
NAMES = ("a", "b")
MEANS = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
SMALL = Baselines.model_validate(
    {
        "random_forest": {"trees": 50},
        "hist_gradient_boosting": {"trees": 40},
        "xgboost": {"trees": 60, "depth": 3, "learning_rate": 0.15},
        "lightgbm": {"trees": 60},
        "nystroem_svm": {"landmarks": 60},
        "isolation_forest": {"trees": 60},
        "gaussian_mixture": {"components": 1},
    }
)


def blobs(rows: int, seed: int) -> Sample:
    """Three classes of normal showers with unit spread in features of very different units."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, rows)
    features = (MEANS[labels] + rng.standard_normal((rows, 2))) * [1000.0, 0.001] + [5e4, 0.0]
    return Sample(features.astype(np.float32), labels, np.arange(rows) // 2)


TRAIN, TEST = blobs(1500, 1), blobs(1500, 2)
SCALING = fit_scaling(TRAIN.features, NAMES)
REFERENCE = TRAIN.features[TRAIN.labels == 1]


def best_possible(sample: Sample) -> float:
    """Accuracy of the likelihood ratio, which nothing beats."""
    x = (sample.features - [5e4, 0.0]) / [1000.0, 0.001]
    nearest = ((x[:, None, :] - MEANS) ** 2).sum(axis=2).argmin(axis=1)
    return float((nearest == sample.labels).mean())


def predict(name: str, train: Sample = TRAIN, *, seed: int = 5, threads: int = 1) -> NDArray[np.float64]:
    model = fit_supervised(name, train, scaling=SCALING, classes=CLASSES, seed=seed, threads=threads, baselines=SMALL)
    return model.predict(TEST.features)


def score(name: str, reference: NDArray[np.float32] = REFERENCE, *, seed: int = 5, **options: Any) -> Any:
    settings = {"scaling": SCALING, "threads": 1, "baselines": SMALL} | options
    return fit_anomaly(name, reference, seed=seed, **settings)


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_classifier_is_nearly_as_good_as_the_likelihood_ratio(name: str) -> None:
    probabilities = predict(name)
    assert probabilities.shape == (1500, 3)
    assert probabilities.dtype == np.float64
    assert probabilities.min() >= 0.0
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(1500), abs=1e-6)
    assert (probabilities.argmax(axis=1) == TEST.labels).mean() > best_possible(TEST) - 0.04


@pytest.mark.parametrize("name", SUPERVISED)
def test_probabilities_are_calibrated(name: str) -> None:
    """Of showers that are said to be protons with 0.6 to 1, about as many are."""
    proton = predict(name)[:, 1]
    sure = proton > 0.6
    assert (TEST.labels[sure] == 1).mean() == pytest.approx(proton[sure].mean(), abs=0.08)


@pytest.mark.parametrize(("name", "threads"), [*((name, 1) for name in SUPERVISED), ("random_forest", 2)])
def test_the_same_seed_predicts_the_same_to_the_last_bit(name: str, threads: int) -> None:
    assert np.array_equal(predict(name, threads=threads), predict(name, threads=threads))


@pytest.mark.parametrize("name", ["nystroem_svm", "random_forest", "xgboost", "lightgbm"])
def test_another_seed_predicts_otherwise(name: str) -> None:
    assert not np.array_equal(predict(name, seed=5), predict(name, seed=6))


def test_logistic_regression_is_that_of_two_normal_classes() -> None:
    """ln(p1/p0) of two classes with unit spread is x (m1 - m0) - (m1^2 - m0^2) / 2: here 2 a - 2."""
    rows = TRAIN.labels < 2
    train = Sample(TRAIN.features[rows], TRAIN.labels[rows], TRAIN.groups[rows])
    model = fit_supervised("logistic", train, scaling=SCALING, classes=CLASSES[:2], seed=1, threads=1)
    a = np.array([-1.0, 0.5, 1.0, 2.0, 3.0])
    features = np.column_stack([5e4 + 1000.0 * a, np.zeros(5)]).astype(np.float32)
    probabilities = model.predict(features)
    ln_odds = np.log(probabilities[:, 1] / probabilities[:, 0])
    assert ln_odds == pytest.approx(2.0 * a - 2.0, abs=0.5)


def test_the_calibration_of_a_machine_never_sees_a_group_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn import calibration

    seen: dict[str, Any] = {}
    whole = calibration.CalibratedClassifierCV

    def watch(machine: Any, *, cv: Any, **options: Any) -> Any:
        seen["cv"] = cv
        return whole(machine, cv=cv, **options)

    monkeypatch.setattr(calibration, "CalibratedClassifierCV", watch)
    predict("linear_svm")
    assert len(seen["cv"]) == 3
    for fitted, held_out in seen["cv"]:
        assert not set(TRAIN.groups[fitted]) & set(TRAIN.groups[held_out])


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_class_that_is_missing_is_named(name: str) -> None:
    rows = TRAIN.labels != 1
    train = Sample(TRAIN.features[rows], TRAIN.labels[rows], TRAIN.groups[rows])
    with pytest.raises(InvalidDataError, match=r"holds no p\n") as caught:
        predict(name, train)
    assert "p: 0" in caught.value.got


def test_one_class_only_cannot_be_told_from_anything() -> None:
    train = Sample(TRAIN.features, np.zeros_like(TRAIN.labels), TRAIN.groups)
    with pytest.raises(InvalidDataError, match="one class only") as caught:
        fit_supervised("logistic", train, scaling=SCALING, classes=("p",), seed=1, threads=1)
    assert caught.value.got == "p"
    with pytest.raises(InvalidDataError, match="holds no p, Fe"):
        predict("lightgbm", train)


@pytest.mark.parametrize("name", ["linear_svm", "nystroem_svm"])
def test_too_few_groups_to_calibrate(name: str) -> None:
    train = Sample(TRAIN.features, TRAIN.labels, TRAIN.labels)
    with pytest.raises(InvalidDataError, match="too few groups to calibrate"):
        predict(name, train)


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown classifier 'lightgmb'") as caught:
        predict("lightgmb")
    assert caught.value.hint == "did you mean lightgbm?"
    with pytest.raises(ConfigError, match="unknown anomaly score 'gausian_mixture'") as caught:
        score("gausian_mixture")
    assert caught.value.hint == "did you mean gaussian_mixture?"


@pytest.mark.parametrize("name", ANOMALY)
def test_what_lies_far_off_is_stranger(name: str) -> None:
    far = np.array([[5e4 + 2000.0, -0.008], [5e4 + 9000.0, 0.0]], np.float32)
    near = np.array([[5e4 + 2000.0, 0.0]], np.float32)
    model = score(name)
    assert model.score(far).shape == (2,)
    assert model.score(near).dtype == np.float64
    if name != "pca":  # two features, of which one component is kept: one direction is not seen
        assert model.score(far).min() > model.score(near)[0]


@pytest.mark.parametrize("name", ["isolation_forest", "local_outlier_factor", "gaussian_mixture"])
def test_anomalies_are_found_as_well_as_the_likelihood_finds_them(name: str) -> None:
    """Protons against showers 2 off in one feature: the distance from the protons' centre has an AUC of 0.85 or so."""
    anomalous = TEST.labels != 1
    centre = (TEST.features - [5e4, 0.0]) / [1000.0, 0.001] - MEANS[1]
    best = roc_auc(np.sum(centre**2, axis=1), anomalous, np.ones(anomalous.size))
    found = roc_auc(score(name).score(TEST.features), anomalous, np.ones(anomalous.size))
    assert best - 0.06 < found < best + 0.02


def test_the_score_of_one_gaussian_is_its_negative_log_likelihood() -> None:
    standard = SCALING.apply(REFERENCE).astype(np.float64)
    expected = -multivariate_normal(standard.mean(axis=0), np.cov(standard.T, bias=True)).logpdf(
        SCALING.apply(TEST.features).astype(np.float64)
    )
    assert score("gaussian_mixture").score(TEST.features) == pytest.approx(expected, rel=1e-3)


def test_pca_scores_the_distance_from_the_plane() -> None:
    """On the line b = a, with little noise, one component is kept; its error is half the squared distance from it."""
    rng = np.random.default_rng(3)
    a = rng.standard_normal(2000)
    line = np.column_stack([a, a + 0.01 * rng.standard_normal(2000)]).astype(np.float32)
    scaling = Scaling(mean=(0.0, 0.0), scale=(1.0, 1.0))
    model = score("pca", line, scaling=scaling)
    off = np.array([[1.0, 1.0], [1.0, -1.0], [0.0, 2.0]], np.float32)
    assert model.score(off) == pytest.approx([0.0, 1.0, 1.0], abs=0.01)


@pytest.mark.parametrize("name", ANOMALY)
def test_the_same_seed_scores_the_same_to_the_last_bit(name: str) -> None:
    twice = [score(name, threads=2).score(TEST.features) for _ in range(2)]
    assert np.array_equal(*twice)


@pytest.mark.parametrize("name", ["isolation_forest", "gaussian_mixture"])
def test_another_seed_scores_otherwise(name: str) -> None:
    several = Baselines.model_validate({"gaussian_mixture": {"components": 4}, "isolation_forest": {"trees": 20}})
    first, second = (score(name, seed=seed, baselines=several).score(TEST.features) for seed in (1, 2))
    assert not np.allclose(first, second)


def test_a_large_reference_is_thinned_for_the_local_outlier_factor() -> None:
    few = Baselines.model_validate({"local_outlier_factor": {"rows": 100, "neighbours": 10}})
    anomalous, weight = TEST.labels != 1, np.ones(TEST.labels.size)
    whole, thinned = (score("local_outlier_factor", baselines=b).score(TEST.features) for b in (Baselines(), few))
    assert not np.array_equal(whole, thinned)
    assert roc_auc(thinned, anomalous, weight) > roc_auc(whole, anomalous, weight) - 0.03
    again = score("local_outlier_factor", baselines=few, seed=6).score(TEST.features)
    assert not np.array_equal(thinned, again)


@pytest.mark.parametrize(("name", "least"), [("gaussian_mixture", 2), ("local_outlier_factor", 31), ("pca", 2)])
def test_too_few_reference_showers(name: str, least: int) -> None:
    with pytest.raises(InvalidDataError, match=f"too few reference showers to fit {name}") as caught:
        score(name, REFERENCE[: least - 1])
    assert caught.value.expected == f"{least} or more"


@pytest.mark.parametrize(
    ("section", "value"),
    [({"lightgbm": {"trees": 0}}, "trees"), ({"pca": {"variance": 1.0}}, "variance"), ({"supervised": ["svm"]}, "svm")],
)
def test_settings_out_of_bounds_are_refused(section: dict[str, Any], value: str) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match=value):
        Baselines.model_validate(section)


def test_every_name_has_a_section_of_settings() -> None:
    fields = set(Baselines.model_fields) - {"supervised", "anomaly"}
    assert fields == {*SUPERVISED, *ANOMALY}
    assert math.isclose(Baselines().pca.variance, 0.9)
