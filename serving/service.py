"""The BentoML service: a package behind HTTP.

BentoML packages it and runs its worker. Requests are answered by `serving.app.Application`, which stands before
BentoML's own application: tracing, access log and validation by pydantic would cost several times what the model does.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import bentoml
import psutil

from cascada.errors import CascadaError

BAKED = Path(__file__).resolve().parents[1]
"""Root of the Bento's sources; the package that it was built with lies beside the code."""


class LeanService(bentoml.Service):  # type: ignore[misc]
    """A service whose requests do not pass through BentoML's middleware; its lifespan does."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """Make the application that a worker runs; when it cannot be made, say why and end the service."""
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
        try:
            return _make_application(super().to_asgi(is_main))
        except CascadaError as error:
            _end_supervisor()
            sys.exit(f"error: {error}")


def _make_application(inner: Any) -> Any:
    # Here and not above: BentoML's supervisor imports this module, too, and needs nothing of it.
    from serving.app import Application
    from serving.limits import Door, is_exposed
    from serving.model import ModelSlot
    from serving.settings import read_settings

    settings = read_settings()
    return Application(ModelSlot(settings, BAKED), Door(settings, exposed=is_exposed()), settings, inner=inner)


def _end_supervisor() -> None:
    """End the `bentoml serve` that started this worker: it would start it anew for ever."""
    parent = psutil.Process().parent()
    if parent is not None and "serve" in parent.cmdline():
        parent.terminate()


class Primary:
    """Tells the primaries of air showers apart and scores how unlike hadrons they are."""


PrimaryService = LeanService("cascada", config={"workers": 1, "metrics": {"enabled": False}}, inner=Primary)
