"""The trace that this process writes, if any. Nothing heavy is imported before a training starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascada.jobs.tracing.tracer import Tracer

_wanted: dict[str, Any] = {}
_tracer: Tracer | None = None


def begin(path: Path, **options: Any) -> None:
    """Trace into a file from here on; the options are those of `cascada.jobs.tracing.tracer.Tracer`."""
    end()
    _wanted.update(path=path, options=options, owner=os.getpid())


def tracer() -> Tracer | None:
    """Find the tracer of this process; None when it traces nothing, or is a copy of the process that does."""
    global _tracer  # noqa: PLW0603 - there is one trace a process
    if not _wanted or _wanted["owner"] != os.getpid():
        return None
    if _tracer is None:
        from cascada.jobs.tracing.tracer import Tracer

        _tracer = Tracer(_wanted["path"], **_wanted["options"])
    return _tracer


def end() -> None:
    """Write what is left and trace no more."""
    global _tracer  # noqa: PLW0603
    if _tracer is not None:
        _tracer.close()
    _tracer = None
    _wanted.clear()
