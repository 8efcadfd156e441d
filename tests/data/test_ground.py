"""Sums over the particles at ground, whatever the pieces they come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascada.data.sources.ground import GROUND_COLUMNS, GroundParticles, GroundSummary, WeightedQuantiles
from cascada.physics.columns import COLUMNS

PROBABILITIES = (0.1, 0.5, 0.9)


def drawn(size: int) -> GroundParticles:
    rng = np.random.default_rng(8)
    return GroundParticles(
        rng.integers(0, 5, size).astype(np.uint8), rng.uniform(0.5, 100, size), rng.normal(0, 100, size),
        rng.normal(0, 100, size), 1e5 + rng.exponential(50, size),
    )  # fmt: skip


def piece(particles: GroundParticles, start: int, stop: int) -> GroundParticles:
    return GroundParticles(
        *(getattr(particles, name)[start:stop] for name in ("species", "weight", "x_m", "y_m", "t_ns"))
    )


@pytest.mark.parametrize("size", [1, 7, 100, 999])
def test_the_pieces_do_not_matter(size: int) -> None:
    particles, axis = drawn(1000), (0.6, 0.0, -0.8)
    whole, split = GroundSummary(axis), GroundSummary(axis)
    whole.add(particles)
    for start in range(0, 1000, size):
        split.add(piece(particles, start, start + size))
    split.add(piece(particles, 0, 0))
    assert split.row() == pytest.approx(whole.row())


def test_every_column_is_one_of_the_shower_table() -> None:
    assert set(GroundSummary((0, 0, -1)).row()) == set(GROUND_COLUMNS)
    assert set(GROUND_COLUMNS) <= set(COLUMNS)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0.1, 1e4)), min_size=1, max_size=50))
def test_few_values_have_exact_quantiles(values: list[tuple[float, float]]) -> None:
    value, weight = np.array(values).T
    quantiles = WeightedQuantiles()
    quantiles.add(value, weight)
    for probability, found in zip(PROBABILITIES, quantiles.at(PROBABILITIES), strict=True):
        assert weight[value <= found].sum() >= probability * weight.sum() * (1 - 1e-12)
        assert weight[value < found].sum() <= probability * weight.sum() * (1 + 1e-12)


def test_many_values_have_quantiles_to_half_a_percent() -> None:
    rng = np.random.default_rng(1)
    values, weights = 7e4 + rng.lognormal(3, 1.5, 1_000_000), rng.uniform(1, 1000, 1_000_000)
    quantiles = WeightedQuantiles()
    for start in range(0, len(values), 9973):
        quantiles.add(values[start : start + 9973], weights[start : start + 9973])
    exact = np.quantile(values, PROBABILITIES, weights=weights, method="inverted_cdf")
    first = values.min()
    assert np.array(quantiles.at(PROBABILITIES)) - first == pytest.approx(exact - first, rel=0.005)


def test_without_values_there_are_no_quantiles() -> None:
    assert WeightedQuantiles().at(PROBABILITIES) == [None, None, None]
