"""The trace that this process writes, if any. Nothing heavy is imported before a training starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascada.jobs.tracing.tracer import Tracer

_wanted: dict[str, Any] = {}
_tracer: Tracer | None = None


def begin(path: Path, *, every: int, stop_after: int = 0) -> None:
    """Trace into a file from here on.

    Parameters
    ----------
    every
        Steps between two that are hashed by parameter.
    stop_after
        End the script after so many steps; 0 lets it go on.
    """
    end()
    _wanted.update(path=path, every=every, stop_after=stop_after, owner=os.getpid())


def tracer() -> Tracer | None:
    """Find the tracer of this process; None when it traces nothing, or is a copy of the process that does."""
    global _tracer  # noqa: PLW0603 - there is one trace a process
    if not _wanted or _wanted["owner"] != os.getpid():
        return None
    if _tracer is None:
        from cascada.jobs.tracing.tracer import Tracer

        _tracer = Tracer(_wanted["path"], every=_wanted["every"], stop_after=_wanted["stop_after"])
    return _tracer


def end() -> None:
    """Write what is left and trace no more."""
    global _tracer  # noqa: PLW0603
    if _tracer is not None:
        _tracer.close()
    _tracer = None
    _wanted.clear()
