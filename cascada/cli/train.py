"""`cascada train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import AllowInvalid, InputFolder, Json, Overrides, Refresh, Verbose
from cascada.cli.render import pages, show_facts, show_outcome, stderr, stdout
from cascada.config import Experiment, load_experiment
from cascada.jobs.tracing import DEFAULT_EVERY
from cascada.settings import Settings

if TYPE_CHECKING:
    from flows.training import Outcome


def train(
    experiment: Annotated[Path, typer.Argument(help="experiment file (YAML)", show_default=False)],
    data: InputFolder = None,
    overrides: Overrides = None,
    allow_invalid_data: AllowInvalid = False,
    refresh: Refresh = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="go on with an interrupted fit; the model is the same as if it had not been"),
    ] = False,
    trace: Annotated[
        bool, typer.Option("--trace", help="trace the fit step by step, for `cascada diff --trace`")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Train an experiment: ingest, train, evaluate, release, as one Prefect flow."""
    settings = enter(verbose=verbose)
    asked = [f"training.trace_every={DEFAULT_EVERY}"] if trace else []
    loaded = load_experiment(experiment, [*asked, *(overrides or ())], catalog=settings.catalog)
    outcome = run_experiment(
        settings, loaded, data, allow_invalid_data=allow_invalid_data, refresh=refresh, resume=resume
    )
    if as_json:
        stdout.print_json(outcome.model_dump_json())
    else:
        show_outcome(outcome)
        show_facts("Open", pages(outcome, settings))


def run_experiment(
    settings: Settings,
    experiment: Experiment,
    data: Path | None,
    *,
    allow_invalid_data: bool,
    refresh: bool,
    resume: bool = False,
) -> Outcome:
    """Start Prefect if it does not run yet, then run the training flow in this process."""
    from flows.bills import require_money

    require_money(settings, experiment.name)
    ensure_prefect(settings)
    from flows.training import train as train_flow

    folder = None if data is None else data.resolve()
    return train_flow(experiment, folder, allow_invalid_data, refresh, resume)


def ensure_prefect(settings: Settings) -> None:
    """Start Prefect if no server answers yet."""
    from cascada import platform

    if not platform.is_prefect_reachable():
        stderr.print(f"starting Prefect at {settings.prefect_url} (stop it with `cascada down`)")
        platform.wait_until_ready(platform.start_prefect(settings))
