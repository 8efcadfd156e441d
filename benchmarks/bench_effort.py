"""What a project must change to be recorded, and what the record then holds: cascada beside plain MLflow.

    python -m benchmarks.bench_effort

Three projects (`benchmarks/projects`), four ways each: `cascada run` and `@job`; MLflow with its autologging, and
MLflow with by hand what of the eight facts it then lacks. Lines are those that `diff` adds or removes in the project's
code. Every way is really run, and the facts are looked for in the record that it left.
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measures import markdown_table
from cascada.repro.manifest import Manifest

_PROJECTS = Path(__file__).parent / "projects"
_ROOT = Path(__file__).parents[1]
_CASCADA = ("-c", "from cascada.cli.main import main; main()")
_NOTEBOOK = (
    "-c",
    "import nbformat, nbclient, sys; nbclient.NotebookClient(nbformat.read(sys.argv[1], 4)).execute()",
)
FACTS = ("data", "parameters", "metrics", "outputs", "code and changes", "seed", "all packages", "hardware")


@dataclass(frozen=True)
class Project:
    """An example project.

    Attributes
    ----------
    outputs
        Files that it writes.
    """

    name: str
    script: str
    outputs: tuple[str, ...]
    python: str = sys.executable


@dataclass(frozen=True)
class Way:
    """One way to record a project: the variant of its code, and how it is run."""

    name: str
    variant: str
    run: Callable[[Project, Path], set[str]]
    replays: bool = False


def main() -> None:
    """Run every project in every way and print a table; exits with 1 when a verification is not IDENTICAL."""
    frameworks = subprocess.run(
        [str(_ROOT / "infra" / "environment.sh"), "frameworks", "beside"], check=True, capture_output=True, text=True
    ).stdout.strip()
    projects = (
        Project("Keras", "train.py", (), frameworks),
        Project("XGBoost", "train.py", ("predictions.txt",)),
        Project("notebook", "analysis.ipynb", ("profile.txt",)),
    )
    ways = (
        Way("cascada run", "plain", _run_cascada, replays=True),
        Way("@job", "job", _run_cascada, replays=True),
        Way("MLflow, autolog", "mlflow", _run_mlflow),
        Way("MLflow, by hand", "mlflow_by_hand", _run_mlflow),
    )
    with tempfile.TemporaryDirectory() as folder:
        rows = [_row(project, way, Path(folder)) for project in projects for way in ways]
    print(markdown_table(("project", "way", "lines changed", "facts of 8", "lacking", "replayed"), rows))
    sys.exit(any(row[-1] not in {"IDENTICAL", "no command"} for row in rows))


def _row(project: Project, way: Way, folder: Path) -> tuple[str, ...]:
    root = folder / f"{project.name}-{way.variant}"
    _prepare(project, way, root)
    expected = set(FACTS) if project.outputs else set(FACTS) - {"outputs"}
    found = way.run(project, root) & expected
    lacking = ", ".join(fact for fact in FACTS if fact in expected - found) or "–"
    verdict = _verify(project, root) if way.replays else "no command"
    return (
        project.name,
        way.name,
        str(changed_lines(project, way)),
        f"{len(found)} of {len(expected)}",
        lacking,
        verdict,
    )


def _prepare(project: Project, way: Way, root: Path) -> None:
    """Make a repository of the plain project; the variant is an uncommitted change of it."""
    shutil.copytree(_PROJECTS / project.name.lower() / "plain", root)
    generator = np.random.default_rng(1)
    features = generator.normal(size=(2000, 3))
    labels = features @ [1.0, -0.5, 0.2] + generator.normal(size=2000) > 0
    table = np.column_stack([features, labels])
    np.savetxt(root / "table.csv", table, delimiter=",", header="a,b,c,label", comments="")
    (root / ".gitignore").write_text(".cascada/\nmlruns/\nmlflow.db\ntable.csv\npredictions.txt\nprofile.txt\n")
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "start")):
        subprocess.run(["git", *identity, *command], cwd=root, check=True)
    shutil.copytree(_PROJECTS / project.name.lower() / way.variant, root, dirs_exist_ok=True)


def changed_lines(project: Project, way: Way) -> int:
    """Count the lines of code that a variant adds to the plain project or removes from it."""
    folder = _PROJECTS / project.name.lower()
    sides = [_code(folder / variant / project.script) for variant in ("plain", way.variant)]
    return sum(line[0] in "+-" for line in list(difflib.unified_diff(*sides, n=0))[2:])


def _code(path: Path) -> list[str]:
    if path.suffix != ".ipynb":
        return path.read_text().splitlines()
    cells = json.loads(path.read_text())["cells"]
    return [line for cell in cells for line in "".join(cell["source"]).splitlines()]


def _call(project: Project, root: Path, *arguments: str) -> str:
    apart = {"MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if arguments[: len(_CASCADA)] == _CASCADA:
        apart["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"  # the record is looked at, not its copy
    answer = subprocess.run(
        [project.python, *arguments], cwd=root, env=os.environ | apart, capture_output=True, text=True, check=False
    )
    if answer.returncode not in {0, 1, 2}:
        sys.exit(answer.stderr)
    return answer.stdout


def _run_cascada(project: Project, root: Path) -> set[str]:
    outputs = [word for path in project.outputs for word in ("--out", path)]
    _call(project, root, *_CASCADA, "run", "--data", "table.csv", *outputs, project.script)
    return _recorded_facts(root)


def _recorded_facts(root: Path) -> set[str]:
    (path,) = (root / ".cascada" / "runs").glob("*/manifest.json")
    found = Manifest.model_validate_json(path.read_text())
    if found.status != "finished":
        sys.exit(f"{root.name}: {found.error}")
    held = {
        "data": all(one.get("sha256") for one in found.dataset["inputs"]),
        "parameters": found.training["parameters"],
        "metrics": found.assessment["metrics"],
        "outputs": found.assessment["outputs"],
        "code and changes": found.code.commit and (not found.code.dirty or found.code.diff_sha256),
        "seed": found.randomness["seeds"],
        "all packages": found.software.lock_sha256,
        "hardware": found.hardware.processor,
    }
    return {fact for fact, holds in held.items() if holds}


def _run_mlflow(project: Project, root: Path) -> set[str]:
    start = _NOTEBOOK if project.script.endswith(".ipynb") else ()
    _call(project, root, *start, project.script)
    return _tracked_facts(root)


def _tracked_facts(root: Path) -> set[str]:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    files = {one.path for one in client.list_artifacts(run.info.run_id)}
    held: dict[str, Any] = {
        "data": run.inputs.dataset_inputs,
        "parameters": run.data.params,
        "metrics": run.data.metrics,
        "outputs": files & {"predictions.txt", "profile.txt"},
        "code and changes": "mlflow.source.git.commit" in run.data.tags and "changes.diff" in files,
        "seed": "seed" in run.data.params,
        "all packages": "lock.txt" in files,
        "hardware": "hardware.json" in files,
    }
    return {fact for fact, holds in held.items() if holds}


def _verify(project: Project, root: Path) -> str:
    (path,) = (root / ".cascada" / "runs").glob("*/manifest.json")
    answer = _call(project, root, *_CASCADA, "verify", path.parent.name, "--json")
    return str(json.loads(answer)["comparison"]["verdict"])


if __name__ == "__main__":
    main()
