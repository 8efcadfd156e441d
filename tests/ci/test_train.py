"""`cascada ci train` against a real Prefect server and a real worker: from a commit to the rendered comment."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
import yaml
from agents import working
from projects import DEMO, SMALL, Project

from cascada import platform

pytestmark = pytest.mark.slow

SETTINGS = [value for option, value in zip(SMALL[1::2], SMALL[2::2], strict=True) if option == "--set"]


def shrink(project: Project) -> None:
    """Make the demo experiment one that trains in seconds, and commit it."""
    from cascada.config import override_value

    path = project.root / DEMO
    data: dict[str, Any] = yaml.safe_load(path.read_text())
    for setting in SETTINGS:
        override_value(data, setting)
    path.write_text(yaml.safe_dump(data))
    project.git("commit", "--quiet", "--all", "--message", "small")


@pytest.fixture(scope="module")
def pushed(new_project: Callable[..., Project], prefect_api: str) -> Iterator[Project]:
    """A project whose checkout a worker trains in."""
    project = new_project(PREFECT_API_URL=prefect_api)
    shrink(project)
    with working(project):
        yield project


def test_a_commit_is_trained_once_and_told(pushed: Project, tmp_path: Path) -> None:
    out = tmp_path / "outputs"
    order = ("ci", "train", DEMO, "--ref", "topic", "--report", str(tmp_path / "report"), "--outputs", str(out))
    answer = pushed.cascada(*order)
    assert answer.returncode == 0, answer.stderr
    outputs = dict(line.split("=", 1) for line in out.read_text().splitlines())
    assert outputs["models"] == "demo"
    comment = (tmp_path / "report" / "comment.md").read_text()
    assert comment.startswith("<!-- cascada-report -->")
    assert re.search(r"\| accuracy \| 0\.\d+ \[0\.\d+, 0\.\d+\] \|", comment), comment
    assert (tmp_path / "report" / outputs["runs"] / "report.html").exists()
    clones = pushed.root / ".cascada" / "commits"
    commit = pushed.git("rev-parse", "HEAD").strip()
    assert [path.name for path in clones.iterdir()] == [commit], "the worker trained a clone of the commit"
    again = pushed.cascada(*order)
    assert again.returncode == 0, again.stderr
    last = dict(line.split("=", 1) for line in out.read_text().splitlines())
    assert last["runs"] == outputs["runs"]
    assert len(runs_of(pushed, "commit:" + commit)) == 1, "the same commit and configuration is one flow run"


def runs_of(project: Project, tag: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.post(
        f"{project.environment['PREFECT_API_URL']}/flow_runs/filter", json={"flow_runs": {"tags": {"all_": [tag]}}}
    ).json()
    return found


def test_of_two_pushes_the_older_is_cancelled(pushed: Project) -> None:
    environment = pushed.environment
    older = pushed.git("rev-parse", "HEAD").strip()
    slow = ("--set", "training.epochs=400", "--set", "seed=77", "--ref", "busy")
    first = subprocess.Popen(
        ["cascada", "ci", "train", DEMO, *slow], cwd=pushed.root, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert first.stderr is not None
    read_until(first.stderr, "Running")
    pushed.git("commit", "--quiet", "--allow-empty", "--message", "newer")
    second = pushed.cascada("ci", "train", DEMO, "--ref", "busy", "--set", "seed=78")
    assert second.returncode == 0, second.stderr
    assert "superseded by" in second.stderr
    said = first.stderr.read()
    assert first.wait(60) == 1
    assert "Cancelled" in said
    (run,) = [run for run in runs_of(pushed, f"commit:{older}") if "ci:busy:demo" in run["tags"]]
    assert run["state"]["type"] == "CANCELLED"


def test_a_run_that_no_worker_takes_is_told_and_cancelled(pushed: Project, prefect_api: str) -> None:
    httpx.post(f"{prefect_api}/work_pools/", json={"name": "deserted", "type": "process"}).raise_for_status()
    text = (
        (pushed.root / "prefect.yaml")
        .read_text()
        .replace("name: train", "name: deserted")
        .replace("name: promote", "name: lonely")
    )
    (pushed.root / "deserted.yaml").write_text(text.replace("name: default", "name: deserted"))
    deployed = pushed.run(
        "bash", "-c", 'eval "$(cascada env)" && prefect --no-prompt deploy --all --prefect-file deserted.yaml'
    )
    assert deployed.returncode == 0, deployed.stderr
    answer = pushed.cascada("ci", "train", DEMO, "--pool", "deserted", "--wait-for-worker", "4", "--ref", "x")
    assert answer.returncode == 5
    assert "no worker of the pool 'deserted' is online; waited 4 s" in answer.stderr
    assert "cascada agent start --pool deserted" in answer.stderr
    (run,) = runs_of(pushed, "ci:x:demo")
    assert run["state"]["type"] == "CANCELLED"


def test_a_pool_without_a_deployment_is_refused(pushed: Project) -> None:
    answer = pushed.cascada("ci", "train", DEMO, "--pool", "defalt")
    assert answer.returncode == 2
    assert "did you mean default?" in answer.stderr


def test_a_broken_file_and_a_changed_work_tree_are_refused(pushed: Project) -> None:
    broken = pushed.root / "broken.yaml"
    broken.write_text("name: [")
    answer = pushed.cascada("ci", "train", "broken.yaml")
    assert (answer.returncode, "cannot be read as YAML" in answer.stderr) == (2, True)
    path = pushed.root / DEMO
    before = path.read_text()
    path.write_text(before + "# changed\n")
    answer = pushed.cascada("ci", "train", DEMO)
    path.write_text(before)
    assert (answer.returncode, "an agent trains a commit" in answer.stderr) == (5, True)


@pytest.fixture
def lonely(new_project: Callable[..., Project]) -> Iterator[Project]:
    """A project with a Prefect server of its own, which asks for a password, a deployment, and no worker."""
    secret = {"PREFECT_SERVER_API_AUTH_STRING": "admin:pass", "PREFECT_API_AUTH_STRING": "admin:pass"}
    project = new_project(**secret)
    shrink(project)
    start(project)
    answer = project.run("bash", "-c", 'eval "$(cascada env)" && python -m flows.deployments')
    assert answer.returncode == 0, answer.stderr
    yield project
    platform.stop(project.settings)


def start(project: Project) -> None:
    """Start the project's Prefect server and wait until it answers."""
    made = (
        "from cascada.cli.context import enter; from cascada.cli.train import ensure_prefect; ensure_prefect(enter())"
    )
    answer = project.run(sys.executable, "-c", made)
    assert answer.returncode == 0, answer.stderr


def test_lost_credentials_and_a_server_that_goes_away(lonely: Project) -> None:
    stranger = dataclasses.replace(lonely, environment=lonely.environment | {"PREFECT_API_AUTH_STRING": "admin:wrong"})
    refused = stranger.cascada("ci", "train", DEMO)
    assert refused.returncode == 5
    assert "refuses the credentials" in refused.stderr
    assert "PREFECT_API_AUTH_STRING" in refused.stderr
    command = ["cascada", "ci", "train", DEMO, "--wait-for-worker", "600", "--patience", "40"]
    child = subprocess.Popen(command, cwd=lonely.root, env=lonely.environment, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    read_until(child.stderr, "Scheduled")
    platform.stop(lonely.settings, ["prefect"])
    read_until(child.stderr, "trying again for 40 s")
    start(lonely)
    time.sleep(10)
    assert child.poll() is None, "the server came back in time"
    platform.stop(lonely.settings, ["prefect"])
    said = child.stderr.read()
    assert child.wait(60) == 5
    assert "has been away for 40 s" in said
    assert "the run may go on without it" in said


def read_until(stream: IO[str], word: str) -> None:
    for line in stream:
        if word in line:
            return
    raise AssertionError(f"it ended without {word!r}")
