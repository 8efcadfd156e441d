"""`cascada export`, `reproduce` and `import`: runs that travel."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_facts, show_table, stderr, stdout
from cascada.cli.repro import (
    RUN,
    Absolute,
    DataAt,
    Ignored,
    JUnit,
    LevelOf,
    OtherPackages,
    Relative,
    Seeds,
    Timeout,
    ask,
    report,
    tell,
)
from cascada.cli.train import ensure_prefect
from cascada.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from cascada.jobs.export import Exported
    from cascada.jobs.intake import Intake


def export(
    run: Annotated[str, RUN],
    crate: Annotated[Path, typer.Option("--crate", help="file to write (.zip)", show_default=False)],
    with_data: Annotated[bool, typer.Option("--with-data", help="put the input data in it, too")] = False,
    data: DataAt = None,
    as_json: Json = False,
) -> None:
    """Write a run as a Workflow Run RO-Crate: record, code at its commit, input data or their hashes."""
    if data and not with_data:
        raise ConfigError("--data says where the data are that --with-data packs", hint="add --with-data")
    settings = enter()
    from cascada.jobs.export import export_run
    from cascada.jobs.locate import locate

    with tempfile.TemporaryDirectory(prefix="cascada-record-") as scratch:
        found = locate(run, settings, Path(scratch))
        place = data.resolve() if data else None
        made = export_run(found, settings, crate.resolve(), with_data=with_data, data=place)
    if as_json:
        stdout.print_json(made.model_dump_json())
    else:
        _show_export(made)


def _show_export(made: Exported) -> None:
    facts = {
        "run": made.run_id,
        "crate": f"{made.path} ({made.bytes} bytes, {made.files} files)",
        "sha256": made.sha256,
        "data in it": ", ".join(made.data) or "none; what git does not have is named by its hash",
        "next": f"on any machine: cascada reproduce {made.path.name}",
    }
    show_facts("Exported", facts)


def reproduce(
    crate: Annotated[Path, typer.Argument(help="crate that `cascada export` wrote", show_default=False)],
    level: LevelOf = "replay",
    tolerance: Relative = 0.0,
    absolute: Absolute = 0.0,
    seeds: Seeds = 0,
    ignore: Ignored = None,
    data: DataAt = None,
    timeout: Timeout = None,
    allow_environment_change: OtherPackages = False,
    junit: JUnit = None,
    as_json: Json = False,
) -> None:
    """Run the run of a crate again, in any folder, and compare what comes out; it runs the code of the crate.

    Exit code 0: identical, equivalent or consistent; 1: diverged; 2: unverifiable; 6: not a crate as it was written.
    """
    settings = enter(anywhere=True)
    from cascada.jobs.reproduction import reproduce as reproduce_run

    request = ask(
        level, (tolerance, absolute), seeds=seeds, ignore=ignore, data=data, timeout_s=timeout,
        allow_environment_change=allow_environment_change,
    )  # fmt: skip
    found, kept = reproduce_run(crate, request, settings, report=report, prepare=lambda: ensure_prefect(settings))
    tell(found, junit=junit, as_json=as_json)
    stderr.print(f"record and verification are kept in {kept}", markup=False, soft_wrap=True)
    sys.exit(found.verdict.exit_code)


def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="records, folders of records (.cascada), or crates", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Take runs that were recorded elsewhere among this project's, every hash checked."""
    settings = enter()
    from cascada.jobs.intake import import_runs
    from cascada.jobs.mirror import start_mirror

    found = import_runs(paths, settings.home)
    if any(one.outcome == "imported" for one in found):
        start_mirror(settings.home)
    if as_json:
        stdout.print_json(json.dumps([one.model_dump(mode="json") for one in found]))
    else:
        show_table("Runs", ("run", "", "from", "reason"), [_row(one) for one in found])
    refused = [one for one in found if one.outcome == "refused"]
    if refused:
        raise ArtifactError(
            f"{len(refused)} of {len(found)} runs are refused", where=str(refused[0].source), got=refused[0].reason
        )


def _row(one: Intake) -> tuple[str, str, str, str]:
    return one.run_id, one.outcome, str(one.source), one.reason
