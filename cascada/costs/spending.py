"""What was spent: one small file a run or rented machine, in the month in which it began; and budgets.

::

    .cascada/spending/2026-11/<id>.json
"""

from __future__ import annotations

import datetime as dt
import statistics
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cascada.config.reading import read_yaml, validate_section
from cascada.config.section import Section
from cascada.costs.prices import OwnCluster, price_folder
from cascada.errors import BudgetError
from cascada.repro.consumption import Consumption
from cascada.repro.manifest import write_text


class Expense(BaseModel):
    """What one run or one rented machine cost.

    Attributes
    ----------
    name
        Of the experiment, or the type of the machine.
    pull_request
        Number of the pull request that it ran for; empty for none.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Literal["experiment", "machine"]
    name: str
    started: dt.datetime
    hours: float = Field(ge=0)
    energy_kwh: float = Field(0, ge=0)
    money: float = Field(ge=0)
    currency: str
    pull_request: str = ""


class Budget(Section):
    """How much may be spent; `infra/prices/budget.yaml`."""

    currency: str = Field(pattern="^[A-Z]{3}$")
    per_month: float | None = Field(None, ge=0, description="of all runs of experiments")
    per_pull_request: float | None = Field(None, ge=0)


class Spending:
    """The expenses of a project.

    Parameters
    ----------
    home
        The project's state folder, `Settings.home`.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "spending"

    def note(self, expense: Expense) -> None:
        """Write an expense, or replace what was written of it before."""
        folder = self._folder / f"{expense.started:%Y-%m}"
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{expense.id}.json", expense.model_dump_json() + "\n")

    def list(self, kind: Literal["experiment", "machine"], month: str = "*") -> list[Expense]:
        """List the expenses of a kind, of one month (2026-11) or of all."""
        paths = sorted(self._folder.glob(f"{month}/*.json"))
        found = (Expense.model_validate_json(path.read_text(encoding="utf-8")) for path in paths)
        return [one for one in found if one.kind == kind]


def price(consumption: Consumption, own: OwnCluster | None, *, gpus: int) -> Consumption:
    """Add what a run costs on the own cluster: its energy, and its GPUs' share of everything else.

    Parameters
    ----------
    gpus
        GPUs that the run had to itself; a run without any pays its energy alone.
    """
    if own is None:
        return consumption
    fixed = consumption.wall_s / 3600 * gpus * own.fixed_per_gpu_hour
    money = own.energy_money(consumption.energy_kwh) + fixed
    return consumption.model_copy(update={"money": money, "currency": own.currency})


def find_budget(root: Path) -> Budget | None:
    """Read the budget of a project; None if it has none."""
    path = price_folder(root) / "budget.yaml"
    return validate_section(Budget, read_yaml(path, "budget"), str(path)) if path.exists() else None


def require_budget(
    budget: Budget, spending: Spending, *, experiment: str, pull_request: str = "", today: dt.date | None = None
) -> None:
    """Refuse a run that would exceed the budget of the month or of its pull request.

    What it will cost is the median of what the same experiment cost before; nothing where it never ran.

    Raises
    ------
    BudgetError
        With spent, expected and allowed.
    """
    today = today or dt.datetime.now(dt.UTC).date()
    known = [one for one in spending.list("experiment") if one.currency == budget.currency]
    before = [one.money for one in known if one.name == experiment]
    expected = statistics.median(before) if before else 0.0
    month = sum(one.money for one in known if f"{one.started:%Y-%m}" == f"{today:%Y-%m}")
    _require(f"the budget of {today:%Y-%m}", month, expected, budget.per_month, budget.currency)
    if pull_request:
        spent = sum(one.money for one in known if one.pull_request == pull_request)
        what = f"the budget of pull request {pull_request}"
        _require(what, spent, expected, budget.per_pull_request, budget.currency)


def _require(what: str, spent: float, expected: float, allowed: float | None, currency: str) -> None:
    if allowed is None or (spent + expected <= allowed and spent < allowed):
        return
    raise BudgetError(
        f"the run would exceed {what}", where="infra/prices/budget.yaml",
        expected=f"at most {allowed:.2f} {currency}",
        got=f"{spent:.2f} {currency} spent, {expected:.2f} {currency} more by earlier runs of this experiment",
        hint="raise the budget there, or wait for the next month",
    )  # fmt: skip
