"""`cascada keys add | ls | revoke`: API keys of the service."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_table, stderr, stdout

app = typer.Typer(no_args_is_help=True, help="API keys of the service; a running one that has keys follows changes.")

_SCOPES = ("predict", "read")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="who or what will use it")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="predict or read (model, lineage, metrics); both when omitted")
    ] = None,
) -> None:
    """Make a key and print it; only its hash is kept, so it is seen this once."""
    from serving.keys import Scope, add_key

    chosen: list[Scope] = []
    for each in scope or _SCOPES:
        if each not in _SCOPES:
            raise typer.BadParameter(f"{each!r} is not one of {', '.join(_SCOPES)}", param_hint="--scope")
        chosen.append(each)  # type: ignore[arg-type]
    settings = enter()
    typer.echo(add_key(settings.api_keys_file, name, tuple(chosen)))
    stderr.print("keep it: it is not shown again. A service that runs without keys asks for them from its next start")


@app.command("ls")
def list_keys(as_json: Json = False) -> None:
    """List the keys, without what opens the service."""
    from serving.keys import read_keys

    known = read_keys(enter().api_keys_file)
    if as_json:
        stdout.print_json(json.dumps([key.model_dump(mode="json", exclude={"sha256"}) for key in known]))
        return
    rows = [(key.id, key.name, ", ".join(key.scopes), key.created) for key in known]
    show_table("API keys", ("id", "name", "scopes", "created"), rows)


@app.command("revoke")
def revoke(identifier: Annotated[str, typer.Argument(metavar="ID", help="as `cascada keys ls` shows it")]) -> None:
    """Forget a key: a running service refuses it within a second."""
    from serving.keys import revoke_key

    key = revoke_key(enter().api_keys_file, identifier)
    stdout.print(f"revoked {key.id} ({key.name})")
