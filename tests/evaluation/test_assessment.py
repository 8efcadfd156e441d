"""The whole evaluation: its counts, what is left out, and that it is the same for the same stream."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cascada.evaluation.assessment import evaluate
from cascada.evaluation.metrics import Evaluation, Integers
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.truth import Truth

CLASSES = ("photon", "p", "Fe")
LABELS = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
PREDICTED = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2, 1])
SCORE = np.array([9.0, 1.5, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
P_VALUE = np.array([0.001, 0.4, 0.5, 0.01, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])


def predictions(predicted: Integers) -> Predictions:
    """Predictions that put 0.8 on one class and 0.1 on each other, with the scores of the ten showers."""
    probabilities = np.where(np.eye(3)[predicted] == 1, 0.8, 0.1)
    return Predictions(probabilities, np.resize(SCORE, predicted.size), np.resize(P_VALUE, predicted.size))


def judged(classes: tuple[str, ...] = CLASSES, reference: tuple[str, ...] = ("p", "Fe"), times: int = 10) -> Evaluation:
    """The metrics of ten showers, each of them so many times."""
    labels, predicted = np.tile(LABELS, times), np.tile(PREDICTED, times)
    truth = Truth(labels, np.arange(labels.size), energy_eev=np.full(labels.size, 3.0))
    rng = np.random.default_rng(0)
    return evaluate(predictions(predicted), truth, classes=classes, reference=reference, rng=rng)


def test_confusion_has_the_truth_in_its_rows() -> None:
    evaluation = judged()
    assert evaluation.classes == CLASSES
    assert evaluation.confusion == ((10, 10, 0), (0, 20, 10), (0, 10, 40))


@pytest.mark.parametrize(
    ("name", "value", "n"),
    [
        ("accuracy", 7 / 10, 100),
        ("efficiency_photon", 1 / 2, 20),
        ("efficiency_p", 2 / 3, 30),
        ("efficiency_Fe", 4 / 5, 50),
        ("auc_photon_p", (1 + (0.5 + 0.5 + 0) / 3) / 2, 50),
        ("anomaly_auc", 15 / 16, 100),
        ("false_alarm_rate_at_p_0.01", 1 / 8, 80),
        ("anomaly_efficiency_at_p_0.01", 1 / 2, 20),
        ("log_loss", -(0.7 * math.log(0.8) + 0.3 * math.log(0.1)), 100),
    ],
)
def test_metrics_of_a_hundred_showers(name: str, value: float, n: int) -> None:
    metric = judged().find(name)
    assert metric is not None
    assert metric.value == pytest.approx(value)
    assert metric.n == n
    assert metric.low < value < metric.high


def test_every_interval_holds_its_value() -> None:
    for metric in judged().metrics:
        assert metric.low <= metric.value <= metric.high, metric


def test_the_bin_of_all_showers_says_what_all_say() -> None:
    evaluation = judged()
    for name in ("accuracy", "auc_p_fe", "anomaly_auc"):
        whole, part = evaluation.find(name), evaluation.find(name, "lg_energy_ev 18 to 18.5")
        assert whole is not None
        assert part is not None
        assert (part.value, part.low, part.high, part.n) == (whole.value, whole.low, whole.high, whole.n)


def test_the_same_stream_gives_the_same_evaluation() -> None:
    assert judged() == judged()


def test_metrics_without_their_classes_are_left_out() -> None:
    assert judged(classes=("photon", "He", "Fe"), reference=("He", "Fe")).find("merit_factor_p_fe") is None
    assert judged(reference=CLASSES).find("anomaly_auc") is None
    assert judged(reference=()).find("false_alarm_rate_at_p_0.01") is None


def of_showers(labels: list[int]) -> Evaluation:
    """The metrics of a perfect answer to showers of these classes."""
    truth = Truth(np.array(labels, np.int64), np.arange(len(labels)))
    rng = np.random.default_rng(0)
    return evaluate(predictions(truth.labels), truth, classes=CLASSES, reference=("p", "Fe"), rng=rng)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("labels", "found", "missing"),
    [
        ([], set(), {"accuracy", "ece"}),
        ([0], {"accuracy", "efficiency_photon", "ece"}, {"auc_photon_p", "anomaly_auc", "ln_mass_bias_p"}),
        ([1, 2], {"accuracy", "efficiency_p", "efficiency_Fe", "ln_mass_bias_p"}, {"anomaly_auc", "auc_photon_p"}),
        ([0, 1], {"accuracy", "anomaly_auc", "auc_photon_p", "anomaly_photon_auc"}, {"auc_p_fe"}),
    ],
)
def test_what_the_showers_do_not_define_is_left_out(labels: list[int], found: set[str], missing: set[str]) -> None:
    evaluation = of_showers(labels)
    names = {metric.name for metric in evaluation.metrics}
    assert found <= names
    assert not missing & names
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_ten_showers_can_be_judged() -> None:
    evaluation = judged(times=1)
    metric = evaluation.find("merit_factor_p_fe")
    assert metric is not None
    assert 0.0 <= metric.low < metric.value < metric.high < math.inf
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_gammas_and_hadrons_are_judged_without_any_mass() -> None:
    labels = np.tile([0, 1], 100)
    share = np.random.default_rng(0).dirichlet([1, 1], 200) * 0.5 + 0.5 * np.eye(2)[labels]
    scores = Predictions(share, np.arange(200.0), np.full(200, 0.5))
    truth = Truth(labels, np.arange(200))
    rng = np.random.default_rng(0)
    evaluation = evaluate(scores, truth, classes=("photon", "hadron"), reference=("photon",), rng=rng)
    names = {metric.name for metric in evaluation.metrics}
    assert {"auc_photon_hadron", "anomaly_hadron_auc", "efficiency_photon_at_1e-01", "fraction_error_equal"} <= names
    assert not any("mass" in name for name in names)
    assert "efficiency_photon_at_1e-02" in evaluation.unmeasured
