"""`cascada check`: a project against the best-practice specification."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.context import read_settings
from cascada.cli.options import Json
from cascada.cli.render import stdout
from cascada.errors import PlatformError, SourceError
from cascada.logs import configure_logging

if TYPE_CHECKING:
    from cascada.repro.checks.evidence import Evidence


def check(
    project: Annotated[Path, typer.Argument(help="a folder of the project", show_default="here")] = Path(),
    run: Annotated[
        str,
        typer.Option(
            "--run",
            help="run to look at: id, or MODEL@ALIAS of an experiment; else the newest of `cascada run`",
        ),
    ] = "",
    specification: Annotated[
        bool, typer.Option("--specification", help="print the specification, in Markdown, instead")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hold a project and a run of it against the best-practice specification, and print a checklist.

    Exit code 1 when a MUST is not met. What no program can judge, the project answers in cascada-check.yaml.
    """
    from cascada.cli.render_check import show_checklist
    from cascada.repro.checks.checklist import check_project
    from cascada.repro.specification import load_specification, render

    asked = load_specification()
    if specification and as_json:
        stdout.print_json(asked.model_dump_json())
        return
    if specification:
        sys.stdout.write(render(asked))
        return
    with tempfile.TemporaryDirectory(prefix="cascada-check-") as scratch:
        checklist = check_project(asked, _evidence(project, run, Path(scratch)))
    if as_json:
        stdout.print_json(checklist.model_dump_json())
    else:
        show_checklist(asked, checklist)
    sys.exit(bool(checklist.failed))


def _evidence(project: Path, run: str, scratch: Path) -> Evidence:
    """Gather what the checks look at; a folder outside of git is a project without a commit."""
    from cascada.jobs.locate import locate
    from cascada.repro.checks.evidence import Evidence
    from cascada.repro.code import work_tree
    from cascada.repro.record import list_records
    from cascada.settings import apply_environment

    if not project.is_dir():
        raise SourceError("there is no such folder", where=str(project))
    try:
        root = work_tree(project)
    except PlatformError:
        if run:
            raise
        return Evidence(project.resolve())
    settings = read_settings(root)
    configure_logging(verbose=False)
    records = list_records(settings.home)
    if not run and not records:
        return Evidence(root)
    apply_environment(settings)
    found = locate(run or records[0].run_id, settings, scratch)
    siblings = tuple(record.manifest for record in records)
    return Evidence(root, found.record.manifest, found.verifications(settings), siblings)
