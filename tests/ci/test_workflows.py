"""Linters of the workflows find nothing in ours and every planted defect."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from projects import REPOSITORY

BIN = Path(sys.executable).parent
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((REPOSITORY / ".github" / "actions").glob("*/action.yml"))


def complaints(*command: str | Path) -> str:
    """Run a linter and return what it complains of; empty when it is content."""
    answer = subprocess.run(
        [str(BIN / command[0]), *map(str, command[1:])], capture_output=True, text=True, check=False
    )
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr


def zizmor(path: Path) -> str:
    """Look for what can be attacked in a workflow, and in all that lies beside it."""
    return complaints("zizmor", "--offline", "--quiet", "--no-progress", path.parents[1])


def schema(path: Path) -> str:
    kind = "github-workflows" if path in path.parents[1].glob("workflows/*") else "github-actions"
    return complaints("check-jsonschema", "--builtin-schema", f"vendor.{kind}", path)


def shellcheck(path: Path) -> str:
    """Check every ``run`` as the shell that executes it."""
    said = []
    for step in steps_of(yaml.safe_load(path.read_text())):
        script = f"#!/usr/bin/env bash\nset -e\n{step.get('run', 'true')}\n"
        command = [str(BIN / "shellcheck"), "--severity=style", "-"]
        answer = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        said.append("" if answer.returncode == 0 else answer.stdout)
    return "".join(said)


def steps_of(document: dict[str, dict[str, dict[str, list[dict[str, str]]]]]) -> list[dict[str, str]]:
    jobs = list(document["jobs"].values()) if "jobs" in document else [document["runs"]]
    return [step for job in jobs for step in job.get("steps", [])]


def house(path: Path) -> str:
    """Hold what the linters leave to us: nothing granted on top, limits, expressions through ``env`` alone."""
    workflow = yaml.safe_load(path.read_text())
    said = [] if workflow.get("permissions") == {} else ["permissions on top are not {}"]
    for name, job in workflow["jobs"].items():
        said += [] if "permissions" in job else [f"{name}: no permissions"]
        said += [] if "uses" in job or job.get("timeout-minutes", 360) <= 350 else [f"{name}: no timeout"]
    said += [f"expression in a script: {step['run']}" for step in steps_of(workflow) if "${{" in step.get("run", "")]
    grouped = "concurrency" in workflow or any("concurrency" in job for job in workflow["jobs"].values())
    return "\n".join(said if grouped else [*said, "no concurrency group"])


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: path.stem)
def test_ours_are_clean(path: Path) -> None:
    assert schema(path) == ""
    assert shellcheck(path) == ""
    if path in WORKFLOWS:
        assert house(path) == ""


def test_nothing_of_ours_can_be_attacked() -> None:
    assert zizmor(WORKFLOWS[0]) == ""


DEFECTS = {
    "an action that is not pinned": (zizmor, "ci", "@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "unpinned"),
    "text of an event in a script": (
        zizmor, "ci", "- run: make check", "- run: echo ${{ github.event.pull_request.title }}", "template-injection",
    ),
    "a checkout that keeps the token": (zizmor, "verify", "persist-credentials: false", "clean: true", "artipacked"),
    "a secret for everybody": (
        zizmor, "train", "    secrets:\n      PREFECT_API_AUTH_STRING: ${{ secrets.PREFECT_API_AUTH_STRING }}",
        "    secrets: inherit", "secrets-inherit",
    ),
    "missing permissions on top": (house, "promote", "permissions: {}\n", "", "permissions on top"),
    "missing permissions of a job": (
        house, "verify", "    permissions:\n      contents: read\n", "", "verify: no permissions",
    ),
    "a job without a limit": (house, "verify", "    timeout-minutes: 350\n", "", "verify: no timeout"),
    "a key that is none": (schema, "train", "timeout-minutes: 15", "timeout_minutes: 15", "timeout_minutes"),
    "a trigger that is none": (schema, "verify", "schedule:", "shedule:", "shedule"),
    "an unquoted variable": (shellcheck, "verify", '"$MODEL@champion"', "$MODEL@champion", "SC2086"),
    "a shell that does not parse": (shellcheck, "promote", '--reason "$REASON"', '--reason "$REASON', "SC1"),
}  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(defect: str, tmp_path: Path) -> None:
    look, name, before, after, found = DEFECTS[defect]
    shutil.copytree(REPOSITORY / ".github", tmp_path / ".github")
    path = tmp_path / ".github" / "workflows" / f"{name}.yml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    assert found in look(path)


def test_the_page_shows_a_job_that_gitlab_would_take(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "ci.md").read_text()
    shown = page.split("```yaml\n")[1].partition("```")[0]
    (tmp_path / ".gitlab-ci.yml").write_text(shown)
    assert complaints("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", tmp_path / ".gitlab-ci.yml") == ""
    assert "cascada ci train --base" in yaml.safe_load(shown)["train"]["script"][1]
