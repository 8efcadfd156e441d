"""One stateless pass of the controller: due runs against rented machines.

All state is in Prefect and in EC2, so that a pass may be cut off anywhere, and two controllers may work at once. The
order holds that: machines end before their runs are put back, a run is put back only when its machine is gone, and
whatever a killed pass left half done is what the next one finds to do.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cascada.agents import leases
from cascada.agents.cloud import NoCapacityError
from cascada.agents.fleet import Fleet
from cascada.agents.leases import Ending, Machine, Market, PoolRun
from cascada.costs.spending import Expense, Spending
from cascada.errors import BudgetError, PlatformError

logger = logging.getLogger(__name__)


class Pool(Protocol):
    """Prefect's view of the pool (`flows.pool.PrefectPool`); every method may raise PlatformError."""

    def runs(self) -> list[PoolRun]:
        """List the runs that are due or have not ended, the longest waiting first."""

    def heartbeats(self) -> dict[str, dt.datetime]:
        """Tell when each worker was heard last."""

    def last_ends(self, since: dt.datetime) -> dict[str, dt.datetime]:
        """Tell when the last run of each worker ended."""

    def put_back(self, run: PoolRun, reason: str) -> None:
        """Make a run due again in a new state, unless it has left the state it was seen in."""

    def give_up(self, run: PoolRun, reason: str) -> None:
        """End a run as crashed."""

    def confirm_cancel(self, run: PoolRun) -> None:
        """End a run as cancelled, whose worker is gone."""


class Cloud(Protocol):
    """Rented machines (`cascada.agents.cloud.Ec2`)."""

    def machines(self) -> list[Machine]:
        """List the machines, those that ended lately included."""

    def launch(self, run: PoolRun, machine_type: str, market: Market) -> Machine:
        """Start a machine, once for each run, state, type and market."""

    def end(self, machines: Collection[Machine]) -> None:
        """Terminate machines."""

    def mark_expiry(self, machine: Machine) -> None:
        """Write on a machine when it ends at the latest."""


