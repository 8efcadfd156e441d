"""Two short runs of a script that must come out equal: a training's first steps, hashed one by one.

Each run begins in a checkout of its own, made of the commit and the uncommitted changes and thrown away in the end, so
that nothing stays in the project and the second run finds nothing of the first.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cascada.errors import ConfigError, PlatformError
from cascada.jobs.execute import execute
from cascada.jobs.inputs import path_from
from cascada.jobs.preconditions import link_inputs
from cascada.jobs.replay import import_path
from cascada.jobs.supervise import TIMED_OUT
from cascada.repro.causes import diff_traces
from cascada.repro.code import capture_code, restore_code, work_tree
from cascada.repro.compare import Verdict, compare_results
from cascada.repro.environment import CodeState
from cascada.repro.record import RunRecord
from cascada.repro.results import results_of_record
from cascada.repro.secrecy import own_secrets

STEPS = 20


@dataclass(frozen=True)
class ProbeResult:
    """What two runs of a script said.

    Attributes
    ----------
    same
        Whether they were equal in all that was compared; not when there was nothing to compare.
    steps
        Optimizer steps that were compared; 0 for a script that takes none, whose results were compared instead.
    explanation
        What was compared and found: the first divergence, or the results that differ.
    """

    same: bool
    steps: int
    explanation: str


@dataclass(frozen=True)
class _Project:
    """What is run, and the kept state of the project that it is run in."""

    script: Path
    arguments: tuple[str, ...]
    root: Path
    below: Path
    data: tuple[Path, ...]
    outputs: tuple[Path, ...]
    kept: Path
    code: CodeState


def probe(
    script: Path | str, arguments: Sequence[str] = (), *, cwd: Path, data: Sequence[Path] = (),
    outputs: Sequence[Path] = (), timeout_s: float | None = None,
) -> ProbeResult:  # fmt: skip
    """Run a script twice with the same seed and compare.

    A training of PyTorch is ended after some optimizer steps, each hashed in full. A script that takes none runs to its
    end, and its metrics, its outputs, or else what it printed, are compared.

    Parameters
    ----------
    cwd
        Where the script is run from; in a git repository.
    data
        Files and folders that it reads and git does not know; the checkouts get links to them.
    outputs
        Files and folders that it writes.
    timeout_s
        Limit of each run.

    Raises
    ------
    ConfigError
        If it is a notebook, whose kernel would go on after the steps, or there is no such script.
    PlatformError
        If a run fails, or does not end in time.
    """
    if Path(script).suffix == ".ipynb":
        raise ConfigError("a probe takes a script", got=str(script), hint="`cascada run` and `cascada verify` take it")
    with tempfile.TemporaryDirectory(prefix="cascada-probe-") as scratch:
        script = Path(os.path.relpath(cwd / script, cwd))
        project = _keep(script, tuple(arguments), cwd, (tuple(data), tuple(outputs)), Path(scratch) / "code")
        records = [_run(project, Path(scratch), number, timeout_s) for number in (1, 2)]
        return _compare(*records)


def _keep(
    script: Path, arguments: tuple[str, ...], cwd: Path, files: tuple[tuple[Path, ...], tuple[Path, ...]], folder: Path
) -> _Project:
    root, (data, outputs) = work_tree(cwd).resolve(), files
    aside = [path_from(cwd / path, root) for path in (*data, *outputs)]
    code = capture_code(root, folder, secrets=own_secrets(), aside=aside)
    below = cwd.resolve().relative_to(root)
    return _Project(script, arguments, root, below, data, outputs, folder, code)


def _run(
    project: _Project, scratch: Path, number: int, timeout_s: float | None
) -> RunRecord:  # fmt: skip
    """Run once, in a fresh checkout at the same path: a path may end up in what a script writes."""
    checkout = scratch / project.root.name
    shutil.rmtree(checkout, ignore_errors=True)
    restore_code(project.kept, project.code, checkout, repository=project.root)
    cwd = checkout / project.below
    cwd.mkdir(parents=True, exist_ok=True)
    link_inputs(_inputs(project), checkout)
    record = execute(
        project.script, project.arguments, cwd=cwd, record_folder=scratch / f"run-{number}",
        data=project.data, outputs=project.outputs, timeout_s=timeout_s, trace_every=1, stop_after=STEPS,
        environment={"PYTHONPATH": import_path(project.root, checkout, os.environ.get("PYTHONPATH", ""))},
    )  # fmt: skip
    _require_finished(record, timeout_s)
    return record


def _inputs(project: _Project) -> dict[str, Path]:
    found = [project.root / project.below / path for path in project.data]
    return {path_from(path, project.root): path for path in found}


def _require_finished(record: RunRecord, timeout_s: float | None) -> None:
    manifest = record.manifest
    if manifest.exit_code == TIMED_OUT:
        raise PlatformError(
            "the probe did not end in time", got=f"more than {timeout_s:g} s", hint="give it longer: --timeout"
        )
    if manifest.status != "finished":
        raise PlatformError(
            "the script failed in the probe", where="a checkout of the project", got=manifest.error,
            hint="files that git does not know are not there: name them with --data",
        )  # fmt: skip


def _compare(one: RunRecord, other: RunRecord) -> ProbeResult:
    manifests = one.manifest, other.manifest
    taken = [manifest.assessment["trace"]["steps"] for manifest in manifests]
    if any(taken):
        if not all(taken):
            return ProbeResult(same=False, steps=0, explanation="only one of two runs took an optimizer step")
        found = diff_traces(one.folder, other.folder, manifests)
        return ProbeResult(same=found.divergence is None, steps=min(found.steps), explanation=str(found))
    compared = compare_results(results_of_record(one), results_of_record(other))
    if compared.verdict is Verdict.UNVERIFIABLE:
        raise PlatformError(
            "the script left nothing to compare", expected="a metric, an output file, or something printed",
            hint="name what it writes with --out",
        )  # fmt: skip
    return ProbeResult(compared.verdict is Verdict.IDENTICAL, 0, "; ".join(compared.reasons))
