"""Conformal p-values: the false-alarm rate that they guarantee, in every finite case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascada.evaluation.predictions import Floats, conformal_p_value


def leave_one_out(scores: list[int]) -> Floats:
    """The p-value of each score among the others: for exchangeable scores, each of these is equally likely."""
    values = np.array(scores, float)
    return np.array(
        [conformal_p_value(values[i : i + 1], np.sort(np.delete(values, i)))[0] for i in range(values.size)]
    )


# Vovk, Gammerman, Shafer (2005), proposition 2.4: P(p <= a) <= a, ties included.
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.floats(0, 1))
def test_no_level_raises_more_false_alarms_than_it_says(scores: list[int], level: float) -> None:
    assert (leave_one_out(scores) <= level).mean() <= level + 1e-12


@given(st.lists(st.integers(), min_size=1, max_size=12, unique=True))
def test_without_ties_the_level_is_exact(scores: list[int]) -> None:
    ranks = np.argsort(np.argsort([float(score) for score in scores]))
    if len(set(map(float, scores))) == len(scores):
        assert leave_one_out(scores) == pytest.approx((len(scores) - ranks) / len(scores))


def test_the_false_alarm_rate_of_many_showers() -> None:
    rng = np.random.default_rng(8)
    p_value = conformal_p_value(rng.standard_normal(20_000), np.sort(rng.standard_normal(20_000)))
    for level in (0.01, 0.1, 0.5):
        assert (p_value <= level).mean() == pytest.approx(level, abs=5 * np.sqrt(2 * level * (1 - level) / 20_000))


@pytest.mark.parametrize(
    ("score", "p_value"),
    [(-9.0, 1.0), (1.0, 1.0), (1.5, 0.8), (2.0, 0.8), (2.1, 0.4), (3.0, 0.4), (3.1, 0.2), (np.inf, 0.2)],
)
def test_ties_count_as_at_least_as_strange(score: float, p_value: float) -> None:
    found = conformal_p_value(np.array([score]), np.array([1.0, 2.0, 2.0, 3.0]))
    assert found == pytest.approx([p_value])


def test_stranger_showers_have_smaller_p_values() -> None:
    p_value = conformal_p_value(np.linspace(-3, 3, 50), np.sort(np.random.default_rng(1).standard_normal(100)))
    assert (np.diff(p_value) <= 0).all()
    assert (p_value > 0).all()


def test_without_a_reference_nothing_is_strange() -> None:
    assert conformal_p_value(np.array([0.0, 1e9]), np.empty(0)).tolist() == [1.0, 1.0]


def test_no_showers_no_p_values() -> None:
    assert conformal_p_value(np.empty(0), np.arange(3.0)).shape == (0,)
