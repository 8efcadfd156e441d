"""Batches from memory: which rows, in what order, and that groups change nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cascada.training.batches import Batches


def split(batches: Batches) -> list[Tensor]:
    """The batches of one epoch of row numbers."""
    return [batch for (group,) in batches for batch in group.split(batches.batch_size)]


@pytest.mark.parametrize(("rows", "size", "lengths"), [(10, 3, [3, 3, 3]), (9, 3, [3, 3, 3]), (4, 512, [4])])
@pytest.mark.parametrize("group_rows", [1, 6, 7, 1000])
def test_an_epoch_takes_each_row_once_at_most(rows: int, size: int, lengths: list[int], group_rows: int) -> None:
    batches = Batches(torch.arange(rows), batch_size=size, seed=1, group_rows=group_rows)
    assert len(list(batches)) == len(batches)
    epoch = split(batches)
    assert [len(batch) for batch in epoch] == lengths
    assert batches.steps == len(lengths)
    taken = torch.cat(epoch).tolist()
    assert len(set(taken)) == len(taken) == sum(lengths)
    assert set(taken) <= set(range(rows))


@pytest.mark.parametrize(("group_rows", "groups"), [(1, 33), (8, 17), (12, 9), (98, 2), (99, 1), (1000, 1)])
def test_groups_hold_the_same_batches_whatever_their_size(group_rows: int, groups: int) -> None:
    one, other = (Batches(torch.arange(100), batch_size=3, seed=1, group_rows=rows) for rows in (1, group_rows))
    for _ in range(2):
        assert all(torch.equal(a, b) for a, b in zip(split(one), split(other), strict=True))
    assert len(other) == groups


def test_a_group_takes_8_mib_or_one_batch() -> None:
    small, large = torch.zeros(300_000, 8), torch.zeros(40, 100_000)
    assert len(Batches(small, torch.zeros(300_000, dtype=torch.int64), batch_size=1000, seed=1)) == 2
    assert [len(group) for (group,) in Batches(large, batch_size=30)] == [30, 10]


def test_without_a_seed_every_row_comes_in_order() -> None:
    batches = Batches(torch.arange(10), batch_size=4, group_rows=1)
    assert [batch.tolist() for batch in split(batches)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert (batches.steps, len(batches)) == (3, 3)


def test_batches_repeat_with_their_seed_and_differ_from_epoch_to_epoch() -> None:
    def epochs(seed: int) -> list[list[int]]:
        batches = Batches(torch.arange(64), batch_size=16, seed=seed)
        return [torch.cat(split(batches)).tolist() for _ in range(3)]

    first = epochs(1)
    assert first == epochs(1)
    assert first != epochs(2)
    assert first[0] != first[1] != first[2]
    assert first[0] != sorted(first[0])


def test_an_epoch_is_known_by_its_number() -> None:
    batches, late = (Batches(torch.arange(64), batch_size=16, seed=1) for _ in range(2))
    epochs = [torch.cat(split(batches)).tolist() for _ in range(4)]
    late.epoch = 2
    assert [torch.cat(split(late)).tolist() for _ in range(2)] == epochs[2:]


def test_an_epoch_that_nobody_asked_for_does_not_count() -> None:
    batches = Batches(torch.arange(64), batch_size=16, seed=1)
    iter(batches)
    assert batches.epoch == 0


def test_batches_keep_rows_of_several_tensors_together() -> None:
    for x, label in Batches(torch.arange(20.0)[:, None], torch.arange(20), batch_size=6, seed=1):
        assert torch.equal(x[:, 0].long(), label)


def test_the_rows_left_out_change_from_epoch_to_epoch() -> None:
    batches = Batches(torch.arange(10), batch_size=4, seed=1)
    seen = {row for _ in range(20) for (rows,) in batches for row in rows.tolist()}
    assert seen == set(range(10))
