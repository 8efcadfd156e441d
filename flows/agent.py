"""The agent on a machine: its Prefect workers, and what watches over them.

However it ends, it kills its workers with all that they started, and puts their runs back: another agent goes on.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

import httpx
import psutil

from cascada.agents.gpus import Gpu
from cascada.agents.leases import PoolRun
from cascada.errors import PlatformError
from flows.pool import PrefectPool
from flows.server import ServerAwayError

logger = logging.getLogger(__name__)

_METADATA = "http://169.254.169.254"
_ENDED_WELL = "the agent was told to stop"


@dataclass(frozen=True)
class WorkerSpec:
    """A worker to start: its name, how many runs it takes at once, and the GPU that it may use (None: any)."""

    name: str
    limit: int = 1
    gpu: int | None = None


@dataclass(frozen=True)
class Watch:
    """What ends an agent by itself; None is never.

    Attributes
    ----------
    spot
        Whether to ask the machine's metadata for the notice that AWS takes it away.
    """

    idle_s: float | None = None
    contact_s: float | None = None
    spot: bool = False
    every_s: float = 5.0


def plan_workers(gpus: Sequence[Gpu], *, name: str = "", limit: int = 1) -> list[WorkerSpec]:
    """Plan one worker a GPU, or a single one when it has a name or there is no GPU."""
    if name or not gpus:
        return [WorkerSpec(name or socket.gethostname(), limit)]
    return [WorkerSpec(f"{socket.gethostname()}-{gpu.label}", limit, gpu.index) for gpu in gpus]


class Agent:
    """The workers of one machine on one pool."""

    def __init__(self, pool: PrefectPool, workers: Sequence[WorkerSpec], watch: Watch) -> None:
        self._pool, self._specs, self._watch = pool, workers, watch
        self._names = {spec.name for spec in workers}
        self._stop = ""
        self._last_contact = self._last_work = time.monotonic()

    def run(self) -> str:
        """Work until something ends it; returns what.

        Raises
        ------
        PlatformError
            If a worker ended by itself.
        """
        before = {number: signal.signal(number, self._told) for number in (signal.SIGTERM, signal.SIGINT)}
        processes = [_start(self._pool.name, spec) for spec in self._specs]
        try:
            reason = self._reason(processes)
            while not reason:
                time.sleep(self._watch.every_s)
                reason = self._reason(processes)
        finally:
            _kill(processes)
            self._put_back(self._stop or "its agent ended")
            for number, handler in before.items():
                signal.signal(number, handler)
        if reason.startswith("worker"):
            raise PlatformError(f"{reason} by itself", hint="its output above says why")
        return reason

    def _told(self, _number: int, _: FrameType | None) -> None:
        self._stop = self._stop or _ENDED_WELL

    def _reason(self, processes: Sequence[subprocess.Popen[bytes]]) -> str:
        """Find why the agent must end; empty to go on."""
        checks: tuple[Callable[[], str], ...] = (
            lambda: self._stop, lambda: _ended(processes), self._spot_notice, self._out_of_contact_or_work,
        )  # fmt: skip
        reason = next((found for check in checks if (found := check())), "")
        self._stop = self._stop or reason  # a signal may have come meanwhile
        return self._stop

    def _spot_notice(self) -> str:
        return "AWS takes the machine away (spot notice)" if self._watch.spot and has_spot_notice() else ""

    def _out_of_contact_or_work(self) -> str:
        now = time.monotonic()
        try:
            if self._mine():
                self._last_work = now
            self._last_contact = now
        except ServerAwayError:
            logger.warning("Prefect does not answer since %.0f s", now - self._last_contact)
        if self._watch.contact_s is not None and now - self._last_contact >= self._watch.contact_s:
            return f"no contact for {self._watch.contact_s:g} s"
        if self._watch.idle_s is not None and min(now, self._last_contact) - self._last_work >= self._watch.idle_s:
            return f"no work for {self._watch.idle_s:g} s"
        return ""

    def _mine(self) -> list[PoolRun]:
        return [run for run in self._pool.runs() if run.worker in self._names and run.state != "due"]

    def _put_back(self, reason: str) -> None:
        """Give every run of these workers back; what Prefect does not take now, the controller will see."""
        try:
            for run in self._mine():
                if run.state == "cancelling":
                    self._pool.confirm_cancel(run)
                else:
                    self._pool.put_back(run, reason)
        except PlatformError as error:
            logger.warning("runs could not be put back: %s", error.got)


def _start(pool: str, spec: WorkerSpec) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", pool, "--type", "process"]
    command += ["--name", spec.name, "--limit", str(spec.limit)]
    environment = dict(os.environ)
    if spec.gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = str(spec.gpu)
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)


def _ended(processes: Sequence[subprocess.Popen[bytes]]) -> str:
    ended = [child for child in processes if child.poll() is not None]
    return f"worker {ended[0].pid} ended with code {ended[0].returncode}" if ended else ""


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Kill workers and all below them; they stand still first, so that none starts anything meanwhile."""
    family: list[psutil.Process] = []
    for child in processes:
        try:
            worker = psutil.Process(child.pid)
            worker.suspend()
            family += [worker, *worker.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=10)
    for child in processes:
        child.wait()


def has_spot_notice() -> bool:
    """Ask the metadata of an EC2 machine (version 2) whether AWS will take it away."""
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _METADATA).rstrip("/")
    try:
        token = httpx.put(
            f"{base}/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}, timeout=2.0
        ).raise_for_status()
        answer = httpx.get(
            f"{base}/latest/meta-data/spot/instance-action", headers={"X-aws-ec2-metadata-token": token.text},
            timeout=2.0,
        )  # fmt: skip
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK
