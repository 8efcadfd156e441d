"""Once cascada is installed, MLflow's own runs carry the state they happened in, without a line in the script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from projects import REPOSITORY
from repositories import git, repository, write

from cascada.repro.environment import code_state

GROUP = "mlflow.run_context_provider"
ASK = "import json; from mlflow.tracking.context.registry import resolve_tags; print(json.dumps(resolve_tags()))"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder in which cascada's entry points are installed as its wheel would install them."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    points = "".join(f"{name} = {target}\n" for name, target in project["entry-points"][GROUP].items())
    write(tmp_path, "site/cascada-0.dist-info/METADATA", "Metadata-Version: 2.1\nName: cascada\nVersion: 0\n")
    write(tmp_path, "site/cascada-0.dist-info/entry_points.txt", f"[{GROUP}]\n{points}")
    return tmp_path / "site"


def tags(work: Path, installed: Path) -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{REPOSITORY}"}
    answer = subprocess.run(
        [sys.executable, "-c", ASK], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, str] = json.loads(answer.stdout.splitlines()[-1])
    return {name: value for name, value in found.items() if name.startswith("cascada.")}


def test_plain_mlflow_runs_carry_the_context(tmp_path: Path, installed: Path) -> None:
    work = repository(tmp_path / "work", {"train.py": ""})
    write(work, "train.py", "changed = 1\n")
    found = tags(work, installed)
    assert found["cascada.commit"] == git(work, "rev-parse", "HEAD").strip()
    assert (found["cascada.dirty"], found["cascada.changes_sha256"]) == ("true", code_state(work).changes_sha256)
    assert found["cascada.python"] == ".".join(map(str, sys.version_info[:3]))


def test_outside_of_a_repository_mlflow_goes_on_without(tmp_path: Path, installed: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert tags(tmp_path / "plain", installed) == {}
