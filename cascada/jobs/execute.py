"""The one place that starts a recorded run: capture, child process, record."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascada.errors import ArtifactError, ConfigError, nearest
from cascada.jobs.active import NOTES, Plan
from cascada.jobs.inputs import Stamp, hash_inputs, hash_outputs, keep_outputs, path_from, stamp
from cascada.jobs.seeding import flags_in_force
from cascada.jobs.supervise import Ending, supervise
from cascada.repro.code import capture_code, work_tree
from cascada.repro.consumption import WATTS_PER_CORE, Consumption, Meter, count_gpus
from cascada.repro.environment import CodeState, hardware, run_git, software
from cascada.repro.fingerprint import file_sha256, json_sha256
from cascada.repro.manifest import Manifest
from cascada.repro.packages import write_lock
from cascada.repro.record import RunRecord, summarise_metrics, supervisor
from cascada.repro.secrecy import find_secrets, hide, hide_arguments, hide_in
from cascada.repro.seeds import library_seeds
from cascada.repro.trace import describe_trace

if TYPE_CHECKING:
    from cascada.costs.prices import OwnCluster

DEFAULT_SEED = 2020


@dataclass(frozen=True)
class Launch:
    """What to run, and with what.

    Attributes
    ----------
    script
        Path from `cwd`; a notebook by its ending ``.ipynb``.
    data, outputs
        Files and folders that it reads and that it writes.
    python
        The interpreter; cascada must be importable in it.
    environment
        Variables on top of this process's own.
    parameters, overrides
        Of jobs: values of a file, and ``dotted.key=value`` on top of them.
    trace_every
        Trace a training of PyTorch, and hash it by parameter every so many steps; 0 traces nothing.
    stop_after
        Optimizer steps after which a traced script ends; 0 lets it go on.
    """

    script: Path
    arguments: tuple[str, ...]
    cwd: Path
    seed: int = DEFAULT_SEED
    data: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()
    name: str = ""
    timeout_s: float | None = None
    python: Path = Path(sys.executable)
    environment: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    trace_every: int = 0
    stop_after: int = 0

    @property
    def is_notebook(self) -> bool:
        return self.script.suffix == ".ipynb"

    @cached_property
    def variables(self) -> dict[str, str]:
        """The whole environment of the process."""
        return {**os.environ, **self.environment}

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """Values that may stand nowhere in the record."""
        named = [f"--{override}" for override in self.overrides]
        addresses = self.variables.get("CASCADA_NOTIFY", "").split()
        return (*addresses, *find_secrets(self.variables, [*self.arguments, *named]))

    @cached_property
    def seeds(self) -> dict[str, int]:
        return library_seeds(self.seed)

    @cached_property
    def root(self) -> Path:
        """The top of the git work tree."""
        return work_tree(self.cwd)


def execute(
    script: Path | str,
    arguments: Sequence[str] = (),
    *,
    cwd: Path,
    record_folder: Path,
    seed: int = DEFAULT_SEED,
    data: Sequence[Path] = (),
    outputs: Sequence[Path] = (),
    name: str = "",
    timeout_s: float | None = None,
    environment: Mapping[str, str] | None = None,
    python: Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    trace_every: int = 0,
    stop_after: int = 0,
    terminal: bool = False,
) -> RunRecord:
    """Run a script or notebook as it is, and record it; see `Launch` for the parameters.

    Parameters
    ----------
    record_folder
        Where the record is made; its name is the run's id.
    terminal
        Whether this process prints what the script prints.

    Returns
    -------
    RunRecord
        Complete whether the script finished, failed, was killed or timed out.

    Raises
    ------
    PlatformError
        If the folder is in no git repository, there is no commit, or uncommitted changes hold a secret.
    ConfigError
        If there is no such script or git does not see it.
    SourceError
        If data are missing.
    ArtifactError
        If the folder holds a record already.
    """
    launch = Launch(
        script=Path(script), arguments=tuple(arguments), cwd=cwd, seed=seed, data=tuple(data), outputs=tuple(outputs),
        name=name, timeout_s=timeout_s, environment=environment or {}, parameters=parameters or {},
        overrides=tuple(overrides), python=python or Path(sys.executable), trace_every=trace_every,
        stop_after=stop_after,
    )  # fmt: skip
    record = RunRecord(record_folder)
    before = begin_or_nothing(launch, record)
    try:
        ending = supervise(
            command(launch), cwd=cwd, environment=environment_of(launch, record), log=record.log,
            secrets=launch.secrets, timeout_s=timeout_s, terminal=terminal,
        )  # fmt: skip
    except BaseException as error:
        finish(launch, record, before, Ending("failed", 1, f"{type(error).__name__}: {error}"))
        raise
    finish(launch, record, before, ending)
    return record


def command(launch: Launch) -> list[str]:
    """Make the command line of the child process."""
    module = "cascada.jobs.notebook" if launch.is_notebook else "cascada.jobs.child"
    return [str(launch.python), "-P", "-m", module, str(launch.script), *launch.arguments]


def environment_of(launch: Launch, record: RunRecord) -> dict[str, str]:
    """Make the child's environment: the user's, the plan, determinism flags, and output that comes at once."""
    flags = flags_in_force(launch.seeds, launch.variables)
    return {"PYTHONUNBUFFERED": "1"} | launch.variables | flags | plan_of(launch, record).to_variable()


def plan_of(launch: Launch, record: RunRecord) -> Plan:
    """Make what the process needs to know about its run."""
    folder, root = str(record.folder.resolve()), str(launch.root.resolve())
    return Plan(
        folder, root, launch.seeds, dict(launch.parameters), launch.overrides, launch.trace_every, launch.stop_after
    )


@dataclass(frozen=True)
class Before:
    """The state of a run's files when it starts, and what measures and prices it from then on."""

    inputs: Stamp
    outputs: Stamp
    own: OwnCluster | None
    meter: Meter


