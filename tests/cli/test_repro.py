"""`cascada verify`, `score` and `diff` as a user calls them, on a project of scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from projects import Project

SCRIPT = """
import sys
import numpy
from cascada.jobs.active import log_metrics
log_metrics({"draw": numpy.random.normal(), "rate": float(sys.argv[1])})
"""


@pytest.fixture(scope="module")
def lone(new_project: Callable[..., Project]) -> Project:
    """A project with two runs of a script."""
    project = new_project()
    (project.root / "draw.py").write_text(SCRIPT)
    for rate in ("0.1", "0.2"):
        answer = project.cascada("run", "draw.py", "--", rate)
        assert answer.returncode == 0, answer.stderr
    return project


def runs(project: Project) -> list[str]:
    """Ids of the runs, the one at rate 0.1 first."""
    manifests = [json.loads(path.read_text()) for path in (project.root / ".cascada" / "runs").glob("*/manifest.json")]
    return [m["run_id"] for m in sorted(manifests, key=lambda m: str(m["command"]))]


def test_verify_then_score(lone: Project) -> None:
    run = runs(lone)[0]
    before = lone.cascada("score", run, "--json")
    assert json.loads(before.stdout)["aspects"][3]["level"] == 2
    answer = lone.cascada("verify", run[:6], "--junit", "out/verify.xml")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("IDENTICAL")
    suite = ElementTree.parse(lone.root / "out" / "verify.xml").find("testsuite")  # noqa: S314
    assert suite is not None
    assert suite.get("name") == f"cascada verify {run}"
    after = lone.cascada("score", run, "--json", "--require", "1")
    aspects = {one["aspect"]: one["level"] for one in json.loads(after.stdout)["aspects"]}
    assert aspects["training"] == aspects["assessment"] == aspects["randomness"] == 3
    assert after.returncode == 1
    assert "below level 1: dataset, preprocessing, partitions" in after.stderr
    (path,) = (lone.root / ".cascada" / "runs" / run / "verifications").glob("*.json")
    path.write_text(path.read_text().replace('"detail": ""', '"detail": "as before"'))
    altered = lone.cascada("score", run, "--json")
    assert max(one["level"] for one in json.loads(altered.stdout)["aspects"]) == 2, altered.stderr
    assert "a verification does not count: this is not what was signed" in altered.stderr


def test_diverged_is_exit_code_one(lone: Project) -> None:
    run = runs(lone)[1]
    path = lone.root / ".cascada" / "runs" / run / "manifest.json"
    whole = path.read_text()
    path.write_text(whole.replace('"rate": 0.2', '"rate": 0.3'))
    answer = lone.cascada("verify", run, "--json", "--level", "hashes")
    path.write_text(whole)
    assert answer.returncode == 1, answer.stderr
    assert json.loads(answer.stdout)["comparison"]["verdict"] == "DIVERGED"


def test_a_difference_on_a_page(lone: Project) -> None:
    one, other = runs(lone)
    answer = lone.cascada("diff", one, other, "--html", "out/diff.html")
    assert answer.returncode == 0, answer.stderr
    assert "rate" in answer.stdout
    found = json.loads(lone.cascada("diff", one, other, "--json").stdout)
    assert {m["name"]: m["equal"] for m in found["metrics"]} == {"draw": True, "rate": False}
    assert found["code"]["same"]
    assert one in (lone.root / "out" / "diff.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["verify", "nothing"], 6, "there is no run 'nothing'"),
        (["score", "demo@champion"], 6, "no version of the model 'demo' has the alias 'champion'"),
        (["verify", "x", "--level", "all"], 2, "--level is hashes or replay"),
        (["verify", "x", "--seeds", "2"], 2, "--seeds needs at least 3"),
        (["diff", "x"], 2, "Missing argument"),
    ],
)
def test_refusals(lone: Project, arguments: list[str], code: int, told: str) -> None:
    answer = lone.cascada(*arguments)
    assert answer.returncode == code, answer.stderr
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
