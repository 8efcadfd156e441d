"""Which samples the training used: as the samplers of its data loaders numbered them, and by content."""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import torch

from cascada.jobs.autolog.watching import harmless
from cascada.jobs.tracing import current
from cascada.jobs.tracing.digests import sample_numbers, set_sum, update_content

_WORD = 2**64


@dataclass
class _Pass:
    """One pass of a loader over its data: ids that are asked for and not given yet, and the set of those given."""

    waiting: deque[Any] = field(default_factory=deque)
    rows: int = 0
    total: int = 0


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

    def add_ids(self, ids: Any) -> tuple[int, int]:
        """Take the ids of samples in their order; returns how many, and the hash of their set."""
        numbers = sample_numbers(_listed(ids))
        self._ids.update(numbers.tobytes())
        self._numbered = True
        return len(numbers), set_sum(numbers)

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


def _listed(ids: Any) -> list[Any]:
    if hasattr(ids, "tolist"):
        ids = ids.tolist()
    return list(ids) if isinstance(ids, (list, tuple)) else [ids]


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
    rows, total = tracer.samples.add_ids(ids)
    under_way.rows, under_way.total = under_way.rows + rows, (under_way.total + total) % _WORD
    if not under_way.waiting and iterator._num_yielded == _length(iterator):
        tracer.samples.epochs.append((under_way.rows, f"{under_way.total:016x}"))


def _length(iterator: Any) -> int:
    try:
        return len(iterator)
    except TypeError:  # a sampler without an end
        return -1