def begin_or_nothing(launch: Launch, record: RunRecord) -> Before:
    """Begin a record; when it is refused, no folder stays."""
    try:
        return begin(launch, record)
    except BaseException:
        if not (record.folder / "manifest.json").exists():
            shutil.rmtree(record.folder, ignore_errors=True)
        raise


def begin(launch: Launch, record: RunRecord) -> Before:
    """Record everything that is known before the start, and note the state of the files that it reads and writes."""
    _require_script(launch)
    if (record.folder / "manifest.json").exists():
        raise ArtifactError("the folder holds a record already", where=str(record.folder))
    own = _own_cluster(launch.root)
    record.folder.mkdir(parents=True, exist_ok=True)
    aside = [path_from(launch.cwd / path, launch.root) for path in (*launch.data, *launch.outputs)]
    code = capture_code(launch.root, record.code, secrets=launch.secrets, aside=aside)
    _require_visible(launch, code)
    installed = software()
    installed = write_lock(installed, record.folder / "lock.txt")
    flags = flags_in_force(launch.seeds, launch.variables)
    manifest = Manifest(
        run_id=record.run_id,
        experiment=launch.name or launch.script.stem,
        kind="notebook" if launch.is_notebook else "script",
        status="running",
        started=now(),
        command=(launch.script.as_posix(), *hide_arguments(launch.arguments, launch.secrets)),
        working_dir=launch.cwd.resolve().relative_to(launch.root.resolve()).as_posix(),
        process=supervisor(),
        dataset={"inputs": hash_inputs(launch.data, cwd=launch.cwd, root=launch.root)},
        preprocessing={},
        partitions={},
        training=_training(launch, {}),
        code=code,
        assessment=_traced(launch, record),
        randomness={"root_seed": launch.seed, "seeds": launch.seeds, "flags": flags},
        software=installed,
        hardware=hardware(),
    )
    record.write(manifest)
    meter = Meter(own.watts_per_core if own else WATTS_PER_CORE)
    return Before(stamp(launch.data, cwd=launch.cwd), stamp(launch.outputs, cwd=launch.cwd), own, meter)


