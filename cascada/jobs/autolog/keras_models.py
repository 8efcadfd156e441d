"""Keras 3, with any of its backends, and so TensorFlow's models: compiled parameters, and metrics an epoch."""

from __future__ import annotations

import functools
from typing import Any

from cascada.jobs.autolog.watching import depth, harmless, labels, watched_run


def watch_trainer(module: Any) -> None:
    """Give each ``Model.fit`` and ``Model.evaluate`` of a backend one more callback."""
    trainer = next(value for name, value in vars(module).items() if name.endswith("Trainer") and name != "Trainer")
    for name in ("fit", "evaluate"):
        setattr(trainer, name, _watched(getattr(trainer, name), name))


def _watched(function: Any, name: str) -> Any:
    @functools.wraps(function)
    def trained(self: Any, *arguments: Any, **named: Any) -> Any:
        if watched_run() is None or depth.value:
            return function(self, *arguments, **named)
        if name == "fit":
            _record_params(self, named)
        given = named.get("callbacks") or []
        given = list(given) if isinstance(given, list | tuple) else [given]
        with depth.deeper():
            return function(self, *arguments, **named | {"callbacks": [*given, _callback(name)]})

    return trained


def _callback(name: str) -> Any:
    from keras.callbacks import Callback

    class Recorded(Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            _record_epoch(epoch, logs or {})

        def on_test_end(self, logs: Any = None) -> None:
            if name == "evaluate":  # a fit records its validation with the epoch
                _record_epoch(None, {f"evaluate.{key}": value for key, value in (logs or {}).items()})

    return Recorded()


@harmless
def _record_epoch(epoch: int | None, logs: Any) -> None:
    run = watched_run()
    if run is not None:
        run.log_metrics({name: float(value) for name, value in logs.items()}, epoch)


@harmless
def _record_params(model: Any, named: Any) -> None:
    run = watched_run()
    if run is None:
        return
    fit = {
        name: named[name] for name in ("epochs", "batch_size", "validation_split", "steps_per_epoch") if name in named
    }
    kind = type(model).__name__
    labels.describe(run, kind, {"parameters": model.count_params() if model.built else None, "loss": model.loss} | fit)
    config = {k: v for k, v in model.optimizer.get_config().items() if not isinstance(v, dict)}
    labels.describe(run, type(model.optimizer).__name__, config)
