"""The deployment of prefect.yaml, by the commands that stand in it, on a real Prefect server and a real worker."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest
import yaml
from projects import REPOSITORY, SMALL, Project

from cascada.config import load_experiment

DEPLOYMENTS = (REPOSITORY / "prefect.yaml").read_text()
ENVIRONMENT, WORKER, DEPLOY = re.findall(r"^#   (.*)$", DEPLOYMENTS.replace(".venv/bin/", ""), flags=re.MULTILINE)


@pytest.fixture
def worker(project: Project, prefect_api: str) -> Iterator[None]:
    """A worker of the pool ``default``, which it makes."""
    environment = project.environment | {"PREFECT_WORKER_QUERY_SECONDS": "2"}
    command = ["bash", "-c", f"{ENVIRONMENT}\nexec {WORKER}"]
    child = subprocess.Popen(command, cwd=project.root, env=environment, start_new_session=True)
    while httpx.get(f"{prefect_api}/work_pools/default").status_code != httpx.codes.OK:
        assert child.poll() is None, "the worker ended"
        time.sleep(0.1)
    yield
    os.killpg(child.pid, signal.SIGKILL)  # a worker that is asked to end waits for its runs, and then does not end
    child.wait()


def deploy_and_run(project: Project, parameters: object) -> subprocess.CompletedProcess[str]:
    """Deploy, then run the deployment on the worker and wait for its end."""
    (project.root / "parameters.json").write_text(json.dumps(parameters))
    deployed = project.run("bash", "-c", f"{ENVIRONMENT}\n{DEPLOY}")
    assert deployed.returncode == 0, deployed.stderr
    run = 'prefect deployment run train-experiment/train --params "$(cat parameters.json)" --watch'
    return project.run("bash", "-c", f"{ENVIRONMENT}\n{run}")


def test_a_deployed_flow_runs_on_a_worker(project: Project, worker: None) -> None:
    sets = [value for option, value in pairwise(SMALL) if option == "--set"]
    experiment = load_experiment(project.root / SMALL[0], [*sets, "name=deployed"])
    watched = deploy_and_run(project, {"experiment": experiment.model_dump(mode="json")})
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert (project.root / "data" / "deployed.dvc").exists()
    assert (project.root / ".cascada" / "mlflow.db").exists(), "the worker used the project's stores"


def test_a_parameter_that_is_no_experiment_is_refused(project: Project, worker: None) -> None:
    refused = deploy_and_run(project, {"experiment": {"name": "x"}})
    assert refused.returncode != 0
    assert "experiment" in refused.stdout + refused.stderr


def test_every_entrypoint_is_a_module_path() -> None:
    for deployment in yaml.safe_load(DEPLOYMENTS)["deployments"]:
        assert ":" not in deployment["entrypoint"], "a file path loads a second copy of the module"
