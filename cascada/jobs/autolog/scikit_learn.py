"""scikit-learn: parameters of what is fitted, learning curves, scores, the trials of searches."""

from __future__ import annotations

import functools
import inspect
import numbers
import sys
from collections.abc import Callable
from typing import Any

from cascada.jobs.autolog.watching import depth, harmless, labels, watched_run
from cascada.jobs.trials import trial

# Attributes of fitted estimators: one number, and one number a step.
_NUMBERS = ("best_score_", "n_iter_", "inertia_")
_CURVES = ("loss_curve_", "validation_scores_", "train_score_", "validation_score_")
_MAX_TRIALS = 1000
_SCORES = ("_score", "_error", "_loss", "_deviance", "_corrcoef", "auc")


_fitted_now: set[int] = set()


def watch_estimators(module: Any) -> None:
    """Watch ``fit`` of every estimator, also of those defined later, and ``score`` of classifiers and regressors."""
    base = module.BaseEstimator

    def init_subclass(cls: Any, /, **named: Any) -> None:
        super(base, cls).__init_subclass__(**named)
        _watch_class(cls)

    for known in _subclasses(base):
        _watch_class(known)
    base.__init_subclass__ = classmethod(init_subclass)
    for mixin in (module.ClassifierMixin, module.RegressorMixin):
        mixin.score = _watched_number(mixin.score, lambda estimator: f"{type(estimator).__name__}.score")


def _subclasses(base: Any) -> set[Any]:
    return {base} | {below for direct in base.__subclasses__() for below in _subclasses(direct)}


def _watch_class(cls: Any) -> None:
    fit = cls.__dict__.get("fit")
    if inspect.isfunction(fit):
        cls.fit = _watched_fit(fit)


def watch_scores(module: Any) -> None:
    """Watch the functions of a module that compare predictions with the truth and give one number.

    Once `sklearn.metrics` has handed them out, they stay as they are: a function that its module holds no longer could
    not be sent to another process.
    """
    package = sys.modules["sklearn.metrics"]
    for name, function in list(vars(module).items()):
        is_own = inspect.isfunction(function) and function.__module__ == module.__name__
        if is_own and name.endswith(_SCORES) and not name.startswith("_") and not hasattr(package, name):
            setattr(module, name, _watched_number(function, lambda *_, name=name: name))


def _watched_fit(fit: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fit)
    def fitted(self: Any, *arguments: Any, **named: Any) -> Any:
        if id(self) in _fitted_now:  # a class's fit calls the one of its parent
            return fit(self, *arguments, **named)
        _fitted_now.add(id(self))
        try:
            with depth.deeper() as reached:
                result = fit(self, *arguments, **named)
        finally:
            _fitted_now.discard(id(self))
        if reached == 1:
            _record_fit(self)
        return result

    return fitted


@harmless
def _record_fit(estimator: Any) -> None:
    run = watched_run()
    if run is None:
        return
    params = {name: value for name, value in estimator.get_params().items() if not _holds_estimators(value)}
    label = labels.describe(run, type(estimator).__name__, params)
    if not label:
        return
    found = {name: getattr(estimator, name, None) for name in _NUMBERS}
    run.log_metrics({f"{label}.{n}": v for n, v in found.items() if isinstance(v, numbers.Real)})
    for name in _CURVES:
        values = getattr(estimator, name, None)
        for step, value in enumerate(() if values is None else values):
            run.log_metrics({f"{label}.{name}": value}, step)
    _record_candidates(getattr(estimator, "cv_results_", {}))


def _record_candidates(results: Any) -> None:
    """Record what a search tried, as its trials: mean and standard deviation of every score."""
    scores = [name for name in results if name.startswith(("mean_test_", "std_test_"))]
    for index, parameters in enumerate(results.get("params", [])[:_MAX_TRIALS]):
        with trial(parameters) as one:
            one.log_metrics({name: results[name][index] for name in scores})


def _holds_estimators(value: Any) -> bool:
    """Tell whether a parameter is an estimator or a list of named ones, whose own parameters are listed beside it."""
    parts = [part for item in value for part in (item if isinstance(item, tuple) else (item,))] if isinstance(
        value, list
    ) else [value]  # fmt: skip
    return any(hasattr(part, "get_params") for part in parts)


def _watched_number(function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def counted(*arguments: Any, **named: Any) -> Any:
        with depth.deeper() as reached:
            result = function(*arguments, **named)
        if reached == 1 and isinstance(result, numbers.Real):
            _record_number(name(*arguments[:1]), result)
        return result

    return counted


@harmless
def _record_number(name: str, value: Any) -> None:
    run = watched_run()
    if run is not None:
        run.log_metrics({name: value})
