"""The model that answers now: a package that was opened and checked, and the watch over the next one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from cascada.errors import ArtifactError, CascadaError, ConfigError
from cascada.physics.columns import COLUMNS
from cascada.registry.deployment import current
from cascada.registry.package import Package, open_package
from serving.answers import Answer, answer_events
from serving.events import EventReader, Events
from serving.settings import PLACES, ServiceSettings

logger = logging.getLogger(__name__)


class ServedModel:
    """A package with what every answer repeats of it.

    Attributes
    ----------
    headers
        Of every answer, as ASGI takes them.
    identity
        As JSON.
    """

    _listener: Callable[[Events, Answer], None] | None = None

    def __init__(self, package: Package) -> None:
        self.package, self.reader = package, EventReader(package.bundle)
        known = package.identity
        told = {
            "x-model-name": known.name, "x-model-version": str(known.version), "x-run-id": known.run_id,
            "x-data-sha256": known.data_sha256, "x-git-commit": known.git_commit,
            "x-verification": known.verification or "none",
        }  # fmt: skip
        self.headers = [(name.encode(), value.encode("ascii", "replace")) for name, value in told.items()]
        self.identity = orjson.dumps(known.model_dump())

    def answer(self, events: Events) -> Answer:
        """Predict events that were read for this model."""
        answer = answer_events(self.package.bundle, events)
        if self._listener is not None:
            self._listener(events, answer)
        return answer

    def heard_by(self, listener: Callable[[Events, Answer], None]) -> ServedModel:
        """Return the same model for one request; somebody hears what it answers."""
        heard = copy(self)
        heard._listener = listener
        return heard

    def describe(self) -> dict[str, Any]:
        """Tell which model this is, what it needs and where it was fitted."""
        bundle, ranges = self.package.bundle, self.package.bundle.spec.domain.ranges
        columns = [
            {
                "name": name, "unit": COLUMNS[name].unit, "description": COLUMNS[name].description,
                "minimum": COLUMNS[name].minimum, "maximum": COLUMNS[name].maximum,
            }
            for name in bundle.columns
        ]  # fmt: skip
        seen = bundle.spec.stations
        return {
            "model": self.package.identity.model_dump(), "signed_by": self.package.signer, "columns": columns,
            "classes": bundle.spec.classes, "reference": bundle.spec.reference, "features": bundle.spec.features,
            "domain": {name: {"minimum": low, "maximum": high} for name, (low, high) in ranges.items()},
            "stations": None if seen is None else seen.model_dump(),
        }  # fmt: skip


def open_model(folder: Path, trusted: Path | None) -> ServedModel:
    """Open a package, check it and try it.

    Raises
    ------
    ConfigError
        If nobody is trusted.
    ArtifactError
        If it is refused.
    """
    if trusted is None:  # not in the Bento: who alters a model could alter its keys, too
        raise ConfigError(
            "the service does not know whose models it may serve",
            expected=f"{PLACES['trusted']}: a folder of public keys, *.pub",
        )
    model = ServedModel(open_package(folder, trusted=trusted))
    model.answer(model.reader.example())  # the first run of a graph takes longest: not with a client waiting
    return model


@dataclass
class Swaps:
    """How often the model was changed, and how often a package was refused."""

    done: int = 0
    refused: int = 0


class ModelSlot:
    """Holds the model that answers; a new one takes its place in one step.

    Parameters
    ----------
    baked
        Folder of the package that is served when the settings name no deployment folder.

    Raises
    ------
    ConfigError
        If nobody is trusted.
    ArtifactError
        If there is no package, or it is refused.
    """

    def __init__(self, settings: ServiceSettings, baked: Path) -> None:
        self._settings, self.swaps = settings, Swaps()
        self._place = self._find() if settings.served else baked
        self.model = open_model(self._place, settings.trusted)

    def _find(self) -> Path:
        served = self._settings.served
        found = current(served) if served else None
        if found is None:
            raise ArtifactError("nothing is deployed here", where=str(served), expected="a link `current` to a package")
        return found

    async def watch(self) -> None:
        """Follow the deployment folder until cancelled; a package that is refused changes nothing."""
        while self._settings.served is not None:
            await asyncio.sleep(self._settings.watch_s)
            await self.look()

    async def look(self) -> None:
        """Open the package that is current now, beside the one that answers, and swap them."""
        try:
            place = self._find()
        except ArtifactError:
            return  # the link is away for a moment, or for good: the last model stays
        if place == self._place:
            return
        self._place = place
        try:
            model = await asyncio.to_thread(open_model, place, self._settings.trusted)
        except (CascadaError, OSError) as error:
            self.swaps.refused += 1
            logger.warning("refused %s, so version %s stays: %s", place, self._version, error)
            return
        before, self.model = self._version, model
        self.swaps.done += 1
        logger.info("version %s answers in place of %s", self._version, before)

    @property
    def _version(self) -> int:
        return self.model.package.identity.version
