"""Calibration against values worked by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as independent

from cascada.evaluation.calibration import (
    BINS,
    brier_score,
    calibration_error,
    log_loss,
    measure_calibration,
    reliability,
)
from cascada.evaluation.metrics import Floats, Integers, Resampling

ONES = np.ones(4)
SHARES = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
LABELS = np.array([0, 1, 1, 1])


def drawn(size: int = 3000, seed: int = 1) -> tuple[Floats, Integers]:
    """Probabilities and labels drawn from them: calibrated by construction."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(3), size)
    labels = (rng.random(size)[:, None] > shares.cumsum(axis=1)).sum(axis=1)
    return shares, labels


def test_four_showers_by_hand() -> None:
    curve = reliability(SHARES, LABELS, ONES)
    assert curve.confidence.tolist() == pytest.approx([0.6, 0.7, 0.9])
    assert curve.accuracy.tolist() == [1.0, 1.0, 0.5]
    assert curve.weight.tolist() == [1, 1, 2]
    assert calibration_error(SHARES, LABELS, ONES) == pytest.approx((0.4 + 0.3 + 2 * 0.4) / 4)
    assert brier_score(SHARES, LABELS, ONES) == pytest.approx(2 * (0.01 + 0.81 + 0.09 + 0.16) / 4)
    assert log_loss(SHARES, LABELS, ONES) == pytest.approx(-math.log(0.9 * 0.1 * 0.7 * 0.6) / 4)


def test_scikit_learn_finds_the_same() -> None:
    shares, labels = drawn()
    weight = np.random.default_rng(2).integers(0, 4, labels.size).astype(float)
    expected = independent.log_loss(labels, shares, sample_weight=weight)
    assert log_loss(shares, labels, weight) == pytest.approx(expected)
    pairs = np.stack([1.0 - shares[:, 0], shares[:, 0]], axis=1)
    binary = independent.brier_score_loss(labels == 0, shares[:, 0], sample_weight=weight)
    assert brier_score(pairs, (labels == 0).astype(np.int64), weight) == pytest.approx(2 * binary)


def test_a_bin_begins_at_a_multiple_of_a_fifteenth() -> None:
    confidence = np.array([9.0, 9.3, 9.9, 10.1]) / 15 + 1e-9
    curve = reliability(np.stack([confidence, 1 - confidence], axis=1), np.zeros(4, np.int64), ONES)
    assert curve.weight.tolist() == [3, 1]


def test_certainty_falls_into_the_last_bin() -> None:
    curve = reliability(np.array([[1.0, 0.0]]), np.array([0]), np.ones(1))
    assert (curve.confidence.tolist(), curve.accuracy.tolist()) == ([1.0], [1.0])
    assert BINS == 15


def test_calibrated_probabilities_have_no_error_and_sharpened_ones_have_one() -> None:
    shares, labels = drawn(100_000)
    assert calibration_error(shares, labels, np.ones(labels.size)) < 0.01
    sharp = shares**3 / (shares**3).sum(axis=1, keepdims=True)
    assert calibration_error(sharp, labels, np.ones(labels.size)) > 0.15


def test_the_wrong_primary_for_certain_costs_a_finite_loss() -> None:
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1]), np.ones(1)) == pytest.approx(15 * math.log(10))


def test_no_weight_measures_nothing() -> None:
    for metric in (calibration_error, brier_score, log_loss):
        assert math.isnan(metric(SHARES, LABELS, np.zeros(4)))


def test_intervals_hold_the_value() -> None:
    shares, labels = drawn(300)
    made = measure_calibration(shares, labels, Resampling(np.arange(300), np.random.default_rng(0)))
    assert [m.name for m in made] == ["ece", "brier_score", "log_loss"]
    assert all(0.0 <= m.low < m.value < m.high for m in made)
