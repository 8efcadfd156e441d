"""Budgets refuse before anything starts, with figures."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from projects import REPOSITORY
from repositories import repository
from typer.testing import CliRunner

from cascada.cli.main import app
from cascada.costs.spending import Budget, Expense, Spending, require_budget
from cascada.errors import BudgetError, SourceError
from cascada.jobs.execute import execute
from cascada.settings import Settings, process_environment

NOW = dt.datetime(2026, 3, 14, tzinfo=dt.UTC)


def expense(number: int, money: float, **changes: Any) -> Expense:
    facts = {"id": f"r{number}", "kind": "experiment", "name": "demo", "started": NOW, "hours": 1.0, "currency": "EUR"}
    return Expense.model_validate(facts | {"money": money} | changes)


@pytest.fixture
def spending(tmp_path: Path) -> Spending:
    made = Spending(tmp_path)
    for one in (
        expense(1, 10.0), expense(2, 30.0, pull_request="7"), expense(3, 20.0, started=NOW - dt.timedelta(days=30)),
        expense(4, 500.0, kind="machine"), expense(5, 500.0, currency="USD"),
    ):  # fmt: skip
        made.note(one)
    return made


def test_a_run_that_would_exceed_the_month_is_refused_with_figures(spending: Spending) -> None:
    require_budget(Budget(currency="EUR", per_month=60), spending, experiment="demo", today=NOW.date())
    with pytest.raises(BudgetError, match="the run would exceed the budget of 2026-03") as caught:
        require_budget(Budget(currency="EUR", per_month=59.9), spending, experiment="demo", today=NOW.date())
    assert caught.value.got.startswith("40.00 EUR spent, 20.00 EUR more")
    assert caught.value.exit_code == 7


def test_an_experiment_that_never_ran_is_refused_once_the_month_is_spent(spending: Spending) -> None:
    require_budget(Budget(currency="EUR", per_month=41), spending, experiment="new", today=NOW.date())
    with pytest.raises(BudgetError):
        require_budget(Budget(currency="EUR", per_month=40), spending, experiment="new", today=NOW.date())


def test_a_pull_request_has_a_budget_of_its_own(spending: Spending) -> None:
    budget = Budget(currency="EUR", per_pull_request=45)
    require_budget(budget, spending, experiment="demo", pull_request="8", today=NOW.date())
    with pytest.raises(BudgetError, match="the budget of pull request 7"):
        require_budget(budget, spending, experiment="demo", pull_request="7", today=NOW.date())


def test_an_expense_is_noted_once_however_often(spending: Spending) -> None:
    spending.note(expense(1, 11.0))
    assert sorted(one.money for one in spending.list("experiment", "2026-03")) == [11.0, 30.0, 500.0]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = repository(tmp_path_factory.mktemp("costs") / "work", {"train.py": "print('trained')\n"})
    shutil.copytree(REPOSITORY / "infra" / "prices", root / "infra" / "prices")
    for name in ("flows/experiments", "data"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("*_*"))
    return root


@pytest.fixture
def cascada(work: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(work)
    for name, value in process_environment(Settings(root=work)).items():  # the command sets them for its process
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_train_is_refused_before_a_server_is_started(work: Path, cascada: Callable[..., Result]) -> None:
    budget = work / "infra" / "prices" / "budget.yaml"
    budget.write_text("currency: EUR\nper_month: 0\n")
    refused = cascada("train", "flows/experiments/demo.yaml")
    budget.unlink()
    assert isinstance(refused.exception, BudgetError)
    assert refused.exception.expected == "at most 0.00 EUR"
    assert not (work / ".cascada" / "servers.json").exists()


def test_the_cost_of_a_recorded_run_everywhere(work: Path, cascada: Callable[..., Result]) -> None:
    record = execute("train.py", cwd=work, record_folder=work / ".cascada" / "runs" / "abc")
    told = cascada("cost", "abc", "--json")
    assert told.exit_code == 0, told.stderr
    facts, consumption = json.loads(told.stdout), record.manifest.consumption
    assert consumption is not None
    assert facts["hours"] == pytest.approx(consumption.wall_s / 3600)
    assert facts["measured"]["money"] == consumption.money > 0
    assert [place["place"] for place in facts["places"]] == ["own", "aws", "azure", "gcp"]
    assert "Measured" in cascada("cost", "train").stdout, "its name is that of the script"
    assert "100.0000 hours on 2 × A100-80" in cascada("cost", "--hours", "100", "--gpus", "2").stdout


def test_cost_refuses_a_missing_table_and_two_questions(work: Path, cascada: Callable[..., Result]) -> None:
    assert "not both" in str(cascada("cost", "nothing", "--hours", "1").exception)
    table = work / "infra" / "prices" / "azure.yaml"
    table.rename(table.with_suffix(".gone"))
    missing = cascada("cost", "--hours", "1")
    table.with_suffix(".gone").rename(table)
    assert isinstance(missing.exception, SourceError)
    assert "the price table azure.yaml is missing" in str(missing.exception)
