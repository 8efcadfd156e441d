"""The BentoML service: a package behind HTTP.

BentoML packages, configures and runs it. Requests are answered by `serving.app.Application`, which stands before BentoML's
own routes: tracing, access log and validation by pydantic would cost several times what the model does.
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


class Front:
    """The application, made when the worker starts."""

    def __init__(self, app: Any) -> None:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
        settings = read_settings()
        door = Door(settings, exposed=is_exposed())
        self._application = Application(ModelSlot(settings, BAKED), door, settings, inner=app)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or follow the lifespan."""
        await self._application(scope, receive, send)


@bentoml.service(
    name="cascada",
    workers=1,
    traffic={"timeout": None},  # the application has its own limits
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*", "sample_rate": 0.0},
)
class PrimaryService:
    """Tells the primaries of air showers apart and scores how unlike hadrons they are."""


PrimaryService.add_asgi_middleware(Front)
