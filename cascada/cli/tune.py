"""`cascada tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import AllowInvalid, InputFolder, Json, Overrides, Refresh, Verbose
from cascada.cli.render import pages, show_facts, show_outcome, show_table, stdout
from cascada.cli.train import ensure_prefect
from cascada.config import load_experiment

if TYPE_CHECKING:
    from cascada.training.tuning import Tried
    from flows.tuning import Tuned

SHOWN = 10
"""Trials in the table of the terminal; MLflow has all."""


def tune(
    experiment: Annotated[
        Path, typer.Argument(help="experiment file (YAML) with a section `search`", show_default=False)
    ],
    data: InputFolder = None,
    trials: Annotated[int | None, typer.Option(min=1, help="trials, in place of those of the file")] = None,
    best: Annotated[
        Path | None, typer.Option("--best", help="file to write the winning experiment to", show_default=False)
    ] = None,
    overrides: Overrides = None,
    allow_invalid_data: AllowInvalid = False,
    refresh: Refresh = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="let trials of an earlier search of the same space and data count")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Search the space of an experiment on its validation partition; train, judge and register the best."""
    settings = enter(verbose=verbose)
    asked = [] if trials is None else [f"search.trials={trials}"]
    loaded = load_experiment(experiment, [*(overrides or ()), *asked], catalog=settings.catalog)
    from cascada.training.space import require_search

    require_search(loaded)
    from flows.bills import require_money

    require_money(settings, loaded.name)
    ensure_prefect(settings)
    from flows.records import write_experiment
    from flows.tuning import tune as tune_flow

    tuned = tune_flow(loaded, None if data is None else data.resolve(), allow_invalid_data, refresh, resume)
    if best is not None:
        write_experiment(tuned.best, best)
    if as_json:
        stdout.print_json(tuned.model_dump_json())
        return
    show_outcome(tuned.outcome)
    show_search(tuned)
    show_facts("Open", pages(tuned.outcome, settings))


def show_search(tuned: Tuned) -> None:
    """Print the best trials, and the values that won."""
    from cascada.training.tuning import order

    searched = tuned.searched
    keys = list(searched.best.parameters)
    title = f"Search: {_counts(searched.trials)}"
    rows = [
        (str(one.number), f"{one.value:.4f}", f"{one.seconds:.1f}", *(_brief(one.parameters[key]) for key in keys))
        for one in order(searched.trials, searched.metric)[:SHOWN]
    ]
    show_table(title, (">trial", f">validation {searched.metric}", ">seconds", *(f">{key}" for key in keys)), rows)
    show_facts(
        "Winner", {key: _brief(value) for key, value in searched.best.parameters.items()} | {"run": searched.run_id}
    )


def _counts(trials: tuple[Tried, ...]) -> str:
    states = [one.state for one in trials]
    told = [f"{states.count(state)} {state}" for state in ("finished", "stopped", "failed") if state in states]
    return f"{len(trials)} trials, {', '.join(told)}"


def _brief(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
