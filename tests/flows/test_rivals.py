"""Baselines beside a model: on the same showers, calibrated and judged alike; and fits that never see the anomalies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import CLASSES, toy, toy_experiment

from cascada.config import Baselines, Experiment
from cascada.evaluation.metrics import Evaluation
from cascada.evaluation.truth import Truth
from cascada.training.dataset import Sample
from flows.members import ask, fit_model
from flows.rivals import judge_baselines, predict_baselines

TRAIN, CALIBRATION, TEST = toy(600, seed=1), toy(300, seed=3), toy(900, seed=4)
NAMED = Baselines(supervised=("logistic", "lightgbm"), anomaly=("pca", "gaussian_mixture"))


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return toy_experiment().model_copy(update={"baselines": NAMED})


@pytest.fixture(scope="module")
def judged(experiment: Experiment) -> dict[str, Evaluation]:
    truth = Truth(labels=TEST.labels, groups=TEST.groups)
    return judge_baselines(experiment, TRAIN, CALIBRATION, TEST, truth, classes=CLASSES)


def value(evaluation: Evaluation, name: str) -> float:
    metric = evaluation.find(name)
    assert metric is not None
    return metric.value


def test_the_named_baselines_are_judged(judged: dict[str, Evaluation]) -> None:
    assert list(judged) == ["logistic", "lightgbm", "pca", "gaussian_mixture"]
    for name in ("logistic", "lightgbm"):
        assert value(judged[name], "accuracy") > 0.97
    assert value(judged["gaussian_mixture"], "anomaly_auc") > 0.99


def test_a_score_of_anomalies_alone_claims_nothing_else(judged: dict[str, Evaluation]) -> None:
    for name in ("pca", "gaussian_mixture"):
        assert judged[name].confusion == ()
        assert all("anomaly" in m.name or "false_alarm" in m.name for m in judged[name].metrics)


def test_the_anomaly_score_of_a_classifier_is_the_probability_of_what_is_no_reference(experiment: Experiment) -> None:
    said = predict_baselines(experiment, TRAIN, CALIBRATION, TEST, classes=CLASSES)["logistic"]
    assert said.anomaly_score == pytest.approx(said.probabilities[:, 0])
    assert said.probabilities.sum(axis=1) == pytest.approx(np.ones(TEST.labels.size))
    normal = TEST.labels > 0
    assert (said.p_value[normal] <= 0.1).mean() == pytest.approx(0.1, abs=0.05)


def test_probabilities_are_calibrated_on_the_calibration_partition(experiment: Experiment) -> None:
    sure = predict_baselines(experiment, TRAIN, CALIBRATION, TEST, classes=CLASSES)["logistic"]
    dealt = replace(CALIBRATION, labels=np.random.default_rng(0).permutation(CALIBRATION.labels))
    unsure = predict_baselines(experiment, TRAIN, dealt, TEST, classes=CLASSES)["logistic"]
    assert sure.probabilities.max(axis=1).mean() > 0.95
    assert unsure.probabilities.max(axis=1).mean() < 0.45, "labels of the calibration partition that mean nothing"
    assert (sure.probabilities.argmax(axis=1) == unsure.probabilities.argmax(axis=1)).all()


def moved(sample: Sample, by: float) -> Sample:
    """Move the photons, and no other shower."""
    features = sample.features.copy()
    features[sample.labels == 0] += np.float32(by)
    return replace(sample, features=features)


def test_a_fit_on_the_reference_alone_does_not_depend_on_the_anomalies(tmp_path: Path) -> None:
    answers = []
    for number, by in enumerate((0.0, 50.0)):
        experiment = toy_experiment(score="density", one_class=True)
        parts = [moved(sample, by) for sample in (TRAIN, toy(150, seed=2), CALIBRATION)]
        fitted = fit_model(experiment, *parts, classes=CLASSES, folder=tmp_path / str(number))
        member = fitted.members[0]
        said = ask(member.network, fitted.scaling, TEST)
        answers.append((said.logits, member.score(said), fitted.temperature))
    (logits, score, temperature), (other_logits, other_score, other_temperature) = answers
    assert torch.equal(logits, other_logits)
    assert torch.equal(score, other_score)
    assert temperature == other_temperature
    photons = score[TEST.labels == 0]
    assert float(photons.median()) > float(score[TEST.labels > 0].quantile(0.99))
