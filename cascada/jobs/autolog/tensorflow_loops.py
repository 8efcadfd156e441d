"""TensorFlow without a trainer: the loss that is differentiated, and Keras optimizers that are applied by hand."""

from __future__ import annotations

import functools
import itertools
from typing import Any
from weakref import WeakSet

from cascada.jobs.autolog.watching import depth, harmless, is_kept, labels, watched_run


def watch_tape(module: Any) -> None:
    """Watch ``GradientTape.gradient``: the value of a scalar that is differentiated is the loss.

    Inside of a ``tf.function`` there are no values: only what such a function is called for by hand is seen.
    """
    original = module.GradientTape.gradient
    calls = itertools.count()

    @functools.wraps(original)
    def gradient(self: Any, target: Any, *arguments: Any, **named: Any) -> Any:
        if depth.value == 0 and getattr(target, "shape", None) == () and hasattr(target, "numpy"):
            step = next(calls)
            if is_kept(step):
                _record_loss(target, step)
        return original(self, target, *arguments, **named)

    module.GradientTape.gradient = gradient


@harmless
def _record_loss(loss: Any, step: int) -> None:
    run = watched_run()
    if run is not None:
        run.log_metrics({"loss": float(loss.numpy())}, step)


def watch_optimizers(module: Any) -> None:
    """Watch ``apply`` of every Keras optimizer outside of ``Model.fit``; at the end its own count of steps is kept."""
    optimizer = module.BaseOptimizer
    original = optimizer.apply
    seen: WeakSet[Any] = WeakSet()

    @functools.wraps(original)
    def apply(self: Any, *arguments: Any, **named: Any) -> Any:
        if depth.value == 0 and self not in seen:
            seen.add(self)
            _record_optimizer(self)
        return original(self, *arguments, **named)

    optimizer.apply = apply


@harmless
def _record_optimizer(optimizer: Any) -> None:
    run = watched_run()
    if run is None:
        return
    config = {name: value for name, value in optimizer.get_config().items() if not isinstance(value, dict)}
    label = labels.describe(run, type(optimizer).__name__, config)
    if label:
        run.at_end(lambda: run.log_metrics({f"{label}.steps": int(optimizer.iterations)}))
