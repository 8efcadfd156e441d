"""The space of a search: the experiments that it may propose, checked before any of them is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from cascada.config import Experiment, Range, Search, Values, put_value, validate_section
from cascada.errors import ConfigError, nearest
from cascada.training.traces import shape_of

SEARCHED = ("model", "training", "anomaly")
"""Sections that a search may change: how a model is made of the data, never which data, and not how it is judged."""

_WHERE = "search.space"


def require_search(experiment: Experiment) -> Search:
    """Take the search of an experiment, checked: every value that it can propose makes a valid experiment.

    Values are checked one key at a time; a combination that is not valid fails its trial.

    Raises
    ------
    ConfigError
        With the key, if the experiment lacks it, or a value of it is not valid.
    """
    search = experiment.search
    if search is None:
        raise ConfigError(
            "the experiment says nothing of a search", where=experiment.name, expected="a section `search`",
            hint="docs/tuning.md shows one",
        )  # fmt: skip
    plain = _plain(experiment)
    for key in search.space:
        _check_key(key, plain, search.space)
    _check_early_stopping(search)
    for key, values in search.space.items():
        for value in _probes(values):
            _check_candidate(experiment, search, key, value)
    return search


def without_search(experiment: Experiment) -> Experiment:
    """Leave the search out: what it says changes no training, and is to change no cache key."""
    return experiment.model_copy(update={"search": None})


def with_values(experiment: Experiment, values: Mapping[str, JsonValue], *, where: str = _WHERE) -> Experiment:
    """Put values into an experiment, by dotted key; the result searches no more.

    Parameters
    ----------
    where
        What a refusal names.

    Raises
    ------
    ConfigError
        If the result is no valid experiment.
    """
    plain = _plain(experiment)
    for key, value in values.items():
        put_value(plain, key, value)
    return validate_section(Experiment, plain, where)


def _plain(experiment: Experiment) -> dict[str, Any]:
    return experiment.model_dump(mode="json", exclude={"search"})


def _probes(values: Values) -> list[Any]:
    return values.probes() if isinstance(values, Range) else list(values)


def _check_key(key: str, plain: dict[str, Any], space: Mapping[str, Values]) -> None:
    section = key.partition(".")[0]
    if section in plain and section not in SEARCHED:
        raise ConfigError(
            f"{key}: a search does not change it", where=_WHERE, expected=f"keys of {', '.join(SEARCHED)}",
            hint="the data are read once, and all trials are judged alike",
        )  # fmt: skip
    known = [name for one in SEARCHED for name in _names(one, plain[one])]
    if key not in known:
        raise ConfigError(f"{key}: the experiment has no such key", where=_WHERE, hint=nearest(key, known))
    within = [other for other in space if key.startswith(f"{other}.")]
    if within:
        raise ConfigError(f"{key} lies in {within[0]}, which is searched itself", where=_WHERE, hint="leave one out")


def _names(name: str, value: Any) -> Iterator[str]:
    yield name
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _names(f"{name}.{key}", inner)


def _check_early_stopping(search: Search) -> None:
    if not search.early_stopping:
        return
    if search.metric != "log_loss":
        raise ConfigError(
            f"search.early_stopping goes by the log loss of each epoch, which says little of {search.metric}",
            where="search.metric", expected="log_loss", got=search.metric, hint="leave early_stopping out",
        )  # fmt: skip
    if "training.epochs" in search.space:
        raise ConfigError(
            "training.epochs: fits of different lengths cannot be compared epoch by epoch", where=_WHERE,
            hint="leave early_stopping or training.epochs out",
        )  # fmt: skip


def _check_candidate(experiment: Experiment, search: Search, key: str, value: JsonValue) -> None:
    try:
        candidate = with_values(experiment, {key: value}, where=f"{_WHERE}, {key}")
    except ConfigError as error:
        if isinstance(search.space[key], Range) and "integer" in error.what:
            error.hint = "give the range `integer: true`"
        raise
    if shape_of(candidate.model) != shape_of(experiment.model):
        raise ConfigError(
            f"{key}: trials share the data, and this changes what is read of the traces", where=_WHERE,
            got=str(value), hint="search with one number of stations and bins",
        )  # fmt: skip
    if search.early_stopping and (candidate.model.kind == "per_class" or candidate.training.head == "two_step"):
        raise ConfigError(
            "search.early_stopping needs a head that is fitted from the first epoch on", where=f"{_WHERE}, {key}",
            expected="training.head: joint, and another model than per_class", hint="leave early_stopping out",
        )  # fmt: skip
