"""Toy models of which one is deployed, and the application over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import export, identity
from services import application

from cascada.registry.bundle import Bundle
from cascada.registry.deployment import deploy
from cascada.repro.signing import own_key
from serving.app import Application


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    own_key(folder)
    return folder


@pytest.fixture
def put(bundle: Bundle, keys: Path, tmp_path: Path) -> Callable[[int], Path]:
    """Deploy a version of the toy model; the folder is returned."""

    def place(version: int) -> Path:
        deploy(bundle.folder, identity(bundle, version), tmp_path / "toy", key=own_key(keys), reason="test")
        return tmp_path / "toy"

    return place


@pytest.fixture
def app(put: Callable[[int], Path], keys: Path) -> Application:
    return application(put(1), keys)
