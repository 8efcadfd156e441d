"""XGBoost and LightGBM: parameters, and every evaluation of every iteration; their scikit-learn classes included."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from cascada.jobs.active import ActiveRun
from cascada.jobs.autolog.watching import depth, harmless, labels, watched_run

Recorder = Callable[[ActiveRun, str], Any]
"""Makes the library's callback from a run and a label."""


def watch_xgboost(module: Any) -> None:
    """Watch ``xgboost.train``."""
    from xgboost.callback import TrainingCallback

    class Recorded(TrainingCallback):
        def __init__(self, run: ActiveRun, label: str) -> None:
            self._run, self._label = run, label

        def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, list[Any]]]) -> bool:  # noqa: ARG002
            self._record(epoch, evals_log)
            return False

        @harmless
        def _record(self, epoch: int, evals_log: Mapping[str, Mapping[str, list[Any]]]) -> None:
            rows = [(data, metric, v[-1]) for data, metrics in evals_log.items() for metric, v in metrics.items()]
            self._run.log_metrics({f"{self._label}.{data}.{metric}": value for data, metric, value in rows}, epoch)

    _replace("xgboost", module.train, _watched(module.train, "xgboost", Recorded))


def watch_lightgbm(module: Any) -> None:
    """Watch ``lightgbm.train``."""

    def recorded(run: ActiveRun, label: str) -> Callable[[Any], None]:
        @harmless
        def record(environment: Any) -> None:
            rows = [row[:3] for row in environment.evaluation_result_list or ()]
            values = {f"{label}.{data}.{metric}": value for data, metric, value in rows}
            run.log_metrics(values, environment.iteration)

        return record

    _replace("lightgbm", module.train, _watched(module.train, "lightgbm", recorded))


def _replace(library: str, train: Callable[..., Any], watched: Callable[..., Any]) -> None:
    """Put the watched function wherever the library holds the original, as it may be imported already."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == library and getattr(module, "train", None) is train:
            module.train = watched  # type: ignore[attr-defined]


def _watched(train: Callable[..., Any], library: str, recorder: Recorder) -> Callable[..., Any]:
    """Add a callback to each call of a training function, unless it is one of a search's many."""
    signature = inspect.signature(train)

    @functools.wraps(train)
    def trained(*arguments: Any, **named: Any) -> Any:
        run = watched_run()
        if run is None or depth.value > 1:
            return train(*arguments, **named)
        bound = signature.bind(*arguments, **named)
        added: list[Any] = []
        _prepare(added, run, library, recorder, bound)
        bound.arguments["callbacks"] = [*(bound.arguments.get("callbacks") or ()), *added]
        return train(*bound.args, **bound.kwargs)

    return trained


@harmless
def _prepare(added: list[Any], run: ActiveRun, library: str, recorder: Recorder, bound: inspect.BoundArguments) -> None:
    params = dict(bound.arguments["params"] or {})
    for name in ("num_boost_round", "early_stopping_rounds"):
        if name in bound.arguments:
            params[name] = bound.arguments[name]
    label = labels.describe(run, library, params)
    if label:
        added.append(recorder(run, label))
