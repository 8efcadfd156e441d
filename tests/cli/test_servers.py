"""What is served while MLflow cannot be reached, and which servers are stopped."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from itertools import count

import pytest
from projects import free_port
from registered import PASSED, Registry, toy_project
from typer.testing import CliRunner

from cascada.cli.main import app
from cascada.cli.servers import _champions
from cascada.errors import ConfigError, PlatformError
from cascada.registry import promotion
from cascada.registry.deployment import SHADOW, current
from cascada.settings import Settings
from flows.deployment import deploy_champion, follow_registry

NAMES = count()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with toy_project(tmp_path_factory.mktemp("project")) as made:
        yield made


@pytest.fixture
def name(registry: Registry) -> Iterator[str]:
    """A model of a test's own, whose deployment is gone in the end."""
    own = f"toy-{next(NAMES)}"
    yield own
    shutil.rmtree(settings_of(registry).served / own, ignore_errors=True)


def settings_of(registry: Registry) -> Settings:
    return Settings(root=registry.root)  # type: ignore[call-arg]


@pytest.mark.parametrize("store", ["http://127.0.0.1:{port}", "postgresql+psycopg://user:word@127.0.0.1:{port}/mlflow"])
def test_what_was_deployed_last_is_served_and_told(
    registry: Registry, name: str, store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deploy_champion(promotion.promote(registry.register(name), PASSED))
    promotion.promote(registry.register(name, right=760), PASSED)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.format(port=free_port()))
    with caplog.at_level(logging.WARNING):
        package = follow_registry(name)
    assert package.identity.version == 1
    assert f"version 1 of {name}, deployed before, is served: MLflow cannot be reached" in caplog.text
    assert "word" not in caplog.text
    assert list(_champions(settings_of(registry))) == [name], "`cascada up` finds it, too"


def test_a_deployed_champion_needs_no_store_of_files(
    registry: Registry, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    deploy_champion(promotion.promote(registry.register(name), PASSED))
    shutil.rmtree(settings_of(registry).home / "mlartifacts")
    assert follow_registry(name).identity.version == 1
    assert "is served" not in caplog.text


def test_a_deployed_package_that_was_altered_is_deployed_anew(registry: Registry, name: str) -> None:
    deploy_champion(promotion.promote(registry.register(name), PASSED))
    served = settings_of(registry).served / name
    before = current(served)
    assert before is not None
    graph = before / "package" / "bundle" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    assert follow_registry(name).identity.version == 1
    assert current(served) != before


def test_nothing_deployed_and_nothing_reachable_is_an_error(
    registry: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    error = CliRunner().invoke(app, ["serve", name]).exception
    assert isinstance(error, PlatformError)
    assert error.exit_code == 5
    assert f"no version of '{name}' is deployed here, and MLflow or its files cannot be reached" in str(error)


def test_a_shadow_is_set_and_taken_away(registry: Registry, name: str) -> None:
    served = settings_of(registry).served / name
    first = promotion.promote(registry.register(name), PASSED)
    registry.register(name, right=600)
    refused = CliRunner().invoke(app, ["models", "shadow", f"{name}@2"]).exception
    assert "a shadow needs a model that is deployed" in str(refused)
    deploy_champion(first)
    said = CliRunner().invoke(app, ["models", "shadow", f"{name}@2"])
    assert f"{name} version 2 is the shadow" in said.stdout
    place = current(served, SHADOW)
    assert place is not None
    assert place.name.startswith("v2-")
    assert follow_registry(name).identity.version == 1
    assert "has no shadow" in CliRunner().invoke(app, ["models", "shadow", name, "--off"]).stdout
    assert current(served, SHADOW) is None


def test_only_a_server_that_runs_is_stopped(registry: Registry) -> None:
    error = CliRunner().invoke(app, ["down", "canary"]).exception
    assert isinstance(error, ConfigError)
    assert "no server 'canary' runs" in str(error)
