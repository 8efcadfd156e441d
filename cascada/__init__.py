"""Reproducible machine learning for cosmic-ray air showers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascada.jobs.active import log_metrics
    from cascada.jobs.events import on
    from cascada.jobs.job import job
    from cascada.jobs.trials import trial

__all__ = ["job", "log_metrics", "on", "trial"]
__version__ = "0.1.0"


_PLACES = {
    "job": "cascada.jobs.job",
    "log_metrics": "cascada.jobs.active",
    "on": "cascada.jobs.events",
    "trial": "cascada.jobs.trials",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import cascada` alone costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module 'cascada' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)
