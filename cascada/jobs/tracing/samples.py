"""Which samples the training used: as the samplers of its data loaders numbered them, and by content."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cascada.jobs.autolog.watching import harmless
from cascada.jobs.tracing import current
from cascada.jobs.tracing.digests import sample_numbers, set_sum, update_content

Numbers = NDArray[np.uint64]

_WORD = 2**64
_GATHERED = 2**16
"""Ids whose set is hashed at a time: in small pieces it takes ten times as long."""


@dataclass
class _Pass:
    """One pass of a loader over its data: ids that are asked for and not given yet, and the set of those given."""

    waiting: deque[Any] = field(default_factory=deque)
    rows: int = 0
    _total: int = 0
    _given: list[Numbers] = field(default_factory=list)
    _gathered: int = 0

    def add(self, numbers: Numbers) -> None:
        self.rows += len(numbers)
        self._given.append(numbers)
        self._gathered += len(numbers)
        if self._gathered >= _GATHERED:
            self._sum()

    def total(self) -> str:
        """Hash the set of what was given."""
        self._sum()
        return f"{self._total:016x}"

    def _sum(self) -> None:
        if self._given:
            self._total = (self._total + set_sum(np.concatenate(self._given))) % _WORD
            self._given, self._gathered = [], 0


class Samples:
    """What was given since the last step, and which whole passes ended.

    Attributes
    ----------
    epochs
        Rows and set of each pass over the data that came to its end since the last step.
    """

    def __init__(self) -> None:
        self.epochs: list[tuple[int, str]] = []
        self.reset(by_content=True)

    def reset(self, *, by_content: bool) -> None:
        """Begin a step; its content is hashed when asked for."""
        self._ids = blake2b(digest_size=6)
        self._numbered = self._seen = False
        self._content = blake2b(digest_size=6) if by_content else None
        self.epochs = []

    def add_ids(self, ids: Any) -> Numbers:
        """Take the ids of samples in their order; returns them as numbers."""
        numbers = sample_numbers(_listed(ids))
        self._ids.update(numbers.data)
        self._numbered = True
        return numbers

    def add_content(self, value: Any) -> None:
        """Take a batch, or the inputs of a network, for the hash of what they hold."""
        if self._content is not None:
            self._seen = True
            update_content(self._content, value)

    @property
    def found(self) -> dict[str, str]:
        """What is known of the step's samples: ``ids`` and ``batch``, as far as they could be had."""
        ids = {"ids": self._ids.hexdigest()} if self._numbered else {}
        return ids | ({"batch": self._content.hexdigest()} if self._seen and self._content is not None else {})


def _listed(ids: Any) -> Sequence[Any]:
    if hasattr(ids, "tolist"):
        ids = ids.tolist()
    return ids if isinstance(ids, (list, tuple)) else [ids]


def note_samples(ids: Any) -> None:
    """Tell the trace of this process, if there is one, which samples come next."""
    tracer = current.tracer()
    if tracer is not None:
        tracer.samples.add_ids(ids)


def watch_loaders(module: Any) -> None:
    """Watch the iterators of `DataLoader`: ids as they are asked for, batches as they come, workers included."""
    base = module._BaseDataLoaderIter
    ask, give, reset = base._next_index, base.__next__, base._reset

    @functools.wraps(ask)
    def _next_index(self: Any) -> Any:
        ids = ask(self)
        if current.tracer() is not None:
            _pass_of(self).waiting.append(ids)
        return ids

    @functools.wraps(give)
    def __next__(self: Any) -> Any:  # noqa: N807
        batch = give(self)
        if current.tracer() is not None:
            _note_batch(self, batch)
        return batch

    @functools.wraps(reset)
    def _reset(self: Any, *arguments: Any, **named: Any) -> None:
        self._cascada_pass = _Pass()  # workers that stay keep the iterator for the next epoch
        reset(self, *arguments, **named)

    base._next_index, base.__next__, base._reset = _next_index, __next__, _reset


def _pass_of(iterator: Any) -> _Pass:
    if not hasattr(iterator, "_cascada_pass"):
        iterator._cascada_pass = _Pass()
    found: _Pass = iterator._cascada_pass
    return found


@harmless
def _note_batch(iterator: Any, batch: Any) -> None:
    """Count a batch towards the step; one that is read without gradients is for validation."""
    tracer, under_way = current.tracer(), _pass_of(iterator)
    ids = under_way.waiting.popleft() if under_way.waiting else None
    if tracer is None or not torch.is_grad_enabled():
        return
    tracer.samples.add_content(batch)
    if ids is None or (isinstance(ids, list) and None in ids[:1]):  # a stream has no numbers
        return
    under_way.add(tracer.samples.add_ids(ids))
    if not under_way.waiting and iterator._num_yielded == _length(iterator):
        tracer.samples.epochs.append((under_way.rows, under_way.total()))


def _length(iterator: Any) -> int:
    try:
        return len(iterator)
    except TypeError:  # a sampler without an end
        return -1
