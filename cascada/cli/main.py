"""The command `cascada`."""

from __future__ import annotations

import sys
from typing import Annotated

import click
import typer

import cascada
from cascada.cli import (
    agent,
    check,
    ci,
    cost,
    data,
    demo,
    doctor,
    drift,
    exchange,
    keys,
    models,
    predict,
    repro,
    run,
    runs,
    servers,
    train,
    tune,
)  # fmt: skip
from cascada.cli.render import stderr
from cascada.errors import CascadaError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=cascada.__doc__, add_completion=False)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("run")(run.run)
app.command("verify")(repro.verify)
app.command("score")(repro.score)
app.command("diff")(repro.diff)
app.command("export")(exchange.export)
app.command("reproduce")(exchange.reproduce)
app.command("import")(exchange.import_)
app.command("doctor")(doctor.doctor)
app.command("check")(check.check)
app.command("promote")(models.promote)
app.command("rollback")(models.rollback)
app.add_typer(models.app, name="models")
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")
app.add_typer(ci.app, name="ci")
app.add_typer(agent.app, name="agent")
app.command("cost")(cost.cost)
app.command("demo")(demo.demo)
app.command("up")(servers.up)
app.command("status")(servers.status)
app.command("env")(servers.env)
app.command("serve")(servers.serve)
app.command("drift")(drift.drift)
app.command("predict")(predict.predict)
app.add_typer(keys.app, name="keys")
app.command("down")(servers.down)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cascada {cascada.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Run a command; turn the errors that users can mend into a message and an exit code."""
    try:
        app()
    except CascadaError as error:
        stderr.print(f"[bold red]error:[/] {_escaped(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        stderr.print("interrupted")
        sys.exit(130)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
