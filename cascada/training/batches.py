"""Batches of tensors that lie in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from cascada.jobs.tracing.samples import note_samples
from cascada.repro.seeds import integer_seed

GROUP_BYTES = 8 * 2**20


class Batches:
    """Batches from tensors in memory, several at a time: an iterable that a Trainer takes in place of a DataLoader.

    What it yields is a group: tensors that hold the rows of several batches, one after the other, to be split by
    ``batch_size``. A Trainer's cost is paid once a group, and rows are gathered in one go. Which rows are in which
    batch does not depend on the size of the group.

    Parameters
    ----------
    tensors
        All of the same length, at least one row.
    batch_size
        Rows of a batch.
    seed
        Each epoch's order is drawn from the seed and the epoch's number, and the rest that fills no batch is left out.
        Without a seed rows keep their order, and the last batch may be shorter.
    group_rows
        About how many rows a group has, at least one batch; without it, as many as take 8 MiB.

    Attributes
    ----------
    epoch
        Number of the epoch that the next iteration gives; it counts up by itself.
    """

    def __init__(
        self, *tensors: Tensor, batch_size: int, seed: int | None = None, group_rows: int | None = None
    ) -> None:
        rows = tensors[0].shape[0]
        self._tensors = tensors
        self._seed = seed
        self.batch_size = min(batch_size, rows)
        self._rows = rows if seed is None else rows // self.batch_size * self.batch_size
        group_rows = group_rows or GROUP_BYTES // sum(tensor[0].nbytes for tensor in tensors)
        self._group = max(1, group_rows // self.batch_size) * self.batch_size
        self.epoch = 0

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return math.ceil(self._rows / self.batch_size)

    def __len__(self) -> int:
        """Groups of an epoch."""
        return math.ceil(self._rows / self._group)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = self._order()
        for start in range(0, self._rows, self._group):
            rows = slice(start, min(start + self._group, self._rows))
            if order is not None:
                note_samples(order[rows])
            yield tuple(tensor[rows if order is None else order[rows]] for tensor in self._tensors)

    def _order(self) -> Tensor | None:
        epoch, self.epoch = self.epoch, self.epoch + 1
        if self._seed is None:
            return None
        generator = torch.Generator().manual_seed(integer_seed(self._seed, f"epoch {epoch}"))
        return torch.randperm(self._tensors[0].shape[0], generator=generator)
