"""Leases: why a rented machine may live on, and when it must end."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cascada.agents.fleet import Fleet

Market = Literal["spot", "on-demand"]
RunState = Literal["due", "starting", "running", "cancelling"]

PREFIX = "cascada-"
"""Beginning of the name of every lease, and so of every worker on a rented machine."""


@dataclass(frozen=True)
class PoolRun:
    """A run of the pool that has not ended.

    Attributes
    ----------
    state_id
        Changes whenever the run is put back.
    worker
        Name of the worker that took it last; empty if none did.
    since
        When it came into its state.
    put_backs
        How often it was put back because its machine was gone.
    """

    id: str
    state: RunState
    state_id: str
    since: dt.datetime
    worker: str = ""
    put_backs: int = 0


@dataclass(frozen=True)
class Machine:
    """A rented machine.

    Attributes
    ----------
    lease
        Name of its lease, and of the worker on it.
    run_id
        The run that it was started for; it takes whatever run of the pool is due.
    live
        Whether it costs money: not shutting down, not terminated.
    gone
        Whether it was terminated, so that nothing on it works any more.
    rate
        Money an hour.
    expires
        What its tag says of its end; empty until the tag is written.
    """

    id: str
    lease: str
    run_id: str
    type: str
    market: Market
    launched: dt.datetime
    live: bool
    gone: bool
    rate: float
    expires: str = ""


@dataclass(frozen=True)
class Ending:
    """A machine that must end, and why."""

    machine: Machine
    reason: str


def name_lease(project: str, run: PoolRun, machine_type: str, market: Market) -> str:
    """Name the lease of a run in its present state; it is the token that keeps EC2 from launching twice.

    Examples
    --------
    >>> run = PoolRun("r", "due", "s", dt.datetime(2026, 1, 1))
    >>> name_lease("p", run, "g5.xlarge", "spot")
    'cascada-b141631e8a516731'
    """
    content = "|".join((project, run.id, run.state_id, machine_type, market))
    return PREFIX + hashlib.sha256(content.encode()).hexdigest()[:16]


def expiry(machine: Machine, fleet: Fleet) -> dt.datetime:
    """Tell when a machine ends whatever it does."""
    return machine.launched + dt.timedelta(hours=fleet.ttl_hours)


def find_expired(machines: Collection[Machine], fleet: Fleet, now: dt.datetime) -> list[Ending]:
    """Find the machines that outlived their longest life; Prefect need not answer for that."""
    return [Ending(m, f"lived {fleet.ttl_hours:g} h") for m in machines if m.live and now >= expiry(m, fleet)]


def find_ended(
    machines: Collection[Machine], runs: Collection[PoolRun], heard: Mapping[str, dt.datetime],
    idle_since: Mapping[str, dt.datetime], fleet: Fleet, now: dt.datetime,
) -> list[Ending]:  # fmt: skip
    """Find the machines whose lease was not renewed: never joined, out of contact, idle, or not needed.

    Parameters
    ----------
    heard
        Last heartbeat of each worker.
    idle_since
        End of the last run of each worker that has ended one.
    """
    live = [machine for machine in machines if machine.live]
    busy = {run.worker for run in runs if run.state != "due"}
    endings = []
    for machine in live:
        joined_by = machine.launched + dt.timedelta(minutes=fleet.join_minutes)
        since = None if machine.lease in busy else idle_since.get(machine.lease, joined_by)
        reason = _reason(machine, heard.get(machine.lease), since, fleet, now)
        if reason:
            endings.append(Ending(machine, reason))
    ended = {ending.machine.id for ending in endings}
    rest = [machine for machine in live if machine.id not in ended]
    return endings + _surplus(rest, runs, heard)


def _reason(
    machine: Machine, heard: dt.datetime | None, idle_since: dt.datetime | None, fleet: Fleet, now: dt.datetime
) -> str:
    if heard is None:
        late = now - machine.launched >= dt.timedelta(minutes=fleet.join_minutes)
        return f"no worker joined within {fleet.join_minutes:g} min" if late else ""
    if now - heard >= dt.timedelta(minutes=fleet.contact_minutes):
        return f"no heartbeat for {fleet.contact_minutes:g} min"
    if idle_since is not None and now - idle_since >= dt.timedelta(minutes=fleet.idle_minutes):
        return f"no work for {fleet.idle_minutes:g} min"
    return ""


def _surplus(machines: Sequence[Machine], runs: Collection[PoolRun], heard: Mapping[str, dt.datetime]) -> list[Ending]:
    """Find machines still booting that nobody needs: the run was cancelled, or two were started for it."""
    wanted = {run.id for run in runs}
    booting = [machine for machine in machines if machine.lease not in heard]
    booting.sort(key=lambda m: (m.run_id not in wanted, m.launched, m.id))
    count = max(0, min(len(booting), len(machines) - len(runs)))
    return [Ending(machine, "no run needs it") for machine in booting[len(booting) - count :]]


def find_stranded(
    runs: Collection[PoolRun], machines: Collection[Machine], fleet: Fleet, now: dt.datetime
) -> list[PoolRun]:
    """Find the runs that were taken by a worker on a rented machine that is gone, or by nobody.

    Parameters
    ----------
    machines
        Listed after the runs, so that each worker's machine is among them.
    """
    alive = {machine.lease for machine in machines if not machine.gone}
    silent = dt.timedelta(minutes=fleet.contact_minutes)
    return [
        run for run in runs if run.state != "due" and (
            (run.worker.startswith(PREFIX) and run.worker not in alive) or (not run.worker and now - run.since > silent)
        )
    ]  # fmt: skip


def find_uncovered(runs: Sequence[PoolRun], machines: Collection[Machine]) -> list[PoolRun]:
    """Find the due runs that no live machine was started for and no free machine will take."""
    live = [machine for machine in machines if machine.live]
    own = {machine.run_id for machine in live}
    busy = {run.worker for run in runs if run.state != "due"}
    due = [run for run in runs if run.state == "due"]
    waiting = {run.id for run in due}
    free = sum(machine.lease not in busy and machine.run_id not in waiting for machine in live)
    return [run for run in due if run.id not in own][free:]
