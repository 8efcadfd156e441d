"""`cascada doctor`: what endangers the reproducibility of a project, before anything is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cascada.cli.render import stdout
from cascada.cli.render_doctor import show_diagnosis, show_rules
from cascada.errors import PlatformError


def doctor(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="scripts, notebooks or folders; the project when omitted"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with 1 on warnings, too")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="print the rules of the lint, and why, instead")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Examine a project before it runs: its code, installed versions, machine and git repository.

    Nothing is run. Exit code 1 when there is an error. `# cascada: ignore[D103]` in a line suppresses a rule there.
    """
    if rules:
        show_rules()
        return
    from cascada.repro.diagnosis import Diagnosis
    from cascada.repro.lint.check import lint_paths
    from cascada.repro.preflight import check_machine, check_repository
    from cascada.repro.versions import check_versions

    root = _project(paths or [])
    sections = (
        lint_paths(paths or [root], root),
        check_versions(root, root / ".cascada"),
        check_machine(),
        check_repository(root),
    )
    diagnosis = Diagnosis(sections=sections)
    if as_json:
        stdout.print_json(diagnosis.model_dump_json())
    else:
        show_diagnosis(diagnosis)
    sys.exit(diagnosis.failed(strict=strict))


def _project(paths: list[Path]) -> Path:
    """Find the project around the first path; a folder outside of git is one, too, and that is a finding."""
    start = paths[0].resolve() if paths else Path.cwd()
    folder = start if start.is_dir() else start.parent
    from cascada.repro.code import work_tree

    try:
        return work_tree(folder)
    except (PlatformError, FileNotFoundError):  # the latter when the path is wrong, which the lint will tell
        return folder
