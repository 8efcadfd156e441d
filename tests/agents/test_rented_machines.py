"""A due run gets a machine, a worker joins from it, the run completes, and the machine is gone; on a real Prefect
server, with real workers, and moto's EC2 over HTTP."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import yaml
from machines import Hypervisor, Metadata, wait_for
from moto.server import ThreadedMotoServer
from projects import REPOSITORY, Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_FLOW = """
import time
from prefect import flow
from prefect.runtime import flow_run

@flow
def nap(first: float = 1, then: float = 1):
    time.sleep(first if flow_run.run_count == 1 else then)
"""

_DEPLOY = """
from prefect import flow
flow.from_source(source="{root}", entrypoint="nap.py:nap").deploy(
    name="cloud", work_pool_name="gpu-cloud", build=False, print_next_steps=False)
"""


@dataclass
class Site:
    """A project with a controller at work, and EC2."""

    project: Project
    api: str
    client: Any
    hypervisor: Hypervisor
    metadata: Metadata
    controller: subprocess.Popen[bytes]

    def stop_controller(self) -> None:
        self.controller.send_signal(signal.SIGTERM)
        self.controller.wait()

    def send(self, **parameters: float) -> str:
        found = httpx.get(f"{self.api}/deployments/name/nap/cloud").json()["id"]
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(httpx.post(f"{self.api}/deployments/{found}/create_flow_run", json=body).json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        return httpx.get(f"{self.api}/flow_runs/{run_id}").json()

    def wait(self, run_id: str, state: str, seconds: float = 150) -> dict[str, Any]:
        return wait_for(
            f"{state} of the run", lambda: self.run(run_id) if self.run(run_id)["state_name"] == state else None,
            seconds=seconds, log=self.hypervisor.log,
        )  # fmt: skip

    def wait_empty(self) -> None:
        wait_for(
            "the end of all machines", lambda: set(self.hypervisor.states().values()) <= {"terminated"},
            log=self.hypervisor.log,
        )  # fmt: skip


@pytest.fixture
def site(project: Project, prefect_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    metadata = Metadata()
    aws = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url, "PREFECT_WORKER_QUERY_SECONDS": "2"}
    project.environment.update(aws | environment)
    settings = yaml.safe_load((REPOSITORY / "infra/agents/cloud.yaml").read_text())
    settings |= {"image": "ami-12c6146b", "folder": str(project.root), "prefect_api": prefect_api, "auth_parameter": ""}
    settings |= {"idle_minutes": 0.15, "join_minutes": 2, "ttl_hours": 1}
    (project.root / "infra/agents").mkdir()
    (project.root / "infra/agents/cloud.yaml").write_text(yaml.safe_dump(settings))
    (project.root / ".venv/bin").mkdir(parents=True)
    (project.root / ".venv/bin/cascada").symlink_to(Path(sys.executable).parent / "cascada")
    (project.root / "nap.py").write_text(_FLOW)
    client = boto3.client("ec2", region_name="us-east-1")
    hypervisor = Hypervisor(client, tmp_path / "machines", project.environment)
    hypervisor.start()
    first = project.cascada("agent", "controller", "--once")  # makes the pool
    assert first.returncode == 0, first.stderr
    deployed = project.run("python", "-c", _DEPLOY.format(root=project.root))
    assert deployed.returncode == 0, deployed.stderr
    command = ["cascada", "agent", "controller", "--every", "2"]
    with (tmp_path / "controller").open("wb") as log:
        child = subprocess.Popen(command, cwd=project.root, env=project.environment, stdout=log, stderr=log)
    made = Site(project, prefect_api, client, hypervisor, metadata, child)
    yield made
    made.stop_controller()
    hypervisor.stop()
    metadata.shutdown()
    server.stop()


def test_a_due_run_gets_a_machine_that_ends_after_it(site: Site) -> None:
    run_id = site.send(first=2)
    site.wait(run_id, "Completed")
    site.stop_controller()
    site.wait_empty()
    (machine,) = [one for group in site.client.describe_instances()["Reservations"] for one in group["Instances"]]
    tags = {tag["Key"]: tag["Value"] for tag in machine["Tags"]}
    assert (tags["cascada:run"], tags["cascada:project"], tags["cascada:market"]) == (run_id, "cascada", "spot")
    assert tags["cascada:expires"]
    assert site.run(run_id)["labels"]["prefect.worker.name"] == tags["cascada:lease"]
    folder = site.hypervisor.folder / machine["InstanceId"]
    assert (folder / "shutdown").read_text() == "-h +60\n-h now\n", "idle, without a controller, it powered itself off"
    assert (
        shutil.which("shellcheck") is None
        or not subprocess.run(
            ["shellcheck", str(folder / "user-data")], capture_output=True, text=True, check=False
        ).stdout
    )
    month = json.loads(site.project.cascada("cost", "--json").stdout)
    (expense,) = month["expenses"]
    assert (expense["id"], expense["kind"]) == (machine["InstanceId"], "machine")
    assert expense["money"] > 0


def test_a_spot_notice_gives_the_run_to_another_machine(site: Site) -> None:
    run_id = site.send(first=300, then=1)
    site.wait(run_id, "Running")
    (first,) = site.hypervisor.booted
    site.metadata.notice = True
    wait_for("the end of the machine", lambda: site.hypervisor.states()[first] == "terminated", log=site.hypervisor.log)
    site.metadata.notice = False
    done = site.wait(run_id, "Completed")
    assert done["run_count"] == 2
    assert len(site.hypervisor.booted) == 2
    site.wait_empty()
    listed = json.loads(site.project.cascada("agent", "ls", "--json").stdout)
    assert listed["machines"] == []
    assert done["labels"]["prefect.worker.name"] in {one["worker"] for one in listed["workers"]}
