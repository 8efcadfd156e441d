"""Batches of tensors that lie in memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


class Batches:
    """Shuffled batches from tensors in memory: an iterable that a Trainer takes in place of a DataLoader.

    Parameters
    ----------
    tensors
        All of the same length.
    batch_size
        Rows of a batch; the rest of an epoch that fills no batch is left out.
    seed
        Seed of the order; every epoch continues the stream.
    """

    def __init__(self, *tensors: Tensor, batch_size: int, seed: int) -> None:
        self._tensors = tensors
        self._batch_size = min(batch_size, tensors[0].shape[0])
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self._tensors[0].shape[0] // self._batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = torch.randperm(self._tensors[0].shape[0], generator=self._generator)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            rows = order[start : start + self._batch_size]
            yield tuple(tensor[rows] for tensor in self._tensors)
