"""The deployment of prefect.yaml, on a real Prefect server and a real worker, all from the lock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest
import yaml
from projects import SMALL, Project

from cascada.config import load_experiment


@pytest.fixture
def worker(project: Project) -> Iterator[None]:
    """A worker of the pool ``default``."""
    made = project.run("prefect", "--no-prompt", "work-pool", "create", "default", "--type", "process", "--overwrite")
    assert made.returncode == 0, made.stderr
    environment = project.stores | project.environment | {"PREFECT_WORKER_QUERY_SECONDS": "2"}
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "default"]
    child = subprocess.Popen(command, cwd=project.root, env=environment, start_new_session=True)
    yield
    child.terminate()
    child.wait(timeout=60)


def test_a_deployed_flow_runs_on_a_worker(project: Project, worker: None) -> None:
    deployed = project.run("prefect", "--no-prompt", "deploy", "--all")
    assert deployed.returncode == 0, deployed.stderr
    sets = [value for option, value in pairwise(SMALL) if option == "--set"]
    experiment = load_experiment(project.root / SMALL[0], [*sets, "name=deployed"])
    (project.root / "parameters.json").write_text(json.dumps({"experiment": experiment.model_dump(mode="json")}))
    command = 'prefect deployment run train-experiment/train --params "$(cat parameters.json)" --watch'
    watched = project.run("bash", "-c", command)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert (project.root / "data" / "deployed.dvc").exists()


def test_a_parameter_that_is_no_experiment_is_refused(project: Project, worker: None) -> None:
    assert project.run("prefect", "--no-prompt", "deploy", "--all").returncode == 0
    command = """prefect deployment run train-experiment/train --params '{"experiment": {"name": "x"}}' --watch"""
    assert project.run("bash", "-c", command).returncode != 0


def test_every_entrypoint_is_a_module_path(project: Project) -> None:
    for deployment in yaml.safe_load((project.root / "prefect.yaml").read_text())["deployments"]:
        assert ":" not in deployment["entrypoint"], "a file path loads a second copy of the module"
