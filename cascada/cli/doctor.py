"""`cascada doctor`: what endangers the reproducibility of a project, before anything is run."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.options import Json
from cascada.cli.render import stderr, stdout
from cascada.cli.render_doctor import show_diagnosis, show_rules
from cascada.errors import ConfigError, PlatformError

if TYPE_CHECKING:
    from cascada.repro.diagnosis import Section


def doctor(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="scripts, notebooks or folders; the project when omitted"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="exit with 1 on warnings, too")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="print the rules of the lint, and why, instead")] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="run the one script that is named twice, 20 steps of training each")
    ] = False,
    arguments: Annotated[str, typer.Option("--args", help="of the probed script, as in a shell")] = "",
    data: Annotated[list[Path] | None, typer.Option("--data", help="what the probed script reads")] = None,
    outputs: Annotated[list[Path] | None, typer.Option("--out", help="what the probed script writes")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="limit of each of the two runs in s")] = None,
    as_json: Json = False,
) -> None:
    """Examine a project before it runs: its code, installed versions, machine and git repository.

    Without `--probe` nothing is run. Exit code 1 when there is an error. `# cascada: ignore[D103]` in a line suppresses
    a rule there.
    """
    if rules:
        _tell_rules(as_json=as_json)
        return
    probed = _probe_of(paths, arguments, data, outputs, timeout) if probe else None
    if not probe and (arguments or data or outputs or timeout):
        raise ConfigError("--args, --data, --out and --timeout are of a probe", hint="add --probe")
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
        *([_probe(probed)] if probed else []),
    )
    diagnosis = Diagnosis(sections=sections)
    if as_json:
        stdout.print_json(diagnosis.model_dump_json())
    else:
        show_diagnosis(diagnosis)
    sys.exit(diagnosis.failed(strict=strict))


def _one_script(paths: list[Path] | None) -> Path:
    if paths and len(paths) == 1 and paths[0].suffix == ".py":
        return paths[0]
    raise ConfigError(
        "--probe runs one script", expected="cascada doctor --probe SCRIPT.py", got=" ".join(map(str, paths or []))
    )


def _tell_rules(*, as_json: bool) -> None:
    from cascada.repro.lint.check import all_rules

    if not as_json:
        show_rules()
        return
    told = [
        {"rule": one.number, "severity": one.severity.name, "name": one.name, "why": one.why, "fix": one.fix}
        for one in all_rules()
    ]
    stdout.print_json(json.dumps(told))


@dataclass(frozen=True)
class _Probed:
    script: Path
    arguments: list[str]
    data: list[Path]
    outputs: list[Path]
    timeout_s: float | None


def _probe_of(
    paths: list[Path] | None, arguments: str, data: list[Path] | None, outputs: list[Path] | None, timeout: float | None
) -> _Probed:
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise ConfigError("--args cannot be read as a shell reads it", got=f"{arguments}: {error}") from error
    return _Probed(_one_script(paths), words, data or [], outputs or [], timeout)


def _probe(asked: _Probed) -> Section:
    from cascada.jobs.probe import probe
    from cascada.repro.diagnosis import Section, Severity, finding

    stderr.print(f"running {asked.script} twice", markup=False)
    result = probe(
        asked.script, asked.arguments, cwd=Path.cwd(), data=asked.data, outputs=asked.outputs, timeout_s=asked.timeout_s
    )
    examined = f"{result.steps} steps of training, twice" if result.steps else "the script's results, twice"
    if result.same:
        return Section(title="Probe", examined=f"{examined}: {result.explanation}", findings=())
    fix = "seed what is named, sort what is listed, or fix threads and kernels; then probe again"
    found = finding("P400", "two runs differ", Severity.error, result.explanation, fix, str(asked.script))
    return Section(title="Probe", examined=examined, findings=(found,))


def _project(paths: list[Path]) -> Path:
    """Find the project around the first path; a folder outside of git is one, too, and that is a finding."""
    start = paths[0].resolve() if paths else Path.cwd()
    folder = start if start.is_dir() else start.parent
    from cascada.repro.code import work_tree

    try:
        return work_tree(folder)
    except (PlatformError, FileNotFoundError):  # the latter when the path is wrong, which the lint will tell
        return folder
