"""Metrics against published values and brute force, and intervals that hold what they promise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cascada.evaluation.metrics import (
    Evaluation,
    Floats,
    Integers,
    accuracy_difference,
    bootstrap,
    evaluate,
    group_weights,
    mean_ln_mass,
    merit_factor,
    roc_auc,
    wilson,
)
from cascada.evaluation.predictions import Predictions

ROWS = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=2, max_size=12)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# The first four: Newcombe, Stat. Med. 17 (1998) 857, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (8, 10, 0.4902, 0.9433),
        (10, 10, 0.7225, 1.0000),
    ],
)
def test_wilson_as_published(successes: int, trials: int, low: float, high: float) -> None:
    metric = wilson("efficiency", successes, trials)
    assert (metric.low, metric.high) == pytest.approx((low, high), abs=5.1e-5)
    assert (metric.value, metric.n, metric.interval) == (successes / trials, trials, "wilson")


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_stays_between_nought_and_one(counts: tuple[int, int]) -> None:
    successes, trials = counts
    metric = wilson("efficiency", successes, trials)
    assert 0.0 <= metric.low <= metric.value + 1e-12
    assert metric.value - 1e-12 <= metric.high <= 1.0
    mirrored = wilson("loss", trials - successes, trials)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - metric.high, 1 - metric.low), abs=1e-9)


def pairwise_auc(score: Floats, positive: np.ndarray, weight: Floats) -> float:
    """P(score of a positive > score of a negative) over all pairs, ties counted half."""
    up, down = np.flatnonzero(positive), np.flatnonzero(~positive)
    share = (score[up, None] > score[None, down]) + 0.5 * (score[up, None] == score[None, down])
    return float(np.average(share, weights=weight[up, None] * weight[None, down]))


def arrays(rows: list[tuple[int, bool, int]]) -> tuple[Floats, np.ndarray, Floats]:
    score, positive, weight = (np.array(column) for column in zip(*rows, strict=True))
    assume(weight[positive].sum() > 0)
    assume(weight[~positive].sum() > 0)
    return score.astype(float), positive, weight.astype(float)


@given(ROWS)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool, int]]) -> None:
    score, positive, weight = arrays(rows)
    assert roc_auc(score, positive, weight) == pytest.approx(pairwise_auc(score, positive, weight), abs=1e-12)


def merit_of(score: Floats, positive: np.ndarray, weight: Floats) -> float:
    assume(all(np.ptp(score[(positive == side) & (weight > 0)]) > 0 for side in (True, False)))
    return merit_factor(score, positive, weight)


@pytest.mark.parametrize("metric", [roc_auc, merit_of])
@given(rows=ROWS)
def test_weights_are_repeated_rows(
    metric: Callable[[Floats, np.ndarray, Floats], float], rows: list[tuple[int, bool, int]]
) -> None:
    score, positive, weight = arrays(rows)
    times = weight.astype(int)
    repeated = metric(np.repeat(score, times), np.repeat(positive, times), np.ones(times.sum()))
    assert metric(score, positive, weight) == pytest.approx(repeated, abs=1e-12)


@pytest.mark.parametrize(
    ("score", "auc"), [([0, 1, 2, 3], 1.0), ([3, 2, 1, 0], 0.0), ([1, 1, 1, 1], 0.5), ([0, 2, 1, 3], 0.75)]
)
def test_auc_of_four_showers(score: list[float], auc: float) -> None:
    positive = np.array([False, False, True, True])
    assert roc_auc(np.array(score, float), positive, np.ones(4)) == auc


def test_merit_factor_of_two_gaussians() -> None:
    first = np.arange(200_000) % 2 == 0
    value = np.where(first, 0.0, 3.0) + np.where(first, 1.0, 2.0) * rng().standard_normal(first.size)
    assert merit_factor(value, first, np.ones(first.size)) == pytest.approx(3 / math.sqrt(1 + 4), rel=0.01)
    assert merit_factor(value, ~first, np.ones(first.size)) == merit_factor(value, first, np.ones(first.size))


def test_groups_are_drawn_whole() -> None:
    groups = np.array([7, 7, 3, 9, 9, 9])
    for weight in group_weights(groups, 50, rng()):
        assert weight[0] == weight[1]
        assert weight[3] == weight[4] == weight[5]
        assert weight[0] + weight[2] + weight[3] == 3
    assert np.mean(group_weights(groups, 2000, rng()), axis=0) == pytest.approx(np.ones(6), abs=0.1)


def mean_interval(values: Floats, groups: Integers, seed: int) -> tuple[float, float]:
    metric = bootstrap("mean", lambda w: float(np.average(values, weights=w)), groups, rng=rng(seed))
    assert metric.value == pytest.approx(values.mean())
    return metric.low, metric.high


def test_the_interval_covers_the_truth_19_times_in_20() -> None:
    groups = np.repeat(np.arange(60), 4)
    covered = 0
    for seed in range(400):
        values = np.repeat(rng(seed).standard_normal(60), 4)
        low, high = mean_interval(values, groups, seed + 1000)
        covered += low <= 0.0 <= high
    assert 0.91 <= covered / 400 <= 0.98


def test_rows_that_belong_together_widen_the_interval() -> None:
    values = rng(5).standard_normal(400)
    copies = np.repeat(values, 4)
    low, high = mean_interval(values, np.arange(400), 1)
    together = mean_interval(copies, np.repeat(np.arange(400), 4), 1)
    apart = mean_interval(copies, np.arange(1600), 1)
    assert together == pytest.approx((low, high))
    assert together[1] - together[0] == pytest.approx(2 * (apart[1] - apart[0]), rel=0.25)


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
    return evaluate(
        predictions(predicted), labels, np.arange(labels.size), classes=classes, reference=reference, rng=rng()
    )


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
        ("anomaly_auc", 15 / 16, 100),
        ("false_alarm_rate_at_p_0.01", 1 / 8, 80),
        ("anomaly_efficiency_at_p_0.01", 1 / 2, 20),
    ],
)
def test_metrics_of_a_hundred_showers(name: str, value: float, n: int) -> None:
    metric = judged().find(name)
    assert metric is not None
    assert metric.value == pytest.approx(value)
    assert metric.n == n
    assert metric.low < value < metric.high


def test_mean_ln_mass_leaves_the_photon_out() -> None:
    share = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    ln_iron = math.log(56)
    assert mean_ln_mass(share, CLASSES) == pytest.approx([0.0, ln_iron, ln_iron / 2, ln_iron / 2])


def test_the_merit_factor_compares_protons_with_iron() -> None:
    metric = judged().find("merit_factor_p_fe")
    assert metric is not None
    mass = mean_ln_mass(predictions(PREDICTED).probabilities, CLASSES)
    protons, iron = mass[LABELS == 1], mass[LABELS == 2]
    expected = abs(protons.mean() - iron.mean()) / math.sqrt(protons.var() + iron.var())
    assert metric.value == pytest.approx(expected)
    assert metric.n == 80


def test_metrics_without_their_classes_are_left_out() -> None:
    assert judged(classes=("photon", "He", "Fe"), reference=("He", "Fe")).find("merit_factor_p_fe") is None
    assert judged(reference=CLASSES).find("anomaly_auc") is None
    assert judged(reference=()).find("false_alarm_rate_at_p_0.01") is None


def of_showers(labels: list[int]) -> Evaluation:
    """The metrics of a perfect answer to showers of these classes."""
    truth = np.array(labels, np.int64)
    return evaluate(predictions(truth), truth, np.arange(truth.size), classes=CLASSES, reference=("p", "Fe"), rng=rng())


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([], set()),
        ([0], {"accuracy", "efficiency_photon"}),
        ([1, 2], {"accuracy", "efficiency_p", "efficiency_Fe"}),
        (
            [0, 1],
            {
                *("accuracy", "efficiency_photon", "efficiency_p", "anomaly_auc"),
                *("false_alarm_rate_at_p_0.01", "anomaly_efficiency_at_p_0.01"),
            },
        ),
    ],
)
def test_what_the_showers_do_not_define_is_left_out(labels: list[int], found: set[str]) -> None:
    evaluation = of_showers(labels)
    assert {metric.name for metric in evaluation.metrics} == found
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_ten_showers_can_be_judged() -> None:
    evaluation = judged(times=1)
    metric = evaluation.find("merit_factor_p_fe")
    assert metric is not None
    assert 0.0 <= metric.low < metric.value < metric.high < math.inf
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("weight", [[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
def test_without_one_of_two_classes_nothing_is_measured(weight: list[float]) -> None:
    value, first = np.array([1.0, 2.0, 3.0, 5.0]), np.array([True, True, False, False])
    for metric in (roc_auc, merit_factor):
        assert math.isnan(metric(value, first, np.array(weight, float)))


def test_two_classes_without_spread_have_no_merit_factor() -> None:
    assert math.isnan(merit_factor(np.array([1.0, 1.0, 2.0]), np.array([True, True, False]), np.ones(3)))


@pytest.mark.filterwarnings("error")
def test_an_interval_is_of_the_replicates_that_drew_every_class() -> None:
    score, positive = np.array([*range(18), 8.5, 12.5]), np.arange(20) >= 18
    metric = bootstrap("auc", lambda w: roc_auc(score, positive, w), np.arange(20), rng=rng())
    weights = [w for w in group_weights(np.arange(20), 200, rng()) if w[positive].any()]
    assert 150 < len(weights) < 190, "1 in 8 replicates draws no positive"
    expected = np.quantile([pairwise_auc(score, positive, w) for w in weights], [0.025, 0.975])
    assert (metric.low, metric.high) == pytest.approx(tuple(expected))
    assert metric.low < metric.value < metric.high


@pytest.mark.filterwarnings("error")
def test_an_interval_of_nothing_is_none() -> None:
    metric = bootstrap("auc", lambda w: roc_auc(w, np.zeros(5, bool), w), np.arange(5), rng=rng())
    assert all(map(math.isnan, (metric.value, metric.low, metric.high)))


def test_a_model_gains_nothing_over_itself() -> None:
    same = predictions(PREDICTED)
    gain = accuracy_difference(same, same, LABELS, np.arange(10), rng=rng())
    assert (gain.value, gain.low, gain.high, gain.n) == (0.0, 0.0, 0.0, 10)


def test_the_gain_is_the_challengers() -> None:
    better, worse = predictions(LABELS), predictions(PREDICTED)
    gain = accuracy_difference(better, worse, LABELS, np.arange(10), rng=rng())
    assert gain.value == pytest.approx(0.3)
    assert 0.0 <= gain.low < 0.3 < gain.high
    loss = accuracy_difference(worse, better, LABELS, np.arange(10), rng=rng())
    assert (loss.value, loss.low, loss.high) == pytest.approx((-0.3, -gain.high, -gain.low))
