"""The champion of a model behind HTTP, on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cascada import platform
from cascada.errors import ConfigError
from cascada.registry.versions import fetch_bundle, identify
from cascada.repro.signing import signing_key
from cascada.settings import load_settings
from cascada.tracking.models import ModelVersion
from flows.deployment import deploy_canary, follow_registry, wait_for_canary
from serving.package import build_bento


def package_version(version: ModelVersion) -> Path:
    """Build the Bento of a registered version and return its folder."""
    with tempfile.TemporaryDirectory(prefix="cascada-package-") as scratch:
        bundle = fetch_bundle(version, Path(scratch))
        return build_bento(bundle.folder, identify(version, bundle), key=signing_key(load_settings()))


def serve_champion(model: str, *, processes: int = 1) -> str:
    """Deploy and package the champion of a model, if need be, and serve it on this machine; returns what answers.

    While MLflow cannot be reached, that is the version that was deployed last.

    Parameters
    ----------
    processes
        Services side by side, at the next ports; those that run beyond this number are stopped.

    Raises
    ------
    ConfigError
        If more than the name of a model is given.
    PlatformError
        If a service does not become ready, or MLflow cannot be reached and nothing is deployed.
    """
    if "@" in model:
        raise ConfigError("the champion is what is served", expected="the name of a model alone", got=model)
    settings, package = load_settings(), follow_registry(model)
    names = ["service", *(f"service-{number}" for number in range(2, processes + 1))]
    asked = [one for one in platform.running(settings).values() if one.name.partition("-")[0] in {"service", "canary"}]
    platform.stop(settings, [one.name for one in asked if one.what != model or one.name not in {*names, "canary"}])
    for name in names:
        platform.require_free_port(settings, name)
    bento = build_bento(package.bundle.folder, package.identity, key=signing_key(settings))
    served, log = settings.served / model, settings.prediction_log(model)
    started = [platform.start_service(settings, bento, name=name, what=model, served=served, log=log) for name in names]
    for server in started:
        platform.wait_until_ready(server)
    return f"{model} version {package.identity.version}"


def serve_canary(model: str, number: int) -> str:
    """Serve another version of the model that is served at the canary's port, and return its address."""
    settings, package = load_settings(), deploy_canary(model, number)
    bento = build_bento(package.bundle.folder, package.identity, key=signing_key(settings))
    log, served = settings.prediction_log(model), settings.canaries / model
    server = platform.start_service(
        settings, bento, name="canary", what=model, served=served, log=log and log / "canary"
    )
    platform.wait_until_ready(server)
    wait_for_canary(package, server.url)
    return server.url


def serve_first(model: str) -> bool:
    """Serve a champion where the platform is up and serves nothing, because no model had a champion yet."""
    servers = platform.running(load_settings())
    if "worker" not in servers or "service" in servers:
        return False
    serve_champion(model)
    return True
