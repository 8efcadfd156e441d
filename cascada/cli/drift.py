"""`cascada drift`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_table, stdout

if TYPE_CHECKING:
    from cascada.monitoring.drift import Drift


def drift(
    model: Annotated[str, typer.Argument(help="a model that is deployed here")],
    window: Annotated[int, typer.Option(min=50, help="events of a window")] = 1000,
    as_json: Json = False,
) -> None:
    """Tell whether what a served model is asked is still what it was fitted on. Exits with 1 when it has drifted."""
    settings = enter()
    from cascada.monitoring.watch import measure_drift

    found = measure_drift(model, settings, events=window)
    if as_json:
        stdout.print_json(found.model_dump_json())
    else:
        _show(found)
    sys.exit(1 if found.state == "drifted" else 0)


def _show(found: Drift) -> None:
    style = {"drifted": "bold red", "none": "green"}.get(found.state, "yellow")
    stdout.print(f"{found.model} version {found.version}: [{style}]{found.state}[/]; {found.told}")
    if not found.compared:
        stdout.print("This bundle keeps no reference of its features; only anomalies and domain are judged.")
    if not found.windows:
        return
    rows = [
        (one.name, f"{one.value:.4f}", f"{one.expected:.4f}", f"{one.p_value:.2g}", "drifts" if one.drifted else "")
        for one in found.windows[-1].findings
    ]
    last = found.windows[-1]
    show_table(f"Latest window, {last.first[:19]} to {last.last[:19]}", ("", ">value", ">bound", ">p-value", ""), rows)
