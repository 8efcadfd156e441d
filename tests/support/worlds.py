"""A world in minutes: runs, machines that boot, work and fail, and controllers that are cut off anywhere.

EC2 is moto's, asked through boto3; the clock, Prefect and what happens on the machines are simulated here.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from fleets import RATES, fleet

from cascada.agents.cloud import Ec2
from cascada.agents.controller import Controller
from cascada.agents.leases import Machine, Market, PoolRun
from cascada.costs.spending import Spending
from cascada.errors import PlatformError

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
FLEET = fleet()


class Killed(BaseException):
    """The controller's process is gone at this call."""


@dataclass
class Body:
    """What happens on a machine."""

    machine: Machine
    joins_at: dt.datetime | None
    runs: bool = True
    watchdog: bool = True
    connected: bool = True
    run: str = ""
    work_left: int = 0
    last_work: dt.datetime = START
    lost_at: dt.datetime | None = None


@dataclass
class World:
    """Everything outside of the controller; `rng` decides what fails."""

    rng: random.Random
    client: Any
    folder: Path
    now: dt.datetime = START
    faults: bool = True
    runs: dict[str, PoolRun] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    heard: dict[str, dt.datetime] = field(default_factory=dict)
    ends: dict[str, dt.datetime] = field(default_factory=dict)
    bodies: dict[str, Body] = field(default_factory=dict)
    launched: dict[str, dt.datetime] = field(default_factory=dict)
    down_until: dt.datetime = START
    scarce_until: dt.datetime = START
    states: Any = field(default_factory=itertools.count)
    double: int = 0
    happened: dict[str, int] = field(default_factory=dict)

    def happens(self, what: str, chance: float) -> bool:
        """Decide whether a fault happens, and count it."""
        if not self.faults or self.rng.random() >= chance:
            return False
        self.happened[what] = self.happened.get(what, 0) + 1
        return True

    def push(self) -> None:
        """Send a run; now and then the same commit twice, and then the older run is superseded."""
        twice = self.happens("double push", 0.3)
        count = len(self.runs) + len(self.ended)
        names = [f"run-{self.folder.name}-{count + number}" for number in range(2 if twice else 1)]
        for name in names:
            self.runs[name] = PoolRun(name, "due", self.state_id(), self.now)
        if twice:
            self.cancel(names[0])

    def state_id(self) -> str:
        return f"state-{next(self.states)}"

    def change(self, run: PoolRun, **changes: Any) -> None:
        self.runs[run.id] = replace(run, state_id=self.state_id(), since=self.now, **changes)

    def finish(self, name: str, how: str) -> None:
        run = self.runs.pop(name)
        self.ended[name] = how
        self.ends[run.worker] = self.now

    def cancel(self, name: str) -> None:
        run = self.runs[name]
        if run.state == "due":
            self.finish(name, "cancelled")
        else:
            self.change(run, state="cancelling")

    # Prefect, as `cascada.agents.controller.Pool`

    def list_runs(self) -> list[PoolRun]:
        return sorted(self.runs.values(), key=lambda run: run.since)

    def put_back(self, run: PoolRun, _: str) -> None:
        if run.id in self.runs and self.runs[run.id].state_id == run.state_id:
            self.change(run, state="due", put_backs=run.put_backs + 1)

    def end_as(self, run: PoolRun, how: str) -> None:
        if run.id in self.runs and self.runs[run.id].state_id == run.state_id:
            self.finish(run.id, how)

    # EC2 and the machines

    def live(self) -> list[str]:
        found = self.client.describe_instances(
            Filters=[{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        )
        return [one["InstanceId"] for group in found["Reservations"] for one in group["Instances"]]

    def power_off(self, body: Body) -> None:
        body.runs = False
        self.client.terminate_instances(InstanceIds=[body.machine.id])

    def refuse_capacity(self, params: dict[str, Any], **_: Any) -> None:
        spot = any(name.startswith("InstanceMarketOptions") for name in params["body"])
        if self.now < self.scarce_until or (spot and self.happens("no spot capacity", 0.3)):
            error = {"Error": {"Code": "InsufficientInstanceCapacity", "Message": "none"}}
            raise ClientError(error, "RunInstances")  # type: ignore[arg-type]

    def boot(self, machine: Machine) -> None:
        if machine.id in self.bodies or not machine.live:
            return
        live = set(self.live())
        kind = (machine.run_id, machine.market, machine.type)
        self.double += any(
            other in live and (body.machine.run_id, body.machine.market, body.machine.type) == kind
            for other, body in self.bodies.items()
        )
        joins = None if self.happens("never joins", 0.15) else self.now + self.rng.randint(1, 4) * MINUTE
        self.bodies[machine.id] = Body(machine, joins, watchdog=not self.happens("watchdog broken", 0.3))

    def minute(self) -> None:
        """Let a minute pass on every machine."""
        self.now += MINUTE
        if self.happens("Prefect down", 0.03):
            self.down_until = self.now + self.rng.randint(1, 8) * MINUTE
        if self.happens("no capacity at all", 0.03):
            self.scarce_until = self.now + self.rng.randint(1, 15) * MINUTE
        if self.runs and self.happens("cancel", 0.03):
            self.cancel(self.rng.choice(sorted(self.runs)))
        live = set(self.live()) if self.bodies else set()
        for body in self.bodies.values():
            body.runs = body.runs and body.machine.id in live
            if body.runs:
                self._live_on(body)

    def _live_on(self, body: Body) -> None:
        if self.happens("machine lost", 0.01):
            self.power_off(body)
        elif body.machine.market == "spot" and self.happens("spot notice", 0.02):
            if body.run in self.runs and self.now >= self.down_until:
                self.put_back(self.runs[body.run], "spot notice")
            self.power_off(body)
        elif body.joins_at is not None and self.now >= body.joins_at:
            body.connected = body.connected and not self.happens("contact lost", 0.01)
            if body.connected and self.now >= self.down_until:
                body.lost_at = None
                self._work(body)
            else:
                self._lose_contact(body)

    def _lose_contact(self, body: Body) -> None:
        body.lost_at = body.lost_at or self.now
        if body.watchdog and self.now - body.lost_at >= dt.timedelta(minutes=FLEET.contact_minutes):
            self.power_off(body)

    def _work(self, body: Body) -> None:
        lease = body.machine.lease
        self.heard[lease] = self.now
        run = self.runs.get(body.run)
        if run is not None and run.worker == lease and run.state != "due":
            body.work_left -= 1
            body.last_work = self.now
            if run.state == "cancelling":
                self.finish(run.id, "cancelled")
            elif body.work_left <= 0:
                self.finish(run.id, "completed")
            else:
                self.runs[run.id] = replace(run, state="running")
            return
        due = [one for one in self.list_runs() if one.state == "due"]
        if due:
            body.run, body.work_left = due[0].id, self.rng.randint(2, 30)
            self.change(due[0], state="starting", worker=lease)
        elif body.watchdog and self.now - max(body.last_work, body.joins_at or START) > 5 * MINUTE:
            self.power_off(body)


@dataclass(frozen=True)
class WorldPool:
    """The world's Prefect, which may be down, and a controller that may be killed before or after any call."""

    world: World

    def _call(self, act: Callable[[], Any]) -> Any:
        if self.world.now < self.world.down_until:
            raise PlatformError("Prefect does not answer")
        return cut(self.world, act)

    def runs(self) -> list[PoolRun]:
        return self._call(self.world.list_runs)

    def heartbeats(self) -> dict[str, dt.datetime]:
        return self._call(lambda: dict(self.world.heard))

    def last_ends(self, since: dt.datetime) -> dict[str, dt.datetime]:
        return self._call(lambda: dict(self.world.ends))

    def put_back(self, run: PoolRun, reason: str) -> None:
        self._call(lambda: self.world.put_back(run, reason))

    def give_up(self, run: PoolRun, reason: str) -> None:
        self._call(lambda: self.world.end_as(run, "given up"))

    def confirm_cancel(self, run: PoolRun) -> None:
        self._call(lambda: self.world.end_as(run, "cancelled"))


class WorldCloud(Ec2):
    """EC2 on the world's clock."""

    def __init__(self, world: World) -> None:
        super().__init__(FLEET, RATES, world.client)
        self.world = world

    def _machine(self, one: Any) -> Machine:
        machine = super()._machine(one)
        return replace(machine, launched=self.world.launched.setdefault(machine.id, self.world.now))

    def launch(self, run: PoolRun, machine_type: str, market: Market) -> Machine:
        def act() -> Machine:
            machine = Ec2.launch(self, run, machine_type, market)
            self.world.boot(machine)
            return machine

        return cut(self.world, act, chance=0.15)

    def end(self, machines: Collection[Machine]) -> None:
        cut(self.world, lambda: Ec2.end(self, machines))


def cut(world: World, act: Callable[[], Any], chance: float = 0.01) -> Any:
    """Do something, unless the controller is killed before it; or after it, so that nobody hears the answer."""
    if world.happens("controller killed before a call", chance / 2):
        raise Killed
    answer = act()
    if world.happens("controller killed after a call", chance):
        raise Killed
    return answer


def live_through(world: World, *, minutes: int, pushes: int, controllers: int) -> None:
    """Let faults happen for a while, then none; stop when all runs have ended and no machine lives."""
    hook = world.client.meta.events
    hook.register_first("before-call.ec2.RunInstances", world.refuse_capacity, unique_id="capacity")
    made = [
        Controller(WorldPool(world), WorldCloud(world), FLEET, RATES, Spending(world.folder / str(number)))
        for number in range(controllers)
    ]
    times = {world.rng.randrange(minutes // 2) for _ in range(pushes)}
    for minute in range(minutes + 24 * 60):
        world.faults = minute < minutes
        if minute in times:
            world.push()
        world.minute()
        for controller in world.rng.sample(made, len(made)):
            try:
                controller.reconcile(world.now)
            except (PlatformError, Killed):
                continue
        if minute >= minutes and not world.runs and not world.live():
            break
    hook.unregister("before-call.ec2.RunInstances", world.refuse_capacity, unique_id="capacity")
