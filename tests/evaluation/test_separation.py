"""Separation of two kinds of showers: brute force, closed forms of two Gaussians, and cuts counted by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import norm

from cascada.evaluation.metrics import FEWEST, Floats, Resampling, wilson
from cascada.evaluation.predictions import mean_ln_mass
from cascada.evaluation.separation import (
    best_improvement,
    efficiency_at,
    improvement_curve,
    log_odds,
    measure_one_against_rest,
    measure_pair,
    measure_signal,
    merit_factor,
    pairs_of,
    rank,
    roc_auc,
)

ROWS = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=2, max_size=12)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


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


def efficiency_of(score: Floats, positive: np.ndarray, weight: Floats) -> float:
    return efficiency_at(rank(score, positive), 0.4, weight)


@pytest.mark.parametrize("metric", [roc_auc, merit_of, efficiency_of])
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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("weight", [[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
def test_without_one_of_two_classes_nothing_is_measured(weight: list[float]) -> None:
    value, first = np.array([1.0, 2.0, 3.0, 5.0]), np.array([True, True, False, False])
    for metric in (roc_auc, merit_factor, efficiency_of):
        assert math.isnan(metric(value, first, np.array(weight, float)))
    assert math.isnan(best_improvement(rank(value, first), np.array(weight, float)))


def gaussians(distance: float, size: int = 400_000) -> tuple[Floats, np.ndarray]:
    """Background of N(0, 1) and signal of N(distance, 1), in equal shares."""
    signal = np.arange(size) % 2 == 0
    return rng().standard_normal(size) + distance * signal, signal


def test_merit_factor_of_two_gaussians() -> None:
    first = np.arange(200_000) % 2 == 0
    value = np.where(first, 0.0, 3.0) + np.where(first, 1.0, 2.0) * rng().standard_normal(first.size)
    assert merit_factor(value, first, np.ones(first.size)) == pytest.approx(3 / math.sqrt(1 + 4), rel=0.01)
    assert merit_factor(value, ~first, np.ones(first.size)) == merit_factor(value, first, np.ones(first.size))


def test_two_gaussians_have_closed_forms() -> None:
    score, signal = gaussians(2.0)
    ranking, weight = rank(score, signal), np.ones(score.size)
    assert ranking.auc(weight) == pytest.approx(norm.cdf(2 / math.sqrt(2)), abs=0.001)
    assert merit_factor(score, signal, weight) == pytest.approx(2 / math.sqrt(2), rel=0.01)
    for share in (1e-1, 1e-2, 1e-3):
        assert efficiency_at(ranking, share, weight) == pytest.approx(norm.sf(norm.isf(share) - 2.0), abs=0.01)
    efficiency, gain = improvement_curve(ranking, weight)
    cut = norm.isf(0.6) + 2.0
    assert np.interp(0.6, efficiency, gain) == pytest.approx(0.6 / math.sqrt(norm.sf(cut)), rel=0.02)


def test_cuts_counted_by_hand() -> None:
    score = np.array([9.0, 8, 8, 7, 6, 5, 5, 4, 3, 2, 1, 0])
    signal = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], bool)
    ranking, weight = rank(score, signal), np.ones(12)
    signal_above, background_above = ranking.above(weight)
    assert signal_above.tolist() == [1, 2, 3, 3, 3, 3, 3, 3, 3, 3]
    assert background_above.tolist() == [0, 1, 1, 2, 4, 5, 6, 7, 8, 9]
    assert efficiency_at(ranking, 0.0, weight) == pytest.approx(1 / 3), "the two at 8 are let through together"
    assert efficiency_at(ranking, 1 / 9, weight) == 1.0
    assert efficiency_at(ranking, 0.11, weight) == pytest.approx(1 / 3), "one of nine is more than 11 %"
    efficiency, gain = improvement_curve(ranking, weight)
    assert gain.tolist() == pytest.approx([1 / math.sqrt(n / 9) for n in (5, 6, 7, 8, 9)]), f"from {FEWEST} on"
    assert best_improvement(ranking, weight) == pytest.approx(math.sqrt(9 / 5))
    assert (efficiency == 1.0).all()
    assert efficiency_at(rank(-score, signal), 1e-3, weight) == 0.0


def test_neighbours_in_mass_and_p_and_iron() -> None:
    assert pairs_of(("photon", "p", "He", "N", "Fe")) == [
        ("photon", "p"), ("p", "He"), ("He", "N"), ("N", "Fe"), ("p", "Fe"),
    ]  # fmt: skip
    assert pairs_of(("p", "Fe")) == [("p", "Fe")]
    assert pairs_of(("photon", "hadron")) == [("photon", "hadron")]


CLASSES = ("photon", "p", "Fe")
LABELS = np.repeat([0, 1, 2], [30, 40, 50])


def probabilities(seed: int = 4) -> Floats:
    odds = rng(seed).standard_normal((LABELS.size, 3)) + 1.5 * np.eye(3)[LABELS]
    share = np.exp(odds)
    return share / share.sum(axis=1, keepdims=True)


def test_a_pair_is_judged_on_its_own_showers() -> None:
    share = probabilities()
    auc, merit = measure_pair(share, LABELS, CLASSES, ("p", "Fe"), Resampling(np.arange(120), rng()))
    rows = LABELS > 0
    odds, is_iron = np.log(share[rows, 2] / share[rows, 1]), LABELS[rows] == 2
    assert (auc.name, merit.name, auc.n) == ("auc_p_fe", "merit_factor_p_fe", 90)
    assert auc.value == pytest.approx(pairwise_auc(odds, is_iron, np.ones(90)))
    mass = mean_ln_mass(share, CLASSES)
    protons, iron = mass[LABELS == 1], mass[LABELS == 2]
    assert merit.value == pytest.approx(abs(protons.mean() - iron.mean()) / math.sqrt(protons.var() + iron.var()))


def test_what_has_no_mass_is_told_by_its_odds() -> None:
    share = probabilities()
    _, merit = measure_pair(share, LABELS, CLASSES, ("photon", "p"), Resampling(np.arange(120), rng()))
    rows = LABELS < 2
    expected = merit_factor(np.log(share[rows, 1] / share[rows, 0]), LABELS[rows] == 1, np.ones(70))
    assert merit.value == pytest.approx(expected)
    assert np.isfinite(log_odds(np.array([[0.0, 1.0], [1.0, 0.0]]), 0, 1)).all()


def test_a_pair_without_showers_is_left_out() -> None:
    labels = np.zeros(120, np.int64)
    resampling = Resampling(np.arange(120), rng())
    assert measure_pair(probabilities(), labels, CLASSES, ("p", "Fe"), resampling) == []
    assert measure_one_against_rest(probabilities(), labels, CLASSES, resampling) == []
    assert measure_signal(probabilities(), labels, CLASSES, resampling) == ([], {})


def test_each_against_the_rest() -> None:
    made = measure_one_against_rest(probabilities(), LABELS, CLASSES, Resampling(np.arange(120), rng()))
    assert [m.name for m in made] == [f"auc_{name}_against_rest" for name in CLASSES]
    for index, metric in enumerate(made):
        assert metric.value == pytest.approx(pairwise_auc(probabilities()[:, index], index == LABELS, np.ones(120)))


def test_contamination_that_too_few_showers_would_measure_is_not_measured() -> None:
    share = probabilities()
    metrics, unmeasured = measure_signal(share, LABELS, CLASSES, Resampling(np.arange(120), rng()))
    named = {m.name: m for m in metrics}
    assert named["efficiency_photon_at_1e-01"].value == efficiency_at(rank(share[:, 0], LABELS == 0), 0.1, np.ones(120))
    perfect = np.where(np.eye(3)[LABELS] == 1, 0.8, 0.1)
    (first, *_), _ = measure_signal(perfect, LABELS, CLASSES, Resampling(np.arange(120), rng()))
    assert (first.value, first.high) == (1.0, 1.0)
    assert first.low == wilson("", 30, 30).low, "30 of 30 showers do not prove 100 %"
    assert set(unmeasured) == {f"efficiency_photon_at_1e-0{digit}" for digit in (2, 3, 4)}
    assert unmeasured["efficiency_photon_at_1e-02"] == "0.01 of 90 background showers is 0.9, fewer than 5"
    half = named["contamination_photon_at_efficiency_0.5"]
    cut = np.sort(share[:30, 0])[-15]
    assert half.value == (share[30:, 0] >= cut).mean()
    assert (half.n, half.interval) == (90, "wilson")
    assert half.low <= half.value < half.high