@dataclass
class Pass:
    """What a pass did.

    Attributes
    ----------
    waiting
        Runs that get no machine now, and why.
    """

    launched: list[Machine] = field(default_factory=list)
    ended: list[Ending] = field(default_factory=list)
    put_back: list[PoolRun] = field(default_factory=list)
    given_up: list[PoolRun] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Say it, a line each."""
        return [
            *(f"started {m.type} ({m.market}) {m.id} for run {m.run_id}" for m in self.launched),
            *(f"ended {e.machine.id}: {e.reason}" for e in self.ended),
            *(f"put back run {run.id}: its machine is gone" for run in self.put_back),
            *(f"gave up run {run.id}" for run in self.given_up),
            *(f"run {run} waits: {why}" for run, why in self.waiting.items()),
        ]


@dataclass(frozen=True)
class Controller:
    """The controller of a fleet.

    Attributes
    ----------
    rates
        Money an hour of each type that may be started, in the order of preference.
    """

    pool: Pool
    cloud: Cloud
    fleet: Fleet
    rates: Mapping[str, float]
    spending: Spending

    def reconcile(self, now: dt.datetime) -> Pass:
        """Bring machines and runs together, once.

        Raises
        ------
        PlatformError
            If Prefect or EC2 does not answer; machines that outlived their longest life are ended even so.
        """
        done = Pass()
        machines = self._end_expired(done, now)
        runs = self.pool.runs()
        heard, idle = self.pool.heartbeats(), self.pool.last_ends(now - dt.timedelta(hours=self.fleet.ttl_hours))
        machines = self._end(leases.find_ended(machines, runs, heard, idle, self.fleet, now), machines, done)
        self._free_stranded(runs, done, now)
        touched = {run.id for run in (*done.put_back, *done.given_up)}
        self._launch([run for run in runs if run.id not in touched], machines, done, now)
        return done

    def reap(self, now: dt.datetime) -> Pass:
        """End every machine whose lease is over; start none, and touch no run."""
        done = Pass()
        machines = self._end_expired(done, now)
        idle = self.pool.last_ends(now - dt.timedelta(hours=self.fleet.ttl_hours))
        over = leases.find_ended(machines, self.pool.runs(), self.pool.heartbeats(), idle, self.fleet, now)
        self._end(over, machines, done)
        return done

    def _end_expired(self, done: Pass, now: dt.datetime) -> list[Machine]:
        machines = self.cloud.machines()
        for machine in machines:
            if machine.live:
                self._note(machine, now)
                if not machine.expires:
                    self.cloud.mark_expiry(machine)
        return self._end(leases.find_expired(machines, self.fleet, now), machines, done)

    def _end(self, endings: Sequence[Ending], machines: list[Machine], done: Pass) -> list[Machine]:
        self.cloud.end([ending.machine for ending in endings])
        done.ended += endings
        gone = {ending.machine.id for ending in endings}
        return [machine for machine in machines if machine.live and machine.id not in gone]

    def _free_stranded(self, runs: list[PoolRun], done: Pass, now: dt.datetime) -> None:
        if all(run.state == "due" for run in runs):
            return
        for run in leases.find_stranded(runs, self.cloud.machines(), self.fleet, now):
            if run.state == "cancelling":
                self.pool.confirm_cancel(run)
            else:
                self._put_back(run, "its machine is gone", done)

    def _put_back(self, run: PoolRun, reason: str, done: Pass) -> None:
        if run.put_backs + 1 >= self.fleet.max_attempts:
            self.pool.give_up(run, f"{reason}, for the {run.put_backs + 1}th time")
            done.given_up.append(run)
        else:
            self.pool.put_back(run, reason)
            done.put_back.append(run)

    def _launch(self, runs: list[PoolRun], machines: list[Machine], done: Pass, now: dt.datetime) -> None:
        for run in leases.find_uncovered(runs, machines):
            if len(machines) + len(done.launched) >= self.fleet.max_machines:
                done.waiting[run.id] = f"{self.fleet.max_machines} machines run already (max_machines)"
                continue
            try:
                machine = self._offer(run, [*machines, *done.launched], now)
            except (NoCapacityError, BudgetError) as error:
                done.waiting[run.id] = f"{error.what}: {error.got}"
                continue
            if machine.live:
                done.launched.append(machine)
                self._note(machine, now)
            elif machine.gone:  # this state of the run had its machine, and that ended before it took the run
                self._put_back(run, "its machine ended", done)

    def _offer(self, run: PoolRun, machines: Collection[Machine], now: dt.datetime) -> Machine:
        """Ask for spot machines by preference, then for machines on demand."""
        markets: tuple[Market, ...] = ("spot", "on-demand") if self.fleet.spot else ("on-demand",)
        refusal: NoCapacityError | None = None
        for market in markets:
            for machine_type, rate in self.rates.items():
                self._require_budget(machines, rate, now)
                try:
                    return self.cloud.launch(run, machine_type, market)
                except NoCapacityError as error:
                    refusal = error
        if refusal is None:
            raise PlatformError("no type of machine may be started")
        raise refusal

    def _require_budget(self, machines: Collection[Machine], rate: float, now: dt.datetime) -> None:
        """Refuse a machine that could exceed the budget of the month, if it and all others live as long as they may."""
        fleet = self.fleet
        spent = sum(one.money for one in self.spending.list("machine", f"{now:%Y-%m}"))
        left = [m.rate * (leases.expiry(m, fleet) - now).total_seconds() / 3600 for m in machines if m.live]
        reserved = sum(left) + rate * fleet.ttl_hours
        if spent + reserved > fleet.budget_per_month:
            raise BudgetError(
                "a machine could exceed the budget of the month", where="infra/agents/cloud.yaml",
                expected=f"at most {fleet.budget_per_month:.2f} {fleet.currency}",
                got=f"{spent:.2f} spent, {reserved:.2f} {fleet.currency} if all machines live {fleet.ttl_hours:g} h",
                hint="raise budget_per_month, or lower ttl_hours",
            )  # fmt: skip

    def _note(self, machine: Machine, now: dt.datetime) -> None:
        hours = max(0.0, (now - machine.launched).total_seconds() / 3600)
        expense = Expense(
            id=machine.id, kind="machine", name=f"{machine.type} ({machine.market})", started=machine.launched,
            hours=hours, money=hours * machine.rate, currency=self.fleet.currency,
        )  # fmt: skip
        self.spending.note(expense)
