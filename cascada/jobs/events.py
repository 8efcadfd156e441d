"""Callbacks: functions of the user's that hear what happens in a run."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cascada.errors import ConfigError, nearest

logger = logging.getLogger(__name__)

EVENTS = ("run_start", "trial_start", "metric", "trial_end", "run_end", "run_failure")


@dataclass(frozen=True)
class Event:
    """What happened.

    Attributes
    ----------
    name
        ``run_start`` (a job starts), ``metric`` (numbers were logged), ``run_end``, or ``run_failure`` (before it);
        ``trial_start`` and ``trial_end`` of a search.
    facts
        ``parameters`` of a start, ``metrics`` and ``step`` of a metric, ``error`` of an end or failure; of a trial its
        ``number``, too, and at its end its ``metrics``.
    """

    name: str
    run_id: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Callback = TypeVar("Callback", bound=Callable[[Event], Any])

_callbacks: defaultdict[str, list[Callable[[Event], Any]]] = defaultdict(list)


def on(name: str) -> Callable[[Callback], Callback]:
    """Have a function called at an event of the run that this process is a part of.

    An exception in it is logged as a warning: a callback never fails a run.

    Raises
    ------
    ConfigError
        If there is no such event.

    Examples
    --------
    >>> @on("metric")
    ... def show(event):
    ...     print(event.facts["metrics"])
    """
    if name not in EVENTS:
        raise ConfigError(f"there is no event {name!r}", hint=nearest(name, EVENTS))

    def listening(callback: Callback) -> Callback:
        _callbacks[name].append(callback)
        return callback

    return listening


def emit(name: str, run_id: str, **facts: Any) -> None:
    """Call the functions that listen to an event."""
    for callback in _callbacks.get(name, ()):
        try:
            callback(Event(name, run_id, facts))
        except Exception as error:  # noqa: BLE001 - the boundary to the user's callbacks
            logger.warning("the callback %s of %s failed: %s", getattr(callback, "__name__", callback), name, error)