def finish(launch: Launch, record: RunRecord, before: Before, ending: Ending) -> None:
    """Complete the record with what the run left and how it ended."""
    consumed = before.meter.stop()
    notes = take_notes(record)
    omitted = keep_outputs(launch.outputs, before.outputs, record.outputs, cwd=launch.cwd, secrets=launch.secrets)
    manifest = record.manifest
    assessment: dict[str, Any] = summarise_metrics(record) | {"outputs": hash_outputs(record.outputs)}
    assessment |= _traced(launch, record)
    if omitted:
        assessment["omitted"] = omitted
    changes = {
        "status": ending.status,
        "kind": "job" if notes.get("job") else manifest.kind,
        "ended": now(),
        "dataset": _dataset(launch, manifest, notes, before),
        "exit_code": ending.exit_code,
        "error": hide(notes.get("error") or ending.error, launch.secrets),
        "training": _training(launch, record.parameters()),
        "assessment": assessment,
        "software": manifest.software.model_copy(update={"imported": notes.get("imported", {})}),
        "hardware": manifest.hardware.model_copy(update={"threads": notes.get("threads", {})}),
        "consumption": _priced(consumed, before.own, gpus=count_gpus(manifest.hardware, launch.variables)),
    }
    record.write(manifest.model_copy(update=changes))


def _traced(launch: Launch, record: RunRecord) -> dict[str, Any]:
    """Describe the trace: no part of what two runs are compared by, as a run is the same with and without one."""
    return {"trace": {"every": launch.trace_every} | describe_trace(record.folder)} if launch.trace_every else {}


def _own_cluster(root: Path) -> OwnCluster | None:
    """Read what an hour costs; a replay in the environment of a project without prices must not need the reader."""
    if not (root / "infra" / "prices" / "own.yaml").exists():
        return None
    from cascada.costs.prices import read_own

    return read_own(root)


def _priced(consumed: Consumption, own: OwnCluster | None, *, gpus: int) -> Consumption:
    if own is None:
        return consumed
    from cascada.costs.spending import price

    return price(consumed, own, gpus=gpus)


def _dataset(launch: Launch, manifest: Manifest, notes: dict[str, Any], before: Before) -> dict[str, Any]:
    found: dict[str, Any] = {"inputs": [*manifest.dataset["inputs"], *notes.get("inputs", [])]}
    after = stamp(launch.data, cwd=launch.cwd)
    changed = sorted(name for name in before.inputs | after if before.inputs.get(name) != after.get(name))
    if changed:  # what was hashed may not be what was read
        found["changed_during_run"] = [path_from(Path(name), launch.root) for name in changed]
    return found


def take_notes(record: RunRecord) -> dict[str, Any]:
    """Read and remove what the process noted at its end; nothing if it was killed."""
    path = record.folder / NOTES
    try:
        notes: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    path.unlink()
    return notes


def _training(launch: Launch, parameters: dict[str, Any]) -> dict[str, Any]:
    given = hide_in(dict(launch.parameters), launch.secrets)
    overrides = hide_arguments([f"--{override}" for override in launch.overrides], launch.secrets)
    return {
        "parameters": parameters,
        "parameters_sha256": json_sha256(parameters),
        "given": given,
        "overrides": [override.removeprefix("--") for override in overrides],
        "code_sha256": file_sha256(launch.cwd / launch.script),
        "outputs": [path.as_posix() for path in launch.outputs],
    }


def now() -> str:
    """Tell the time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _require_script(launch: Launch) -> None:
    path = launch.cwd / launch.script
    if not path.is_file():
        beside = sorted(str(p.relative_to(launch.cwd)) for p in launch.cwd.rglob("*.py"))[:50]
        raise ConfigError(
            f"there is no script {str(launch.script)!r}", where=str(launch.cwd),
            hint=nearest(str(launch.script), beside) if beside else "",
        )  # fmt: skip


def _require_visible(launch: Launch, code: CodeState) -> None:
    """Refuse a script that the record could not bring back: outside of the work tree, or ignored by git."""
    path = (launch.cwd / launch.script).resolve()
    top = launch.root.resolve()
    inside = path.is_relative_to(top)
    if inside and (path.relative_to(top).as_posix() in code.untracked or run_git(top, "ls-files", "--", str(path))):
        return
    raise ConfigError(
        "git does not see the script, so its record could not bring it back", where=str(path),
        expected=f"a file of the work tree {top} that git does not ignore",
        hint="move it into the project, or `git add -f` it",
    )  # fmt: skip
