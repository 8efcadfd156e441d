"""A rollback while clients ask: every request is answered, and after it the old version answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest
from projects import SMALL, Project

pytestmark = pytest.mark.slow

EVENT = {"energy_eev": 10.0, "zenith_deg": 38.0, "n_mu": 5.5e7, "n_em": 3.1e10, "xmax_g_cm2": 750.0}
CLIENTS = 4


@dataclass
class Load:
    """Clients that ask all the while, and what they were answered, in the order of each."""

    url: str
    stopped: threading.Event = field(default_factory=threading.Event)
    answers: list[list[int]] = field(default_factory=lambda: [[] for _ in range(CLIENTS)])
    lost: list[str] = field(default_factory=list)

    def run(self, number: int) -> None:
        with httpx.Client(timeout=30.0) as client:
            while not self.stopped.is_set():
                try:
                    answer = client.post(self.url, json={"events": [EVENT]}).raise_for_status()
                    self.answers[number].append(answer.json()["model"]["version"])
                except httpx.HTTPError as error:
                    self.lost.append(f"{type(error).__name__}: {error}")


@pytest.fixture
def serving(project: Project) -> Project:
    """A project whose service answers with its second champion."""
    project.train(*SMALL, "--set", "training.epochs=1", "--set", "gate.min_accuracy=0.2")
    assert project.train(*SMALL)["released"]["champion"]
    answer = project.cascada("serve", "demo")
    assert answer.returncode == 0, answer.stderr
    return project


@pytest.mark.timeout(900)
def test_no_request_is_lost(serving: Project, capsys: pytest.CaptureFixture[str]) -> None:
    load = Load(f"{serving.settings.service_url}/predict")
    clients = [threading.Thread(target=load.run, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        wait_for(lambda: all(load.answers))
        rolled = serving.cascada("rollback", "demo", "--reason", "a drill", "--json")
        asked = [len(answers) for answers in load.answers]
        wait_for(lambda: all(len(one) > before + 5 for one, before in zip(load.answers, asked, strict=True)))
    finally:
        load.stopped.set()
        for client in clients:
            client.join()
    assert rolled.returncode == 0, rolled.stderr
    found = json.loads(rolled.stdout)
    assert (found["before"], found["version"], found["answered"]) == (2, 1, True)
    sent = sum(map(len, load.answers)) + len(load.lost)
    with capsys.disabled():
        print(f"\nrollback under load: {sent} requests sent by {CLIENTS} clients, {len(load.lost)} lost")  # noqa: T201
    assert load.lost == []
    for answers, before in zip(load.answers, asked, strict=True):
        assert answers[0] == 2
        assert set(answers[before:]) == {1}, "after the command has ended, nobody is answered by the version before"
        assert answers == sorted(answers, reverse=True), "from one to the other once"


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the service does not answer"
        time.sleep(0.05)
