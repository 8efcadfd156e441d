"""The service starts while MLflow and its object store are down: with what was deployed last, and it says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3
import httpx
import numpy as np
import pytest
import swift
from bundles import export, observables
from load import wait_for
from mlflow import MlflowClient
from projects import free_port
from registered import PASSED, Registry, project
from services import offline, wait_until_ready

from cascada.registry import promotion
from cascada.registry.bundle import Bundle
from cascada.settings import Settings, process_environment
from cascada.tracking import models
from flows.deployment import deploy_champion

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@contextmanager
def mlflow_server(folder: Path, artifacts: str) -> Iterator[str]:
    """A real MLflow server, which hands its clients to an object store for files."""
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--no-serve-artifacts",
        "--default-artifact-root", artifacts,
    ]  # fmt: skip
    with (folder / "mlflow.log").open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/health"))
        yield url
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


class World:
    """A project whose stores are an MLflow server and an S3 server, and its commands."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self._s3, self._mlflow = stack.enter_context(ExitStack()), stack.enter_context(ExitStack())
        self.settings = Settings(root=project(folder / "toy"), service_port=free_port(), canary_port=free_port())  # type: ignore[call-arg]
        store = self._s3.enter_context(swift.running(folder / "swift"))
        store.client().create_bucket(Bucket="models")
        url = self._mlflow.enter_context(mlflow_server(folder, "s3://models/"))
        variables = store.environment | {
            "MLFLOW_S3_ENDPOINT_URL": store.endpoint_url, "MLFLOW_TRACKING_URI": url,
            "CASCADA_ROOT": str(self.settings.root), "CASCADA_SERVICE_PORT": str(self.settings.service_port),
            "CASCADA_CANARY_PORT": str(self.settings.canary_port),
            "AWS_CONFIG_FILE": str(folder / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        }  # fmt: skip
        for name, value in (process_environment(self.settings) | variables).items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the login of whoever asked first in this process
        self.settings.home.mkdir()
        self.bundle = export(folder / "bundle")
        self.registry = Registry(self.settings.root, self.bundle.folder)
        MlflowClient().create_experiment("toy", artifact_location="s3://models/toy")

    def crown(self) -> models.ModelVersion:
        """Register one more version and make it champion, without deploying it."""
        return promotion.promote(self.registry.register("toy", right=700), PASSED)

    def stop_mlflow(self) -> None:
        self._mlflow.close()

    def stop_s3(self) -> None:
        self._s3.close()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("cascada")), *arguments]
        return subprocess.run(command, cwd=self.settings.root, capture_output=True, text=True, check=False, timeout=150)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with ExitStack() as stack:
        made = World(tmp_path, monkeypatch, stack)
        stack.callback(made.run, "down")
        yield made


def test_what_was_deployed_last_is_served(world: World) -> None:
    deploy_champion(world.crown())
    beside = world.run("serve", "toy", "--processes", "2", "--canary", "1")
    assert beside.returncode == 0, beside.stderr
    assert world.crown().version == 2
    promoted = world.run("promote", "toy@2", "--json")
    assert promoted.returncode == 0, promoted.stderr
    assert json.loads(promoted.stdout)["answered"] is True
    ports = (world.settings.service_port, world.settings.service_port + 1, world.settings.canary_port)
    models_ = [httpx.get(f"http://127.0.0.1:{port}/model").json()["model"] for port in ports]
    assert [one["version"] for one in models_] == [2, 2, 1], "the champion in both, the canary as it was"
    assert world.run("down").stdout.split() == ["stopped", "service,", "service-2,", "canary"]
    assert world.crown().version == 3
    world.stop_s3()
    without_files = world.run("serve", "toy")
    assert without_files.returncode == 0, without_files.stderr
    assert "version 2 of toy, deployed before, is served" in without_files.stderr
    assert "cannot be reached" in without_files.stderr
    assert "toy version 2 answers" in without_files.stdout
    world.run("down")
    world.stop_mlflow()
    for command in (("serve", "toy", "--processes", "2"), ("up", "service")):
        answer = world.run(*command)
        assert answer.returncode == 0, answer.stderr
        assert "version 2 of toy, deployed before, is served: MLflow cannot be reached" in answer.stderr
        check_predictions(world, processes=2 if "--processes" in command else 1)
        world.run("down")


def check_predictions(world: World, *, processes: int) -> None:
    showers = observables(60)
    rows = [dict(zip(showers, row, strict=True)) for row in np.stack(list(showers.values()), axis=1).tolist()]
    expected = offline(Bundle(world.bundle.folder), showers)
    for number in range(processes):
        url = f"http://127.0.0.1:{world.settings.service_port + number}"
        wait_until_ready(url)
        said = httpx.post(f"{url}/predict", json={"events": rows}).json()
        assert said["model"]["version"] == 2
        assert [one["ln_mass"] for one in said["predictions"]] == expected["ln_mass"].tolist()
        assert [one["p_value"] for one in said["predictions"]] == expected["p_value"].tolist()
    names = {one["name"] for one in json.loads(world.run("status", "--json").stdout)}
    assert names == {"service", "service-2"} if processes == 2 else {"service"}
