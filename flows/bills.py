"""Bills: a flow measures what it consumes, tags its MLflow run with it and notes the expense."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from prefect.runtime import flow_run

from cascada.costs.prices import find_own
from cascada.costs.spending import Expense, Spending, find_budget, price, require_budget
from cascada.repro.consumption import WATTS_PER_CORE, Consumption, Meter, count_gpus
from cascada.repro.environment import hardware
from cascada.settings import Settings, load_settings
from cascada.tracking import runs

PULL_REQUEST = "pull-request:"
"""Beginning of the tag of a flow run that names its pull request."""


@dataclass
class Bill:
    """Whom to charge.

    Attributes
    ----------
    run_id
        The MLflow run, once there is one.
    elsewhere_cpu_s
        CPU time of processes that are no children of this one.
    """

    run_id: str = ""
    elsewhere_cpu_s: float = 0.0


def require_money(settings: Settings, experiment: str, *, pull_request: str = "") -> None:
    """Refuse an experiment that would exceed a budget of the project.

    Raises
    ------
    BudgetError
        With spent, expected and allowed.
    """
    budget = find_budget(settings.root)
    if budget is not None:
        spending = Spending(settings.home)
        require_budget(budget, spending, experiment=experiment, pull_request=pull_request or settings.pull_request)


def pull_request_of_flow() -> str:
    """Read the pull request from the flow run's tags (``pull-request:12``); empty without one."""
    tags = [tag for tag in flow_run.get_tags() if tag.startswith(PULL_REQUEST)]
    return tags[0].removeprefix(PULL_REQUEST) if tags else ""


@contextlib.contextmanager
def charged(experiment: str) -> Iterator[Bill]:
    """Measure a block, and write its bill however it ends; one that is killed writes none."""
    settings = load_settings()
    own, pull_request = find_own(settings.root), pull_request_of_flow() or settings.pull_request
    require_money(settings, experiment, pull_request=pull_request)
    bill, started = Bill(), datetime.now(UTC)
    meter = Meter(own.watts_per_core if own else WATTS_PER_CORE)
    try:
        yield bill
    finally:
        consumed = price(meter.stop(elsewhere_cpu_s=bill.elsewhere_cpu_s), own, gpus=count_gpus(hardware(), os.environ))
        if bill.run_id:
            _tag(bill.run_id, consumed)
        if consumed.money is not None:
            expense = Expense(
                id=f"{flow_run.get_id()}-{flow_run.get_run_count()}", kind="experiment", name=experiment,
                started=started, hours=consumed.wall_s / 3600, energy_kwh=consumed.energy_kwh, money=consumed.money,
                currency=consumed.currency, pull_request=pull_request,
            )  # fmt: skip
            Spending(settings.home).note(expense)


def _tag(run_id: str, consumed: Consumption) -> None:
    """Add to what earlier flows spent on the same run: a cached fit keeps its run."""
    before = runs.read_tags(run_id)

    def total(name: str, value: float) -> str:
        return repr(float(before.get(name, 0.0)) + value)

    found = {"wall_s": total("wall_s", consumed.wall_s), "cpu_s": total("cpu_s", consumed.cpu_s)}
    found["energy_kwh"] = total("energy_kwh", consumed.energy_kwh)
    if consumed.money is not None:
        found |= {"money": total("money", consumed.money), "currency": consumed.currency}
    runs.set_tags(run_id, found | {f"energy_{part}": how for part, how in consumed.method.items()})
