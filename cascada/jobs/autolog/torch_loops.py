"""PyTorch without a trainer: hyperparameters and steps of optimizers, and the loss that is differentiated."""

from __future__ import annotations

import functools
import itertools
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
        if depth.value == 0 and (step := next(calls)) >= wanted and self.numel() == 1:
            _record_loss(self, step)
            wanted = step + stride(step)
        return original(self, *arguments, **named)

    module.Tensor.backward = backward


@harmless
def _record_loss(loss: Any, step: int) -> None:
    run = watched_run()
    if run is not None:
        run.log_metrics({"loss": loss.detach().item()}, step)


def watch_optimizers(module: Any) -> None:
    """Watch ``step`` of every optimizer."""
    counts: dict[int, list[int]] = {}  # by id: a look into a WeakKeyDictionary takes longer than all the rest

    def count(optimizer: Any, *_: Any) -> None:
        steps = counts.get(id(optimizer))
        if steps is None:
            counts[id(optimizer)] = steps = _describe(optimizer)
            finalize(optimizer, counts.pop, id(optimizer), None)
        steps[0] += 1

    module.register_optimizer_step_post_hook(count)


_steps: dict[str, list[int]] = {}
"""Label to a list with the number of steps of all optimizers that it names."""


def _describe(optimizer: Any) -> list[int]:
    found: list[list[int]] = []
    _record_optimizer(optimizer, found)
    return found[0] if found else [0]


@harmless
def _record_optimizer(optimizer: Any, found: list[list[int]]) -> None:
    run = watched_run()
    if run is None:
        return
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    others = {f"group{i}.{k}": v for i, group in enumerate(groups[1:], 1) for k, v in group.items()}
    label = labels.describe(run, type(optimizer).__name__, groups[0] | others)
    if not label:
        return
    if label not in _steps:
        _steps[label] = steps = [0]
        run.at_end(lambda: run.log_metrics({f"{label}.steps": steps[0]}))
    found.append(_steps[label])
