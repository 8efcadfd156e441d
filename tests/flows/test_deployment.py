"""The deployments of prefect.yaml, on a real Prefect server and a real worker."""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise

import pytest
import yaml
from projects import REPOSITORY, SMALL, Project

from cascada.config import load_experiment

DEPLOYMENTS = (REPOSITORY / "prefect.yaml").read_text()


@pytest.fixture
def worker(project: Project) -> None:
    """The worker of the pool ``default``, with everything deployed."""
    answer = project.cascada("up", "worker", timeout=200)
    assert answer.returncode == 0, answer.stderr


def run_deployed(project: Project, parameters: object) -> subprocess.CompletedProcess[str]:
    """Run the deployment on the worker and wait for its end."""
    (project.root / "parameters.json").write_text(json.dumps(parameters))
    run = 'prefect deployment run train-experiment/train --params "$(cat parameters.json)" --watch'
    return project.run("bash", "-c", f'eval "$(cascada env)"\n{run}')


def test_a_deployed_flow_runs_on_a_worker(project: Project, worker: None) -> None:
    sets = [value for option, value in pairwise(SMALL) if option == "--set"]
    experiment = load_experiment(project.root / SMALL[0], [*sets, "name=deployed"])
    watched = run_deployed(project, {"experiment": experiment.model_dump(mode="json")})
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert (project.root / "data" / "deployed.dvc").exists()
    assert (project.root / ".cascada" / "mlflow.db").exists(), "the worker used the project's stores"


def test_a_parameter_that_is_no_experiment_is_refused(project: Project, worker: None) -> None:
    refused = run_deployed(project, {"experiment": {"name": "x"}})
    assert refused.returncode != 0
    assert "experiment" in refused.stdout + refused.stderr


def test_every_entrypoint_is_a_module_path() -> None:
    for deployment in yaml.safe_load(DEPLOYMENTS)["deployments"]:
        assert ":" not in deployment["entrypoint"], "a file path loads a second copy of the module"
