"""fastai: hyperparameters of the learner, and the losses and metrics of its own table, an epoch."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from cascada.jobs.autolog.watching import depth, harmless, labels, watched_run

_FIT = ("n_epoch", "lr", "wd")


def watch_learner(module: Any) -> None:
    """Give each ``Learner.fit``, which every other way to train calls, one more callback."""
    original = module.Learner.fit
    signature = inspect.signature(original)

    @functools.wraps(original)
    def fit(self: Any, *arguments: Any, **named: Any) -> Any:
        if watched_run() is None:
            return original(self, *arguments, **named)
        bound = signature.bind(self, *arguments, **named)
        given = bound.arguments.get("cbs") or []
        bound.arguments["cbs"] = [*(given if isinstance(given, list | tuple) else [given]), _callback()]
        _record_params(self, {name: bound.arguments[name] for name in _FIT if name in bound.arguments})
        with depth.deeper():
            return original(*bound.args, **bound.kwargs)

    module.Learner.fit = fit


def _callback() -> Any:
    from fastai.callback.core import Callback

    class CascadaCallback(Callback):  # type: ignore[misc]
        order = 60  # after fastai's recorder, which is 50

        def after_epoch(self) -> None:
            _record_epoch(self.learn.recorder)

    return CascadaCallback()


@harmless
def _record_epoch(recorder: Any) -> None:
    run = watched_run()
    if run is not None:  # names are the table's columns: epoch first, time last
        run.log_metrics(dict(zip(recorder.metric_names[1:-1], recorder.values[-1], strict=True)))


@harmless
def _record_params(learner: Any, fit: Any) -> None:
    run = watched_run()
    if run is not None:
        own = {"model": type(learner.model).__name__, "loss": type(learner.loss_func).__name__, "lr": learner.lr}
        own |= {"optimizer": getattr(learner.opt_func, "__name__", repr(learner.opt_func)), "wd": learner.wd}
        labels.describe(run, "Learner", own | {k: v for k, v in fit.items() if v is not None})
