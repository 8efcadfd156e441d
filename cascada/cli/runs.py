"""`cascada runs`: the recorded runs, and their copies in MLflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_table, stdout
from cascada.errors import PlatformError

if TYPE_CHECKING:
    from cascada.repro.record import RunRecord

app = typer.Typer(help="Recorded runs, and their copies in MLflow.", invoke_without_command=True)


@app.callback()
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the runs, the newest first."""
    if context.invoked_subcommand is not None:
        return
    from cascada.repro.record import list_records

    rows = [_row(record) for record in list_records(enter().home)]
    if as_json:
        stdout.print_json(json.dumps(rows))
    elif rows:
        shown = [
            (r["run_id"], r["state"], r["started"][:19], r["command"], r["commit"][:12], r["mlflow"]) for r in rows
        ]
        show_table("Runs", ("run", "state", "started (UTC)", "command", "commit", "in MLflow"), shown)
    else:
        stdout.print("no run is recorded here; `cascada run script.py` makes one")


def _row(record: RunRecord) -> dict[str, Any]:
    manifest = record.manifest
    return {
        "run_id": record.run_id,
        "experiment": manifest.experiment,
        "kind": manifest.kind,
        "state": record.state,
        "started": manifest.started,
        "ended": manifest.ended,
        "exit_code": manifest.exit_code,
        "error": manifest.error,
        "command": " ".join(manifest.command),
        "commit": manifest.code.commit,
        "dirty": manifest.code.dirty,
        "metrics": manifest.assessment.get("metrics", {}),
        "mlflow": record.mirror()["status"],
        "folder": str(record.folder),
    }


@app.command()
def sync(as_json: Json = False) -> None:
    """Copy the runs that are not in MLflow yet; what is there already stays as it is."""
    settings = enter()
    from cascada.jobs.mirror import sync_records

    synced = sync_records(settings.home)
    if as_json:
        stdout.print_json(json.dumps({"done": synced.done, "pending": synced.pending}))
    else:
        stdout.print(f"{len(synced.done)} copied, {len(synced.pending)} pending")
    if synced.pending:
        first = next(iter(synced.pending.values()))
        raise PlatformError("MLflow did not take every run", got=first, hint="run `cascada runs sync` again")
