"""Logging, set up by entry points only."""

from __future__ import annotations

import logging
import os

# Chatty at INFO or WARNING about what users need not act on.
_NOISY = (
    "alembic", "bentoml", "great_expectations", "httpx", "lightning", "lightning.pytorch", "matplotlib",
    "mlflow", "onnx_ir", "onnxscript", "torch.onnx",
)  # fmt: skip


def configure_logging(*, verbose: bool) -> None:
    """Send warnings (or, when verbose, everything from INFO on) to standard error."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO if verbose else logging.WARNING)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.ERROR)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "INFO" if verbose else "ERROR")
    # Prefect sets its own handlers up on import: the UI keeps every message, the terminal only what was asked for.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "CRITICAL")
