"""What all hooks share: the run, names for what they see, calls inside of calls, and errors that stop nobody."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec

from cascada.jobs.active import ActiveRun, current, plain

logger = logging.getLogger(__name__)

P = ParamSpec("P")

_MAX_LABELS = 100  # of models in one run: a search over thousands must not fill the record with parameters
_MAX_PARAMS = 200  # of one model


def harmless(action: Callable[P, Any]) -> Callable[P, None]:
    """Turn an error of a hook into a warning: telemetry never stops a training."""

    @functools.wraps(action)
    def tried(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            action(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - the boundary between our hooks and the user's training
            logger.warning("not recorded: %s: %s", action.__name__, error)

    return tried


class Depth:
    """Counts calls inside of calls, over all threads: a search fits many models, and one call of the user's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.value = 0

    @contextmanager
    def deeper(self) -> Iterator[int]:
        """Count one more for the block; gives how many there are now."""
        with self._lock:
            self.value += 1
            reached = self.value
        try:
            yield reached
        finally:
            with self._lock:
                self.value -= 1


depth = Depth()


class Labels:
    """Names for models: the kind, and a number from the second one with other parameters on."""

    def __init__(self) -> None:
        self._known: dict[str, list[dict[str, Any]]] = {}

    def describe(self, run: ActiveRun, kind: str, params: Mapping[str, Any]) -> str:
        """Find the label of a model and record its parameters when it is new; empty when there are too many."""
        values = {name: plain(value) for name, value in list(params.items())[:_MAX_PARAMS]}
        same = self._known.setdefault(kind, [])
        if values not in same:
            if sum(map(len, self._known.values())) >= _MAX_LABELS:
                return ""
            same.append(values)
            label = self._label(kind, same.index(values))
            run.log_params({f"{label}.{name}": value for name, value in values.items()})
        return self._label(kind, same.index(values))

    @staticmethod
    def _label(kind: str, index: int) -> str:
        return kind if index == 0 else f"{kind}_{index + 1}"


labels = Labels()


def watched_run() -> ActiveRun | None:
    """Find the run to record into; None outside of one."""
    return current()


def stride(step: int) -> int:
    """Tell how far the next recorded step of a long loop is: all below 100, then 90 a decade, so any loop is bounded.

    Examples
    --------
    >>> [stride(step) for step in (0, 99, 100, 999, 1000)]
    [1, 1, 10, 10, 100]
    """
    wide = 1
    while step >= 100 * wide:
        wide *= 10
    return wide


def is_kept(step: int) -> bool:
    """Tell whether a step of a long loop is recorded.

    Examples
    --------
    >>> [step for step in range(100, 131) if is_kept(step)], sum(map(is_kept, range(100_000)))
    ([100, 110, 120, 130], 370)
    """
    return step % stride(step) == 0
