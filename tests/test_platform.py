"""The local platform: on PostgreSQL, behind a password, with what is deployed to it, and the page that shows it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from postgres import postgres
from projects import SMALL, Project

from cascada.config import load_experiment
from cascada.errors import ConfigError
from cascada.settings import Settings

PASSWORD = "a long pass: word"  # noqa: S105


@pytest.fixture(scope="module")
def platform(new_project: Callable[..., Project]) -> Iterator[Project]:
    """The whole platform of a project, with password and PostgreSQL."""
    with postgres() as address:
        project = new_project(CASCADA_PASSWORD=PASSWORD, CASCADA_DATABASE=address)
        answer = project.cascada("up", timeout=300)
        assert answer.returncode == 0, answer.stderr
        yield project
        project.cascada("down")


def prefect(project: Project, path: str, body: dict[str, Any]) -> Any:
    url = f"{project.settings.prefect_url}/api/{path}"
    return httpx.post(url, json=body, auth=("admin", PASSWORD)).raise_for_status().json()


@pytest.mark.slow
def test_everything_is_up_and_asks_for_the_password(platform: Project) -> None:
    settings = platform.settings
    asked = {
        "prefect": f"{settings.prefect_url}/api/flow_runs/count", "overview": settings.overview_url,
        "mlflow": f"{settings.mlflow_url}/api/2.0/mlflow/experiments/search",
    }  # fmt: skip
    for name, url in asked.items():
        send = httpx.get if name == "overview" else httpx.post
        assert send(url).status_code == 401, name
        assert send(url, auth=("admin", "guess")).status_code == 401, name
        assert send(url, auth=("admin", PASSWORD)).status_code != 401, name


@pytest.mark.slow
def test_what_is_deployed_is_there_once(platform: Project) -> None:
    again = platform.cascada("up", timeout=120)
    assert again.returncode == 0, again.stderr
    deployed = {one["name"]: one["work_pool_name"] for one in prefect(platform, "deployments/filter", {})}
    for name in ("train", "tune", "verify", "drift", "reap"):
        assert deployed[name] == "default"
    assert deployed["train-gpu-cloud"] == "gpu-cloud"
    automations = [one["name"] for one in prefect(platform, "automations/filter", {})]
    assert sorted(automations) == ["tell-of-failed-runs", "tell-of-models", "zombie-runs"]


@pytest.mark.slow
def test_the_stores_are_in_postgres(platform: Project) -> None:
    (platform.root / "script.py").write_text("print(1)\n")
    assert platform.cascada("run", "script.py").returncode == 0
    synced = platform.cascada("runs", "sync", "--json")
    assert synced.returncode == 0, synced.stderr
    assert not (platform.root / ".cascada" / "mlflow.db").exists()
    assert not list((platform.root / ".cascada" / "prefect").glob("*.db"))


@pytest.mark.slow
def test_the_overview_shows_what_there_is(platform: Project) -> None:
    url = platform.settings.overview_url
    found = httpx.get(f"{url}/overview.json", auth=("admin", PASSWORD), timeout=20).json()
    assert found["troubles"] == []
    assert {one["name"]: one["healthy"] for one in found["servers"]} == dict.fromkeys(
        ("prefect", "mlflow", "worker"), True
    )
    assert [(one["pool"], one["status"]) for one in found["workers"]] == [("default", "online")]
    page = httpx.get(url, auth=("admin", PASSWORD), timeout=20)
    assert "No champion yet" in page.text
    assert httpx.get(f"{url}/data/nothing", auth=("admin", PASSWORD)).status_code == 404


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_whose_machine_dies_ends_as_crashed_and_is_told(new_project: Callable[..., Project]) -> None:
    """Nobody is left to tell Prefect that the run is gone, so its own automation must; a new worker tells people."""
    with hearing() as (address, heard):
        project = new_project(CASCADA_NOTIFY=address)
        assert project.cascada("up", "prefect", "worker", timeout=300).returncode == 0
        ask = f"{project.settings.prefect_url}/api"
        sets = [value for option, value in pairwise(SMALL) if option == "--set"]
        experiment = load_experiment(project.root / SMALL[0], [*sets, "training.epochs=500"]).model_dump(mode="json")
        wanted = {"deployments": {"name": {"any_": ["train"]}}}
        (deployment,) = httpx.post(f"{ask}/deployments/filter", json=wanted).json()
        body = {"parameters": {"experiment": experiment}}
        run = httpx.post(f"{ask}/deployments/{deployment['id']}/create_flow_run", json=body).json()["id"]
        wait_for(lambda: httpx.get(f"{ask}/flow_runs/{run}").json()["state_name"] == "Running", seconds=120)
        time.sleep(35)  # the first heartbeat, after which silence means something
        (worker,) = [one for one in json.loads(project.cascada("status", "--json").stdout) if one["name"] == "worker"]
        family = psutil.Process(worker["pid"]).children(recursive=True)
        for process in (psutil.Process(worker["pid"]), *family):
            process.kill()
        assert len(family) >= 1, "the run was a process of the worker's"
        wait_for(lambda: httpx.get(f"{ask}/flow_runs/{run}").json()["state_name"] == "Crashed", seconds=480)
        assert "no heartbeat" in httpx.get(f"{ask}/flow_runs/{run}").json()["state"]["message"]
        assert project.cascada("up", "worker", timeout=120).returncode == 0
        wait_for(lambda: any("Crashed" in told["title"] for told in heard), seconds=120)


@contextlib.contextmanager
def hearing() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web hook: its Apprise address, and what it was told."""
    heard: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/", heard
        server.shutdown()


def wait_for(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.5)


def test_open_to_others_a_password_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASCADA_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="open to everybody"):
        Settings(root=tmp_path, host="0.0.0.0")  # noqa: S104 - what is refused
    Settings(root=tmp_path, host="0.0.0.0", password="word")  # noqa: S104, S106


def test_another_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no PostgreSQL"):
        Settings(root=tmp_path, database="mysql://somewhere")


def test_an_unknown_server_is_named(project: Project) -> None:
    answer = project.cascada("up", "prefcet")
    assert answer.returncode == 2
    assert "prefect" in answer.stderr
