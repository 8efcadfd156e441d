"""`cascada promote`, `rollback` and `models`."""

from __future__ import annotations

import getpass
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_verdict, stdout
from cascada.cli.render_models import show_comparison, show_history, show_listing, show_version
from cascada.errors import ConfigError

if TYPE_CHECKING:
    from cascada.registry.promotion import Decision
    from flows.deployment import Promotion

app = typer.Typer(help="Models in the registry.", no_args_is_help=True)

MODEL = typer.Argument(metavar="MODEL[@ALIAS|@VERSION]", help="such as demo@champion or demo@3; MODEL: its champion")


def promote(
    model: Annotated[
        str, typer.Argument(metavar="MODEL[@ALIAS|@VERSION]", help="such as demo@3; MODEL alone: its challenger")
    ],
    reason: Annotated[str, typer.Option(help="why, for the history")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="make it champion against its verdict; needs --reason and is recorded")
    ] = False,
    as_json: Json = False,
) -> None:
    """Judge a registered version against the champion of today; the verdict decides. Exits with 1 when it refuses."""
    enter()
    decision = _decide(reason, "--force") if force else None
    from flows.promotion import promote_version

    done = promote_version(model, reason=reason, decision=decision)
    what = f"{done.name} version {done.version}"
    standing = f"{what} is {'champion' if done.champion else 'challenger'}"
    _report(done, f"{standing}, FORCED: {reason}" if done.forced else standing, as_json=as_json)
    sys.exit(0 if done.champion else 1)


def rollback(
    model: Annotated[str, typer.Argument(help="registered model")],
    reason: Annotated[str, typer.Option(help="why, for the history")],
    to: Annotated[
        int | None, typer.Option("--to", metavar="VERSION", help="which former champion; the last one when omitted")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a former champion champion again: alias, deployment and running service."""
    enter()
    decision = _decide(reason, "rollback")
    from flows.rollback import roll_back

    done = roll_back(model, decision, to=to)
    came = "" if done.before is None else f", in the place of version {done.before}"
    _report(done, f"{done.name} version {done.version} is champion again{came}", as_json=as_json)


def _decide(reason: str, what: str) -> Decision:
    from cascada.registry.promotion import Decision

    if not reason.strip():
        raise ConfigError(f"{what} needs a reason", expected="--reason TEXT: it is recorded with the version")
    return Decision(by=getpass.getuser(), reason=reason.strip())


def _report(done: Promotion, standing: str, *, as_json: bool) -> None:
    if as_json:
        stdout.print_json(done.model_dump_json())
        return
    show_verdict(done.verdict, standing, good=done.champion and not done.forced)
    if done.answered:
        stdout.print("The running service answers with it.\n")
    show_history(done.history)


@app.command("ls")
def list_(as_json: Json = False) -> None:
    """List the registered models and their versions."""
    enter()
    from cascada.registry.inventory import list_versions

    versions = list_versions()
    if as_json:
        stdout.print_json(json.dumps([version.model_dump(mode="json") for version in versions]))
    elif versions:
        show_listing(versions)
    else:
        stdout.print("no model is registered here; `cascada train EXPERIMENT.yaml` makes one")


@app.command()
def show(model: Annotated[str, MODEL], as_json: Json = False) -> None:
    """Show a version: where it came from, its verdict, score and verification, and the history of its model."""
    enter()
    from cascada.registry.inventory import describe

    described = describe(model)
    if as_json:
        stdout.print_json(described.model_dump_json())
    else:
        show_version(described)


@app.command()
def diff(one: Annotated[str, MODEL], other: Annotated[str, MODEL], as_json: Json = False) -> None:
    """Tell what differs between two versions: verdicts, metrics, specs, and their runs as `cascada diff` does."""
    enter()
    from cascada.registry.inventory import compare

    found = compare(one, other)
    if as_json:
        stdout.print_json(found.model_dump_json())
    else:
        show_comparison(found)


@app.command()
def shadow(
    model: Annotated[
        str, typer.Argument(metavar="MODEL[@ALIAS|@VERSION]", help="such as demo@3; MODEL alone: its challenger")
    ],
    off: Annotated[bool, typer.Option("--off", help="have no shadow any more")] = False,
) -> None:
    """Have the service ask a second version whatever it is asked, and compare; its answers go to nobody."""
    settings = enter()
    if off:
        from cascada.registry.deployment import drop_shadow

        name = model.partition("@")[0]
        drop_shadow(settings.served / name)
        stdout.print(f"{name} has no shadow")
        return
    from flows.deployment import set_shadow

    version = set_shadow(model)
    stdout.print(f"{version.label} is the shadow of what is served; {settings.service_url}/model compares them")
