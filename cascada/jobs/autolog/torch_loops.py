"""PyTorch without a trainer: hyperparameters and steps of optimizers, and the loss that is differentiated."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from typing import Any
from weakref import finalize

from cascada.jobs.autolog.watching import depth, harmless, labels, stride, watched_run


def watch_backward(module: Any) -> None:
    """Watch ``Tensor.backward``: the value of a scalar that is differentiated is the loss."""
    original = module.Tensor.backward
    calls = itertools.count()
    wanted = 0

    @functools.wraps(original)
    def backward(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal wanted
        if depth.value == 0 and self.numel() == 1 and next(calls) >= wanted:
            _record_loss(self, wanted)
            wanted += stride(wanted)
        return original(self, *arguments, **named)

    module.Tensor.backward = backward


@harmless
def _record_loss(loss: Any, step: int) -> None:
    run = watched_run()
    if run is not None:
        run.log_metrics({"loss": loss.detach().item()}, step)


def watch_optimizers(module: Any) -> None:
    """Watch ``step`` of every optimizer."""
    seen: dict[int, str] = {}  # by id: a look into a WeakKeyDictionary takes longer than all the rest
    steps: Counter[str] = Counter()

    def count(optimizer: Any, *_: Any) -> None:
        label = seen.get(id(optimizer))
        if label is None:
            seen[id(optimizer)] = label = _describe(optimizer, steps)
            finalize(optimizer, seen.pop, id(optimizer), None)
        steps[label] += 1

    module.register_optimizer_step_post_hook(count)


def _describe(optimizer: Any, steps: Counter[str]) -> str:
    named: list[str] = []
    _record_optimizer(optimizer, steps, named)
    return named[0] if named else ""


@harmless
def _record_optimizer(optimizer: Any, steps: Counter[str], named: list[str]) -> None:
    run = watched_run()
    if run is None:
        return
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    others = {f"group{i}.{k}": v for i, group in enumerate(groups[1:], 1) for k, v in group.items()}
    label = labels.describe(run, type(optimizer).__name__, groups[0] | others)
    named.append(label)
    if label and label not in steps:
        run.at_end(lambda: run.log_metrics({f"{label}.steps": steps[label]}))
