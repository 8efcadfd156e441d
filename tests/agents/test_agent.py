"""What ends an agent by itself, and how its workers are planned."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from machines import Metadata
from prefect.settings import PREFECT_API_URL, temporary_settings
from projects import free_port

from cascada.agents.gpus import Gpu
from flows.agent import Agent, Watch, WorkerSpec, has_spot_notice, plan_workers
from flows.pool import PrefectPool

HOST = socket.gethostname()


@pytest.fixture
def nobody_answers() -> Iterator[PrefectPool]:
    """A pool of a server that is not there."""
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        yield PrefectPool("gpu-onprem")


def test_a_worker_for_each_gpu_and_one_run_for_each_worker() -> None:
    gpus = [Gpu(0, "NVIDIA A100-SXM4-80GB", 80), Gpu(1, "Tesla T4", 15)]
    first, second = plan_workers(gpus)
    assert first == WorkerSpec(f"{HOST}-gpu0-a100-sxm4-80gb", 1, 0)
    assert second == WorkerSpec(f"{HOST}-gpu1-tesla-t4-15gib", 1, 1)
    assert plan_workers(gpus, name="cascada-1") == [WorkerSpec("cascada-1", 1, None)]
    assert plan_workers([], limit=3) == [WorkerSpec(HOST, 3, None)]


def test_an_agent_that_lost_contact_ends_by_itself(nobody_answers: PrefectPool) -> None:
    agent = Agent(nobody_answers, [], Watch(contact_s=0.2, every_s=0.05))
    assert agent.run() == "no contact for 0.2 s"


def test_without_contact_no_agent_takes_itself_for_idle(nobody_answers: PrefectPool) -> None:
    agent = Agent(nobody_answers, [], Watch(idle_s=0.1, contact_s=0.5, every_s=0.05))
    assert agent.run() == "no contact for 0.5 s"


def test_an_agent_that_is_told_to_stop_stops(nobody_answers: PrefectPool) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert Agent(nobody_answers, [], Watch(every_s=0.05)).run() == "the agent was told to stop"


def test_a_spot_notice_is_read_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = Metadata()
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url)
    assert not has_spot_notice()
    metadata.notice = True
    assert has_spot_notice()
    metadata.shutdown()
    metadata.server_close()
    assert not has_spot_notice(), "a machine that is no machine of AWS has no notice"
