"""Unfolded fractions: matrix inversion as the independent answer, and errors of toy mixtures that can be foretold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cascada.evaluation.composition import (
    AUGER_MIXTURES,
    SHOWERS,
    measure_fractions,
    mixtures_for,
    response,
    unfold,
)
from cascada.evaluation.metrics import Integers

NUCLEI = ("p", "He", "N", "Fe")
RESPONSE = np.array([[0.7, 0.3, 0.1, 0.0], [0.2, 0.5, 0.2, 0.05], [0.1, 0.2, 0.6, 0.15], [0.0, 0.0, 0.1, 0.8]])


def test_the_response_has_the_truth_in_its_columns() -> None:
    labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    weight = np.array([1.0, 1.0, 2.0, 1.0, 0.0])
    assert response(labels, predicted, 3, weight).tolist() == [[0.5, 0, 0], [0.5, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("fractions", [[0.25, 0.25, 0.25, 0.25], [0.66, 0.11, 0.19, 0.04], [0.1, 0.3, 0.5, 0.1]])
def test_inside_the_simplex_it_is_the_inverted_matrix(fractions: list[float]) -> None:
    counts = RESPONSE @ np.array(fractions) * 1e4
    assert unfold(counts, RESPONSE) == pytest.approx(fractions, abs=2e-3)
    assert np.linalg.solve(RESPONSE, counts) / counts.sum() == pytest.approx(fractions)


def test_fractions_are_never_negative() -> None:
    counts = np.array([0.0, 0.0, 100.0, 900.0])
    assert np.linalg.solve(RESPONSE, counts).min() < 0
    found = unfold(counts, RESPONSE)
    assert found.min() >= 0.0
    assert found.sum() == pytest.approx(1.0)
    assert found[3] > 0.95


def test_each_count_with_its_own_response() -> None:
    other = np.eye(4)
    counts = np.stack([RESPONSE @ np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.4, 0.3, 0.2, 0.1])])
    assert unfold(counts, np.stack([RESPONSE, other])) == pytest.approx(np.tile([0.4, 0.3, 0.2, 0.1], (2, 1)), abs=2e-3)


def predicted_by(labels: Integers, seed: int) -> Integers:
    steps = RESPONSE.cumsum(axis=0)[:, labels]
    return np.asarray((np.random.default_rng(seed).random(labels.size) > steps).sum(axis=0), np.int64)


def test_mixtures_are_unfolded_without_bias() -> None:
    labels = np.arange(40_000) % 4
    made = measure_fractions(predicted_by(labels, 1), labels, np.arange(40_000), NUCLEI, np.random.default_rng(2))
    named = {metric.name: metric for metric in made}
    assert set(mixtures_for(NUCLEI)) == {"equal", *AUGER_MIXTURES}
    assert len(named) == 4 * (1 + len(NUCLEI))
    for name in NUCLEI:
        bias = named[f"fraction_bias_equal_{name}"]
        assert bias.low < 0.0 < bias.high
        assert abs(bias.value) < 0.01
        assert (bias.n, bias.interval) == (SHOWERS, "toys")
    inverse = np.linalg.inv(RESPONSE)
    counted = RESPONSE @ np.full(4, 0.25)
    spread = inverse @ (np.diag(counted) - np.outer(counted, counted)) @ inverse.T / SHOWERS
    expected = math.sqrt(2 / math.pi) * np.sqrt(np.diag(spread)).mean()
    assert named["fraction_error_equal"].value == pytest.approx(expected, rel=0.15)


def test_a_small_response_sample_costs_precision() -> None:
    def error(size: int) -> float:
        labels = np.arange(size) % 4
        made = measure_fractions(predicted_by(labels, 5), labels, np.arange(size), NUCLEI, np.random.default_rng(6))
        return next(metric.value for metric in made if metric.name == "fraction_error_equal")

    assert error(400) > 1.5 * error(40_000)


def test_a_perfect_model_is_as_good_as_counting() -> None:
    labels = np.arange(4000) % 4
    made = measure_fractions(labels, labels, np.arange(4000), NUCLEI, np.random.default_rng(3))
    error = next(metric for metric in made if metric.name == "fraction_error_equal")
    assert error.value == pytest.approx(math.sqrt(2 / math.pi * 0.25 * 0.75 / SHOWERS), rel=0.15)


def test_the_priors_of_auger_need_its_nuclei() -> None:
    assert set(mixtures_for(("photon", "p"))) == {"equal"}
    with_photons = mixtures_for(("photon", *NUCLEI))["auger_18.85"]
    assert with_photons.tolist() == pytest.approx([0.0, 0.15 / 0.99, 0.75 / 0.99, 0.09 / 0.99, 0.02 / 0.99], abs=0.02)
    assert with_photons.sum() == pytest.approx(1.0)


def test_a_primary_that_a_half_lacks_cannot_be_unfolded() -> None:
    labels = np.array([0] * 50 + [1])
    assert measure_fractions(labels, labels, np.arange(51), ("p", "Fe"), np.random.default_rng(0)) == []
