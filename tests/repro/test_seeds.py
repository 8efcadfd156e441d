"""Random streams: one root, reproducible, independent of each other's names and blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from cascada.repro.seeds import generator, integer_seed

SIZE = 20_000
STREAMS = [
    (1, "split", None), (1, "weights", None), (1, "splits", None), (2, "split", None), (1, "split", 0), (1, "split", 1),
    (1, "", None), (2**40, "split", None),
]  # fmt: skip


def draw(root: int, name: str, block: int | None) -> NDArray[np.float64]:
    return generator(root, name, block=block).standard_normal(SIZE)


@pytest.mark.parametrize(("root", "name", "block"), STREAMS)
def test_a_stream_begins_anew(root: int, name: str, block: int | None) -> None:
    assert np.array_equal(draw(root, name, block), draw(root, name, block))


def test_streams_are_independent() -> None:
    correlation = np.corrcoef([draw(*stream) for stream in STREAMS])
    assert np.abs(correlation - np.eye(len(STREAMS))).max() < 5 / math.sqrt(SIZE)


def test_a_stream_does_not_depend_on_what_others_drew() -> None:
    first = generator(3, "showers", block=4)
    generator(3, "showers", block=5).random(100)
    np.random.default_rng().random(100)
    assert np.array_equal(first.random(10), generator(3, "showers", block=4).random(10))


# Recorded with NumPy 2; NumPy keeps SeedSequence and PCG64 as they are (NEP 19). Other values here mean that no
# earlier run can be repeated any more.
def test_streams_stay_the_same_from_version_to_version() -> None:
    assert integer_seed(2020, "weights") == 3653981441
    assert generator(2020, "split").bit_generator.random_raw() == 17527261378205309485
    assert generator(2020, "simulate", block=3).bit_generator.random_raw() == 5163998774661134129


def test_integer_seeds_fit_into_32_bits_and_differ() -> None:
    seeds = {integer_seed(root, name) for root in range(50) for name in ("torch", "weights", "batches")}
    assert len(seeds) == 150
    assert all(0 <= seed < 2**32 for seed in seeds)
