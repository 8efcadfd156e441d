"""The BentoML service: a package behind HTTP.

BentoML packages it and runs its worker. Requests are answered by `serving.app.Application`, which stands before BentoML's
own application: tracing, access log and validation by pydantic would cost several times what the model does.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import bentoml

from serving.app import Application
from serving.limits import Door, is_exposed
from serving.model import ModelSlot
from serving.settings import read_settings

BAKED = Path(__file__).resolve().parents[1]
"""Root of the Bento's sources; the package that it was built with lies beside the code."""


class LeanService(bentoml.Service):  # type: ignore[misc]
    """A service whose requests do not pass through BentoML's middleware; its lifespan does."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """Make the application that a worker runs."""
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
        settings = read_settings()
        door = Door(settings, exposed=is_exposed())
        return Application(ModelSlot(settings, BAKED), door, settings, inner=super().to_asgi(is_main))


class Primary:
    """Tells the primaries of air showers apart and scores how unlike hadrons they are."""


PrimaryService = LeanService("cascada", config={"workers": 1, "metrics": {"enabled": False}}, inner=Primary)
