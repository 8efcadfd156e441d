"""Intervals that hold what they promise, and a record that survives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascada.evaluation.metrics import (
    Evaluation,
    Floats,
    Integers,
    Metric,
    Resampling,
    accuracy_difference,
    wilson,
)
from cascada.evaluation.predictions import Predictions


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


def test_groups_are_drawn_whole() -> None:
    resampling = Resampling(np.array([7, 7, 3, 9, 9, 9]), rng(), replicates=2000)
    weights = np.array(list(resampling.weights()))
    assert np.array_equal(weights[:, 0], weights[:, 1])
    assert np.array_equal(weights[:, 3], weights[:, 5])
    assert (weights[:, 0] + weights[:, 2] + weights[:, 3] == 3).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(6), abs=0.1)
    some = np.array([False, True, True, False, False, True])
    assert np.array_equal(np.array(list(resampling.weights(some))), weights[:, some]), "one draw serves all metrics"


def mean_interval(values: Floats, groups: Integers, seed: int) -> tuple[float, float]:
    metric = Resampling(groups, rng(seed)).measure("mean", lambda w: float(np.average(values, weights=w)))
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


def test_a_centred_interval_takes_the_bias_of_the_bootstrap_out() -> None:
    values = rng(3).standard_normal(500)
    distance = Resampling(np.arange(500), rng())

    def absolute(weight: Floats) -> float:
        """The mean of absolute means of 50 bins: pure noise, which resampling doubles."""
        sums = np.bincount(np.arange(500) % 50, weights=weight * values)
        return float(np.abs(sums / 10).mean())

    plain, centred = distance.measure("a", absolute), distance.measure("a", absolute, centred=True)
    assert plain.low > plain.value, "the plain interval does not even hold the value"
    assert centred.low < centred.value < centred.high
    assert centred.high - centred.low == pytest.approx(plain.high - plain.low)


def test_a_statistic_of_rows_counts_those_rows() -> None:
    rows = np.array([True, False, True, True])
    metric = Resampling(np.arange(4), rng()).measure("sum", lambda w: float(w.sum()), rows)
    assert (metric.n, metric.value) == (3, 3.0)
    assert not Resampling(np.arange(4), rng()).measure("nothing", lambda w: math.nan).is_defined


def test_an_evaluation_finds_by_name_and_region_and_survives_json() -> None:
    made = [
        Metric(name="accuracy", value=v, low=v, high=v, n=9, interval="wilson", region=r)
        for v, r in ((0.5, "all"), (0.7, "zenith_deg 0 to 30"))
    ]
    evaluation = Evaluation(
        classes=("p", "Fe"), metrics=tuple(made), confusion=((1, 0), (0, 1)), unmeasured={"x": "too few"}
    )
    assert evaluation.find("accuracy") == made[0]
    assert evaluation.find("accuracy", "zenith_deg 0 to 30") == made[1]
    assert evaluation.find("accuracy", "zenith_deg 30 to 45") is None
    assert evaluation.overall == (made[0],) == evaluation.headline
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_the_gain_is_paired() -> None:
    labels = np.array([0, 1] * 500)
    good, bad = np.eye(2)[labels], np.eye(2)[np.where(np.arange(1000) < 100, 1 - labels, labels)]
    score = np.zeros(1000)
    gain = accuracy_difference(
        Predictions(good, score, score), Predictions(bad, score, score), labels, np.arange(1000), rng=rng()
    )
    assert gain.value == pytest.approx(0.1)
    assert gain.low > 0.07
    same = accuracy_difference(
        Predictions(bad, score, score), Predictions(bad, score, score), labels, np.arange(1000), rng=rng()
    )
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
