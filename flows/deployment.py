"""Deploy: what the registry calls champion becomes what is served on this machine."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict

from cascada import platform
from cascada.errors import PlatformError
from cascada.evaluation.gates import Verdict
from cascada.registry.bundle import Bundle
from cascada.registry.deployment import Change, deploy, history, served_identity
from cascada.registry.versions import fetch_bundle, identify
from cascada.repro.signing import signing_key
from cascada.settings import load_settings
from cascada.tracking import models
from cascada.tracking.models import ModelVersion

NAME, VERSION = "x-model-name", "x-model-version"
"""Headers of every answer of a service."""


class Promotion(BaseModel):
    """What became of a version.

    Attributes
    ----------
    verdict
        None when nothing was judged: the version was champion already, or is so again.
    answered
        Whether a service that runs here answers with it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    champion: bool
    before: int | None
    forced: bool = False
    answered: bool = False
    verdict: Verdict | None = None
    history: tuple[Change, ...] = ()


def deploy_version(version: ModelVersion, bundle: Bundle, *, reason: str) -> Path | None:
    """Make a version the one that is served; None when it is served already, with all that is known of it."""
    settings = load_settings()
    folder, identity = settings.served / version.name, identify(version, bundle)
    if served_identity(folder) == identity:
        return None
    return deploy(bundle.folder, identity, folder, key=signing_key(settings), reason=reason)


def deploy_champion(champion: ModelVersion) -> None:
    """Deploy what the registry calls champion, unless it is served already: an alias may have been moved by hand."""
    with tempfile.TemporaryDirectory(prefix="cascada-deploy-") as scratch:
        bundle = fetch_bundle(champion, Path(scratch))
        deploy_version(champion, bundle, reason="champion in the registry")


def renew_deployment(run_id: str) -> None:
    """Deploy anew what is served and was made by a run, with what is known of it by now: the verdict of a replay."""
    settings = load_settings()
    for version in models.versions_of_run(run_id):
        served = served_identity(settings.served / version.name)
        if served is not None and served.version == version.version and models.CHAMPION in version.aliases:
            deploy_champion(version)


def wait_until_answered(version: ModelVersion, *, timeout_s: float = 30.0) -> bool:
    """Wait until the service of this machine answers with a version; False when none runs, or one of another model.

    Raises
    ------
    PlatformError
        If it goes on to answer with another version.
    """
    settings = load_settings()
    if "service" not in platform.running(settings):
        return False
    deadline, said = time.monotonic() + timeout_s, "nothing"
    while time.monotonic() < deadline:
        try:
            headers = httpx.get(f"{settings.service_url}/model", timeout=5.0).headers  # also of one that wants a key
        except httpx.TransportError as error:
            said = str(error)
        else:
            if headers.get(NAME, version.name) != version.name:
                return False
            if headers.get(VERSION) == str(version.version):
                return True
            said = f"version {headers.get(VERSION, 'unknown')}"
        time.sleep(0.1)
    raise PlatformError(
        "the service does not answer with the version that was deployed", where=f"{settings.service_url}/model",
        expected=version.label, got=said, hint=f"start it anew: cascada down, then cascada serve {version.name}",
    )  # fmt: skip


def tell(version: ModelVersion, before: ModelVersion | None, verdict: Verdict | None = None) -> Promotion:
    """Tell what became of a version, when the service of this machine answers with it.

    Parameters
    ----------
    before
        The champion before.
    """
    champion = models.CHAMPION in version.aliases
    return Promotion(
        name=version.name, version=version.version, champion=champion,
        before=None if before is None else before.version, verdict=verdict,
        forced=champion and verdict is not None and not verdict.passed,
        answered=champion and wait_until_answered(version),
        history=history(load_settings().served / version.name),
    )  # fmt: skip
