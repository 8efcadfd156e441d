"""Trials of a search: runs inside of a run, each with its own parameters and metrics."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cascada.jobs import active
from cascada.jobs.active import ActiveRun
from cascada.jobs.events import emit


@dataclass
class Trial:
    """One trial in progress.

    Attributes
    ----------
    number
        Counts from 0 in a run, over all of its processes; -1 outside of a run.
    metrics
        The last value of each metric.
    """

    number: int
    metrics: dict[str, Any] = field(default_factory=dict)
    _run: ActiveRun | None = None

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log numbers of one step, as ``trial.<number>.<name>``; without a step each name counts for itself."""
        self.metrics.update(metrics)
        if self._run is not None:
            self._run.log_metrics({f"trial.{self.number}.{name}": value for name, value in metrics.items()}, step)


@contextmanager
def trial(parameters: Mapping[str, Any]) -> Iterator[Trial]:
    """Record one trial of a search; outside of a run nothing is recorded, so that code runs plainly.

    Parameters
    ----------
    parameters
        What is tried, recorded as ``trial.<number>.<name>``.

    Examples
    --------
    >>> for rate in (0.1, 0.2):
    ...     with trial({"rate": rate}) as one:
    ...         one.log_metrics({"loss": rate**2})
    """
    run = active.current()
    if run is None:
        yield Trial(-1)
        return
    one = Trial(_next_number(run), _run=run)
    run.log_params({f"trial.{one.number}.{name}": value for name, value in parameters.items()})
    emit("trial_start", run.run_id, number=one.number, parameters=parameters)
    error = ""
    try:
        yield one
    except BaseException as failure:
        error = f"{type(failure).__name__}: {failure}"
        raise
    finally:
        emit("trial_end", run.run_id, number=one.number, metrics=one.metrics, error=error)


def _next_number(run: ActiveRun) -> int:
    """Count one more; processes that search side by side share the count."""
    with (run.folder / "trials.txt").open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        number = int(file.read() or 0)
        file.truncate(0)
        file.write(str(number + 1))
    return number
