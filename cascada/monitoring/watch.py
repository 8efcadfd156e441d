"""Drift of the models that are deployed here, and what was found last."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cascada.errors import ArtifactError, SourceError
from cascada.monitoring.drift import WINDOW, Drift, find_drift
from cascada.registry.deployment import current
from cascada.registry.package import open_package
from cascada.settings import PREDICTION_LOG, Settings


class DriftRecord(BaseModel):
    """What was found, and when.

    Attributes
    ----------
    since
        When the drift that lasts was found first; empty when there is none.
    """

    model_config = ConfigDict(frozen=True)

    time: str
    drift: Drift
    since: str = ""

    @property
    def begins(self) -> bool:
        """Whether there was no such drift the time before."""
        return self.since == self.time


def deployed_models(settings: Settings) -> tuple[str, ...]:
    """List the models that are deployed here, sorted."""
    return tuple(sorted(folder.name for folder in settings.served.glob("*") if current(folder) is not None))


def measure_drift(model: str, settings: Settings, *, events: int = WINDOW) -> Drift:
    """Judge what the deployed version of a model was asked lately.

    Raises
    ------
    ArtifactError
        If the model is not deployed here.
    SourceError
        If it has no prediction log.
    """
    place = current(settings.served / model)
    if place is None:
        raise ArtifactError(
            "this model is not deployed here", where=str(settings.served / model), hint=f"cascada serve {model}"
        )
    log = settings.prediction_log(model)
    if log is None:
        raise SourceError("predictions are not kept", where=PREDICTION_LOG, got="it is empty", hint="unset it")
    if not log.is_dir():
        raise SourceError(
            "this model has no prediction log", where=str(log), hint="the service writes one while it answers"
        )
    package = open_package(place, trusted=settings.trusted)
    return find_drift(log, package.bundle, model=model, version=package.identity.version, events=events)


def keep_drift(drift: Drift, settings: Settings) -> DriftRecord:
    """Keep what was found, for the overview and for the next time."""
    now = datetime.now(UTC).isoformat()
    record = DriftRecord(time=now, drift=drift, since=_since(drift, read_record(drift.model, settings), now))
    path = _path(drift.model, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
    return record


def _since(drift: Drift, before: DriftRecord | None, now: str) -> str:
    if drift.state != "drifted":
        return ""
    if before is None or (before.drift.state, before.drift.version) != (drift.state, drift.version):
        return now
    return before.since or before.time  # records of before do not say since when


def read_record(model: str, settings: Settings) -> DriftRecord | None:
    """Read what was found last; None before the first time."""
    path = _path(model, settings)
    return DriftRecord.model_validate_json(path.read_bytes()) if path.exists() else None


def _path(model: str, settings: Settings) -> Path:
    return settings.home / "drift" / f"{model}.json"
