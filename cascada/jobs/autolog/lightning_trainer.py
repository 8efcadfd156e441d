"""Lightning, under both of its import names: hyperparameters of module and trainer, and metrics an epoch."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from cascada.jobs.autolog.watching import depth, harmless, labels, watched_run

_TRAINER = ("max_epochs", "max_steps", "precision", "gradient_clip_val", "accumulate_grad_batches")


def watch_trainer(module: Any) -> None:
    """Give each trainer one more callback, and keep loops inside of it from being watched a second time."""
    package = module.__name__.removesuffix(".trainer.trainer")
    trainer = module.Trainer
    original_init, original_fit = trainer.__init__, trainer.fit

    @functools.wraps(original_init)
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        given = named.get("callbacks") or []
        callbacks = list(given) if isinstance(given, list | tuple) else [given]
        original_init(self, *arguments, **named | {"callbacks": [*callbacks, _callback(package)]})

    @functools.wraps(original_fit)
    def fit(self: Any, *arguments: Any, **named: Any) -> Any:
        with depth.deeper():
            return original_fit(self, *arguments, **named)

    trainer.__init__, trainer.fit = init, fit


def _callback(package: str) -> Any:
    base = importlib.import_module(f"{package}.callbacks").Callback

    class Recorded(base):  # type: ignore[misc, valid-type]
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            _record_params(trainer, pl_module)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            _record_metrics(trainer)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            if not trainer.training and not trainer.sanity_checking and trainer.state.fn != "fit":
                _record_metrics(trainer)

        def on_test_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
            _record_metrics(trainer)

    return Recorded()


@harmless
def _record_params(trainer: Any, module: Any) -> None:
    run = watched_run()
    if run is None or not trainer.is_global_zero:
        return
    labels.describe(run, type(module).__name__, dict(module.hparams))
    labels.describe(run, "Trainer", {name: getattr(trainer, name, None) for name in _TRAINER})


@harmless
def _record_metrics(trainer: Any) -> None:
    run = watched_run()
    if run is not None and trainer.is_global_zero:
        values = {name: value.item() for name, value in trainer.callback_metrics.items()}
        run.log_metrics(values, trainer.current_epoch)
