"""`cascada cost`: hours on the own cluster and in the clouds; the month's spending."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_facts, show_table, stdout
from cascada.errors import ConfigError

if TYPE_CHECKING:
    from cascada.costs.comparison import Comparison, Place
    from cascada.settings import Settings


def cost(
    target: Annotated[
        str | None, typer.Argument(metavar="[EXPERIMENT|RUN]", help="name of an experiment, or id of a run")
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", min=0, help="hours on the clock, instead of a run's")
    ] = None,
    gpu: Annotated[str, typer.Option("--gpu", help="kind of GPU to rent; the own cluster's when omitted")] = "",
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="how many work at once")] = 1,
    as_json: Json = False,
) -> None:
    """Price measured hours on the own cluster and in each cloud; without a name, tell what this month cost."""
    settings = enter()
    if target is not None and hours is not None:
        raise ConfigError("give the name of a run or experiment, or --hours, not both")
    if target is None and hours is None:
        _show_month(settings, as_json=as_json)
        return
    from cascada.costs.comparison import compare
    from cascada.costs.prices import PROVIDERS, read_own, read_prices

    facts = {"hours": hours or 0.0} if target is None else measured(settings, target)
    own, tables = read_own(settings.root), [read_prices(settings.root, name) for name in PROVIDERS]
    compared = compare(facts["hours"], own, tables, gpu=gpu, gpus=gpus)
    if as_json:
        stdout.print_json(json.dumps({"target": target, "measured": facts, **compared.model_dump()}))
    else:
        _show(compared, facts, target)


def measured(settings: Settings, target: str) -> dict[str, Any]:
    """Read what a run, or all runs of an experiment, took: ``runs``, ``hours``, ``energy_kwh``, ``money``."""
    from cascada.repro.record import list_records

    recorded = [r for r in list_records(settings.home) if target in {r.run_id, r.manifest.experiment}]
    found = [r.manifest.consumption for r in recorded if r.manifest.consumption is not None]
    if found:
        spent = [one.money for one in found if one.money is not None]
        return {
            "runs": len(found), "hours": sum(one.wall_s for one in found) / 3600,
            "energy_kwh": sum(one.energy_kwh for one in found), "money": sum(spent) if spent else None,
        }  # fmt: skip
    from cascada.tracking import runs

    return runs.consumption(target)


def _show(compared: Comparison, facts: dict[str, Any], target: str | None) -> None:
    if target is not None:
        money = f"{facts['money']:.4f} {compared.currency}" if facts["money"] is not None else "not priced"
        energy = f"{facts['energy_kwh']:.5f} kWh"
        show_facts("Measured", {"of": f"{target}, {facts['runs']} runs", "energy": energy, "money": money})
    currency = compared.currency
    rows = [
        (p.place, p.machine, f"{p.per_hour:.3f}", f"{p.money:.4f}", _break_even(p), p.date) for p in compared.places
    ]
    columns = ("where", "machine", f">{currency}/h", f">{currency}", ">own is cheaper from", "prices of")
    show_table(f"{compared.hours:.4f} hours on {compared.gpus} × {compared.gpu}", columns, rows)
    show_facts(f"An hour on the own cluster, {currency}", {k: f"{v:.3f}" for k, v in compared.parts.items()})
    stdout.print("prices are list prices written into infra/prices/*.yaml: check them before you decide by them")


def _break_even(place: Place) -> str:
    if place.place == "own":
        return ""
    return "never" if place.break_even_hours is None else f"{place.break_even_hours:.0f} h/year"


def _show_month(settings: Settings, *, as_json: bool) -> None:
    from cascada.costs.spending import Spending, find_budget

    month = f"{datetime.now(UTC):%Y-%m}"
    spending, budget = Spending(settings.home), find_budget(settings.root)
    rows = [*spending.list("experiment", month), *spending.list("machine", month)]
    if as_json:
        facts = {"month": month, "budget": budget.model_dump() if budget else None}
        stdout.print_json(json.dumps(facts | {"expenses": [one.model_dump(mode="json") for one in rows]}))
        return
    shown = [
        (one.kind, one.name, f"{one.started:%d %H:%M}", f"{one.hours:.3f}", f"{one.money:.4f} {one.currency}",
         one.pull_request) for one in rows
    ]  # fmt: skip
    show_table(f"Spent in {month}", ("what", "name", "began", ">hours", ">money", "pull request"), shown)
    if budget is not None and budget.per_month is not None:
        stdout.print(f"budget of experiments: {budget.per_month:.2f} {budget.currency} a month")
