"""The README's commands, executed in a checkout as a new user has it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from projects import REPOSITORY, Project

COMMANDS_OF_CI = ["make check", "make test"]


def blocks(document: Path) -> list[list[str]]:
    """The commands of each ``sh`` block, one string a command (continued lines joined)."""
    found = re.findall(r"```sh\n(.*?)```", document.read_text(), flags=re.DOTALL)
    return [re.sub(r"\n\s+", " ", block).strip().splitlines() for block in found]


@pytest.fixture
def checkout(tmp_path: Path, new_project) -> Iterator[Project]:  # type: ignore[no-untyped-def]
    """What git would give a new user, with this session's environment in place of a new one, on ports of its own."""
    template = new_project()
    listed = template.run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=REPOSITORY).stdout
    root = tmp_path / "cascada"
    for name in filter(lambda name: (REPOSITORY / name).is_file(), listed.splitlines()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, root / name)
    # The command and the stamp of this session's environment: `make setup` finds nothing to do.
    subprocess.run(["make", "setup"], cwd=REPOSITORY, check=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "cascada").symlink_to(Path(sys.executable).with_name("cascada"))
    shutil.copy(Path(sys.prefix) / ".locked", root / ".venv")
    project = Project(root, template.environment)
    project.git("init", "--quiet")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "start")
    yield project
    project.cascada("down")


def with_ports(command: str, project: Project) -> str:
    """Put the test's ports in the place of the default ones."""
    settings = project.settings
    ports = {
        4200: settings.prefect_port, 5000: settings.mlflow_port, 3000: settings.service_port,
        8080: settings.overview_port,
    }  # fmt: skip
    return re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda match: str(ports[int(match[0])]), command)


@pytest.mark.timeout(420)
def test_every_command_works_in_order(checkout: Project) -> None:
    commands = [command for block in blocks(REPOSITORY / "README.md") for command in block]
    assert commands[0] == "make demo"
    assert commands[-2:] == COMMANDS_OF_CI, "these two are what CI runs"
    said = {}
    for command in commands[:-2]:
        answer = checkout.run("bash", "-c", with_ports(command, checkout))
        assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
        said[command.split()[0] + " " + command.split()[1]] = answer.stdout
    for told in ("59807 of 60000 showers", "accuracy", "merit_factor_p_fe", "is champion", "p-value", "answered by"):
        assert told in said["make demo"]
    assert json.loads(said["curl --silent"])["model"]["name"] == "demo"
    assert "service" in said[".venv/bin/cascada status"]
    assert checkout.git("status", "--porcelain", "--", "data/demo.dvc") == "", (
        "the demo's data are the committed version"
    )


def test_ci_runs_what_the_readme_says() -> None:
    lines = (REPOSITORY / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("make")] == COMMANDS_OF_CI
    assert blocks(REPOSITORY / "README.md")[-1] == COMMANDS_OF_CI
