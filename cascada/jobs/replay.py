"""A recorded script, notebook or job run again, in a checkout and with the interpreter of its environment.

The replay is started by a process of that interpreter, ``python -m cascada.jobs.replay``, so that what the new record
says of packages is what the replay had.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cascada.errors import CascadaError, PlatformError
from cascada.repro.environment import Record, software
from cascada.repro.manifest import Manifest
from cascada.repro.record import RunRecord
from cascada.repro.secrecy import MASK

_OWN = ("PYTHONPATH", "PYTHONHOME", "PYTHONEXECUTABLE")


class Plan(Record):
    """The arguments of `cascada.jobs.execute.execute`, as JSON."""

    script: str
    arguments: tuple[str, ...]
    cwd: Path
    record_folder: Path
    seed: int
    data: tuple[Path, ...]
    outputs: tuple[Path, ...]
    name: str
    timeout_s: float | None
    parameters: dict[str, Any]
    overrides: tuple[str, ...]
    trace_every: int = 0


def plan_replay(
    manifest: Manifest, checkout: Path, *, root: Path, inputs: Mapping[str, Path], seed: int, timeout_s: float | None,
    folder: Path,
) -> Plan:  # fmt: skip
    """Turn a manifest back into a command.

    Parameters
    ----------
    inputs
        Recorded path to where the data are now.
    folder
        Where the replay's record is made.

    Raises
    ------
    PlatformError
        If the command held a secret: the record has asterisks in its place.
    """
    training = manifest.training
    script, *arguments = (_moved(word, root, checkout, inputs) for word in manifest.command)
    if any(MASK in word for word in (*manifest.command, *training.get("overrides", ()))):
        raise PlatformError(
            "an argument of the run was a secret, which no record keeps", hint="pass secrets by variables"
        )
    return Plan(
        script=script, arguments=tuple(arguments), cwd=checkout / manifest.working_dir, record_folder=folder, seed=seed,
        data=tuple(_declared(manifest, checkout, inputs)),
        outputs=tuple(Path(_moved(path, root, checkout, {})) for path in training.get("outputs", ())),
        name=manifest.experiment, timeout_s=timeout_s, parameters=training.get("given", {}),
        overrides=tuple(training.get("overrides", ())),
        trace_every=manifest.assessment.get("trace", {}).get("every", 0),
    )  # fmt: skip


def _declared(manifest: Manifest, checkout: Path, inputs: Mapping[str, Path]) -> Iterator[Path]:
    """List the inputs named before the run; what a job named in it was kept as code, and it will name it again."""
    for name, path in inputs.items():
        if not any(kept == name or kept.startswith(f"{name}/") for kept in manifest.code.untracked):
            yield path if Path(name).is_absolute() else checkout / name


def _moved(word: str, root: Path, checkout: Path, inputs: Mapping[str, Path]) -> str:
    """Point what named the project at the checkout, and what named absolute data at their new place."""
    for recorded, path in inputs.items():
        if Path(recorded).is_absolute() and recorded in word:
            return word.replace(recorded, str(path))
    return word.replace(f"{root.resolve()}{os.sep}", f"{checkout.resolve()}{os.sep}")


def replay(plan: Plan, *, python: Path, environment: Mapping[str, str]) -> RunRecord:
    """Run a plan and return the record of the replay, however it ended.

    Raises
    ------
    PlatformError
        If it could not be started.
    """
    plan.cwd.mkdir(parents=True, exist_ok=True)
    answer = subprocess.run(
        [str(python), "-P", "-m", "cascada.jobs.replay"], input=plan.model_dump_json(), env=dict(environment),
        cwd=plan.cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode != 0:
        raise PlatformError("the replay could not be started", got=answer.stderr.strip()[-1000:])
    return RunRecord(plan.record_folder)


def replay_environment(manifest: Manifest, root: Path, checkout: Path) -> dict[str, str]:
    """Make the environment of a replay: this one, but the variables that change results as they were recorded.

    What the interpreter imports from the project (an editable install, a path variable) it imports from the checkout.
    """
    recorded = manifest.software.environment
    dropped = software().environment.keys() - recorded.keys()
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    set_again = {name: value for name, value in recorded.items() if name not in _OWN and MASK not in value}
    return kept | set_again | {"PYTHONPATH": import_path(root, checkout, recorded.get("PYTHONPATH", ""))}


def import_path(root: Path, checkout: Path, recorded: str = "") -> str:
    """List where Python looks before its own packages, folders of the project as those of the checkout.

    Parameters
    ----------
    recorded
        The path variable of the run; this process's own comes after it.
    """
    given = [entry for entry in f"{recorded}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".split(os.pathsep) if entry]
    entries = [*given, *(entry for entry in sys.path if entry and _is_source(Path(entry), root))]
    top = root.resolve()
    return os.pathsep.join(dict.fromkeys(_in_checkout(entry, top, checkout) for entry in entries))


def _in_checkout(entry: str, top: Path, checkout: Path) -> str:
    """Move an absolute path of the project; a relative one means the same folder of the checkout already."""
    path = Path(entry)
    inside = path.is_absolute() and path.resolve().is_relative_to(top)
    return str(checkout / path.resolve().relative_to(top)) if inside else entry


def _is_source(entry: Path, root: Path) -> bool:
    inside = entry.resolve().is_relative_to(root.resolve())
    return inside and not entry.resolve().is_relative_to(Path(sys.prefix).resolve())


def main() -> None:
    """Run the plan that comes on standard input."""
    from cascada.jobs.execute import execute

    plan = Plan.model_validate_json(sys.stdin.read())
    try:
        execute(
            plan.script, plan.arguments, cwd=plan.cwd, record_folder=plan.record_folder, seed=plan.seed, data=plan.data,
            outputs=plan.outputs, name=plan.name, timeout_s=plan.timeout_s, parameters=plan.parameters,
            overrides=plan.overrides, trace_every=plan.trace_every,
        )  # fmt: skip
    except CascadaError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
