"""Reproducible machine learning for cosmic-ray air showers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascada.jobs.active import log_metrics
    from cascada.jobs.job import job

__all__ = ["job", "log_metrics"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that `import cascada` alone costs nothing."""
    if name == "log_metrics":
        from cascada.jobs.active import log_metrics

        return log_metrics
    if name == "job":
        from cascada.jobs.job import job

        return job
    raise AttributeError(f"module 'cascada' has no attribute {name!r}")
