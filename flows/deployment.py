"""Deploy: what the registry calls champion becomes what is served on this machine."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict

from cascada import platform
from cascada.errors import ArtifactError, PlatformError
from cascada.evaluation.gates import Verdict
from cascada.registry.bundle import Bundle
from cascada.registry.deployment import Change, current, deploy, deploy_shadow, history, served_identity
from cascada.registry.package import Package, open_package
from cascada.registry.versions import fetch_bundle, identify
from cascada.repro.signing import signing_key
from cascada.settings import load_settings
from cascada.tracking import models
from cascada.tracking.models import ModelVersion
from cascada.tracking.reach import require_mlflow

logger = logging.getLogger(__name__)

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
    """Make a version the one that is served; None when it is already, unaltered, with all that is known of it."""
    settings = load_settings()
    folder, identity = settings.served / version.name, identify(version, bundle)
    if served_identity(folder) == identity and _deployed_bundle(version) is not None:
        return None
    return deploy(bundle.folder, identity, folder, key=signing_key(settings), reason=reason)


def deploy_champion(champion: ModelVersion) -> None:
    """Deploy what the registry calls champion, unless it is served already: an alias may have been moved by hand."""
    with tempfile.TemporaryDirectory(prefix="cascada-deploy-") as scratch:
        bundle = _deployed_bundle(champion) or fetch_bundle(champion, Path(scratch))
        deploy_version(champion, bundle, reason="champion in the registry")


def _deployed_bundle(version: ModelVersion) -> Bundle | None:
    """Open the bundle of a version where it is deployed: that needs no store. None where it is not, or was altered."""
    settings = load_settings()
    place = current(settings.served / version.name)
    try:
        bundle = None if place is None else open_package(place, trusted=settings.trusted).bundle
    except ArtifactError as error:
        logger.warning("what is deployed of %s cannot be used: %s", version.name, error)
        return None
    return bundle if bundle is not None and bundle.sha256 == version.tags["bundle_sha256"] else None


def follow_registry(model: str) -> Package:
    """Deploy the champion of a model and open its package; the last one while MLflow cannot be reached.

    Raises
    ------
    PlatformError
        If MLflow, or its store of files, cannot be reached and nothing is deployed.
    ArtifactError
        If the model has no champion, or its bundle or package was altered.
    """
    settings = load_settings()
    try:
        require_mlflow()
        deploy_champion(models.find_version(model))
        outage = None
    except PlatformError as error:
        outage = error
    place = current(settings.served / model)
    if place is None:
        raise PlatformError(
            f"no version of {model!r} is deployed here, and MLflow or its files cannot be reached",
            where=outage.where if outage else "", got=outage.got if outage else "",
            hint="a model that was deployed once is served without MLflow",
        ) from outage  # fmt: skip
    package = open_package(place, trusted=settings.trusted)
    if outage is not None:
        logger.warning("version %d of %s, deployed before, is served: %s", package.identity.version, model, outage)
    return package


def deploy_canary(model: str, number: int) -> Package:
    """Deploy a version where the service of a canary looks for it, beside what is served; returns its package."""
    require_mlflow()
    version, settings = models.find_version(f"{model}@{number}"), load_settings()
    with tempfile.TemporaryDirectory(prefix="cascada-canary-") as scratch:
        bundle = fetch_bundle(version, Path(scratch))
        place = deploy(
            bundle.folder, identify(version, bundle), settings.canaries / model, key=signing_key(settings),
            reason="canary",
        )  # fmt: skip
    return open_package(place, trusted=settings.trusted)


def set_shadow(reference: str) -> ModelVersion:
    """Have a running service ask a version what it is asked, without giving its answers to anybody.

    Parameters
    ----------
    reference
        MODEL@VERSION or MODEL@ALIAS; MODEL for its challenger.

    Raises
    ------
    ArtifactError
        If there is no such version, the model is not deployed here, or the version is what is served.
    """
    require_mlflow()
    version, settings = models.find_version(reference, alias=models.CHALLENGER), load_settings()
    folder = settings.served / version.name
    if current(folder) is None:
        raise ArtifactError(
            "a shadow needs a model that is deployed", where=str(folder), hint=f"cascada serve {version.name}"
        )
    served = served_identity(folder)
    if served is not None and served.version == version.version:
        raise ArtifactError(
            f"{version.label} is what is served; a shadow is another version", where=str(folder),
            hint=f"cascada models ls {version.name}",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="cascada-shadow-") as scratch:
        bundle = fetch_bundle(version, Path(scratch))
        deploy_shadow(bundle.folder, identify(version, bundle), folder, key=signing_key(settings))
    return version


def renew_deployment(run_id: str) -> None:
    """Deploy anew what is served and was made by a run, with what is known of it by now: the verdict of a replay."""
    settings = load_settings()
    for version in models.versions_of_run(run_id):
        served = served_identity(settings.served / version.name)
        if served is not None and served.version == version.version and models.CHAMPION in version.aliases:
            deploy_champion(version)


def wait_until_answered(version: ModelVersion, *, timeout_s: float = 30.0) -> bool:
    """Wait until the services of this machine answer with a version; False when none runs, or of another model.

    Raises
    ------
    PlatformError
        If one goes on to answer with another version.
    """
    deadline = time.monotonic() + timeout_s
    answered = [
        _answers_with(version.name, version.version, server.url, deadline)
        for server in platform.services(load_settings())
    ]
    return bool(answered) and all(answered)


def wait_for_canary(package: Package, url: str, *, timeout_s: float = 30.0) -> None:
    """Wait until a canary answers with the version that it shall have.

    Raises
    ------
    PlatformError
        If it goes on to answer with another one.
    """
    identity = package.identity
    _answers_with(identity.name, identity.version, url, time.monotonic() + timeout_s)


def _answers_with(name: str, version: int, url: str, deadline: float) -> bool:
    said = "nothing"
    while time.monotonic() < deadline:
        try:
            headers = httpx.get(f"{url}/model", timeout=5.0).headers  # also of one that wants a key
        except httpx.TransportError as error:
            said = str(error)
        else:
            if headers.get(NAME, name) != name:
                return False
            if headers.get(VERSION) == str(version):
                return True
            said = f"version {headers.get(VERSION, 'unknown')}"
        time.sleep(0.1)
    raise PlatformError(
        "the service does not answer with the version that was deployed", where=f"{url}/model",
        expected=f"{name} version {version}", got=said, hint=f"start it anew: cascada down, then cascada serve {name}",
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
