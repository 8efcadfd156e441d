"""Clients that ask a service all the while, and what became of their requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from services import EVENT


@dataclass
class Load:
    """What clients were answered, in the order of each: versions; and the requests that were lost."""

    url: str
    clients: int
    stopped: threading.Event = field(default_factory=threading.Event)
    answers: list[list[int]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def run(self, answers: list[int]) -> None:
        """Ask until stopped, or until the service asks its clients to go elsewhere."""
        with httpx.Client(timeout=30.0) as client:
            while not self.stopped.is_set():
                try:
                    answer = client.post(f"{self.url}/predict", json={"events": [EVENT]}).raise_for_status()
                except httpx.HTTPError as error:
                    self.lost.append(f"{type(error).__name__}: {error}")
                    time.sleep(0.01)
                else:
                    answers.append(answer.json()["model"]["version"])
                    if answer.headers.get("connection") == "close":
                        return

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return sum(map(len, self.answers))

    @property
    def figures(self) -> str:
        """Say it in numbers."""
        sent = self.answered + len(self.lost)
        return f"{sent} requests sent by {self.clients} clients, {self.answered} answered, {len(self.lost)} lost"


@contextmanager
def loaded(url: str, clients: int) -> Iterator[Load]:
    """Have clients ask while the block runs; in the end they finish what they have begun."""
    load = Load(url, clients, answers=[[] for _ in range(clients)])
    threads = [threading.Thread(target=load.run, args=(answers,)) for answers in load.answers]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopped.set()
        for thread in threads:
            thread.join()


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.05)
