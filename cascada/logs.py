"""Logging, set up by entry points only."""

from __future__ import annotations

import logging
import os


def configure_logging(*, verbose: bool) -> None:
    """Send warnings (or, when verbose, everything from INFO on) to standard error, whoever logs them."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.INFO if verbose else logging.WARNING)
    handler.addFilter(lambda record: not record.name.startswith("prefect"))  # it has handlers of its own
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(handler.level)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "INFO" if verbose else "ERROR")
    # Prefect sets its own handlers up on import: the UI keeps every message, the terminal only what was asked for.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_ROOT_LEVEL", "WARNING")
