"""The control of shuffled labels: chance on an honest split, far above it where a shower stands on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from cascada.evaluation.controls import CHANCE, CONTROL, deal_labels, shuffled_label_control
from cascada.evaluation.metrics import Integers, Metric
from cascada.training.dataset import Sample


def stations(showers: int = 600, each: int = 6, *, by_rows: bool) -> tuple[Sample, Sample]:
    """Stations of showers, alike within a shower, split by showers or, as the forerunner did, by rows."""
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(showers), each)
    labels = (np.arange(showers) % 3)[groups]
    features = rng.standard_normal((showers, 4))[groups] + 0.02 * rng.standard_normal((groups.size, 4))
    features += labels[:, None] * 0.5
    test = rng.random(groups.size) < 0.3 if by_rows else groups % 3 == rng.integers(0, 3, showers)[groups]

    def take(rows: np.ndarray) -> Sample:
        return Sample(features[rows].astype(np.float32), labels[rows], groups[rows])

    return take(~test), take(test)


def control(train: Sample, test: Sample) -> tuple[Metric, Metric]:
    made = {m.name: m for m in shuffled_label_control(train, test, rng=np.random.default_rng(1))}
    assert set(made) == {CONTROL, CHANCE}
    return made[CONTROL], made[CHANCE]


def test_whole_showers_on_one_side_leave_chance() -> None:
    learnt, chance = control(*stations(by_rows=False))
    assert learnt.low <= chance.high
    assert learnt.value == pytest.approx(1 / 3, abs=0.07)
    assert chance.value == pytest.approx(0.36, abs=0.05)
    assert learnt.low <= learnt.value <= learnt.high


def test_stations_of_one_shower_on_both_sides_are_found_out() -> None:
    learnt, chance = control(*stations(by_rows=True))
    assert learnt.low > 0.9
    assert chance.high < 0.5


def dealt(labels: list[int], groups: list[int], seed: int = 0) -> Integers:
    return deal_labels(np.array(labels), np.array(groups), np.random.default_rng(seed))


def test_rows_that_shared_a_label_share_one_again() -> None:
    labels, groups = np.repeat([0, 1, 1, 2], 5), np.repeat([4, 4, 9, 9], 5)
    for seed in range(20):
        new = deal_labels(labels, groups, np.random.default_rng(seed)).reshape(4, 5)
        assert (new == new[:, :1]).all()
        assert sorted(new[:, 0]) == [0, 1, 1, 2], "the shares stay"
    orders = {tuple(deal_labels(labels, groups, np.random.default_rng(s)).tolist()) for s in range(20)}
    assert len(orders) > 5


def test_showers_of_one_event_are_dealt_apart() -> None:
    many = [dealt([0, 1] * 50, sorted([*range(50), *range(50)]), seed) for seed in range(5)]
    assert any((row[::2] == row[1::2]).any() for row in many)


def test_without_rows_there_is_no_control() -> None:
    train, test = stations(by_rows=False)
    none = Sample(test.features[:0], test.labels[:0], test.groups[:0])
    assert shuffled_label_control(train, none, rng=np.random.default_rng(0)) == []
