"""The champion of a model behind HTTP, on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cascada import platform
from cascada.errors import ConfigError
from cascada.registry.versions import fetch_bundle, identify
from cascada.repro.signing import signing_key
from cascada.settings import load_settings
from cascada.tracking import models
from cascada.tracking.models import ModelVersion
from flows.deployment import deploy_champion
from serving.package import build_bento


def package_version(version: ModelVersion) -> Path:
    """Build the Bento of a registered version and return its folder."""
    with tempfile.TemporaryDirectory(prefix="cascada-package-") as scratch:
        bundle = fetch_bundle(version, Path(scratch))
        return build_bento(bundle.folder, identify(version, bundle), key=signing_key(load_settings()))


def serve_champion(model: str) -> ModelVersion:
    """Deploy and package the champion of a model, if need be, and serve it on this machine; returns what answers.

    Raises
    ------
    ConfigError
        If more than the name of a model is given.
    PlatformError
        If the service does not become ready.
    """
    if "@" in model:
        raise ConfigError("the champion is what is served", expected="the name of a model alone", got=model)
    settings, champion = load_settings(), models.find_version(model)
    deploy_champion(champion)
    bento = package_version(champion)
    platform.wait_until_ready(platform.start_service(settings, bento, what=model, served=settings.served / model))
    return champion


def serve_first(model: str) -> bool:
    """Serve a champion where the platform is up and serves nothing, because no model had a champion yet."""
    servers = platform.running(load_settings())
    if "worker" not in servers or "service" in servers:
        return False
    serve_champion(model)
    return True
