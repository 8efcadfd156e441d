"""`cascada check` on a real project with recorded runs, as a user calls it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import repository, write
from typer.testing import CliRunner, Result

from cascada.cli.main import app
from cascada.errors import CascadaError, ConfigError
from cascada.repro.checks.answers import ANSWERS
from cascada.repro.specification import load_specification, render

SCRIPT = """
import numpy as np
from cascada.jobs.active import log_metrics
train, test = (np.loadtxt(f"{part}.csv", delimiter=",", skiprows=1) for part in ("train", "test"))
log_metrics({"error": abs(train[:, 1].mean() - test[:, 1].mean())})
"""
FILES = {
    "fit.py": SCRIPT,
    "train.csv": "x,y\n1,2\n3,4\n",
    "test.csv": "x,y\n5,6\n7,8\n",
    "README.md": "# Fit\n```sh\npython fit.py\n```\n",
    "LICENSE": "MIT\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run."""
    root = repository(tmp_path_factory.mktemp("check") / "work", FILES)
    offline = {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    program = str(Path(sys.executable).with_name("cascada"))
    command = [program, "run", "--data", "train.csv", "--data", "test.csv", "fit.py"]
    subprocess.run(command, cwd=root, env=offline, check=True, capture_output=True)
    return root


def check(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, ["check", *map(str, arguments)])


def statuses(answer: Result) -> dict[str, str]:
    return {item["id"]: item["status"] for item in json.loads(answer.stdout)["items"]}


def test_a_recorded_run(project: Path) -> None:
    answer = check(project, "--json")
    assert answer.exit_code == 1, answer.output
    found = statuses(answer)
    assert [one for one in found if found[one] == "fail"] == [
        *("DAT-3", "DAT-4", "EVA-2", "EVA-3", "SOF-1", "SOF-4", "SOF-5", "SOF-6"),
        *("SHR-4", "SHR-6", "SHR-7", "SHR-8", "SHR-9"),
    ]
    assert found["SPL-2"] == found["EVA-1"] == found["RND-1"] == "pass"


def test_the_page_in_the_terminal(project: Path) -> None:
    answer = check(project)
    assert "never repeated → cascada verify" in answer.output
    assert "required and not met: DAT-3, EVA-2, SOF-1, SHR-9" in answer.output
    assert "ML checklist: " in answer.output


def test_the_run_is_chosen(project: Path) -> None:
    newest = json.loads(check(project, "--json").stdout)["run_id"]
    assert json.loads(check(project, "--run", newest[:6], "--json").stdout)["run_id"] == newest


def test_all_that_must_be_is_exit_code_zero(project: Path, tmp_path: Path) -> None:
    root = shutil.copytree(project, tmp_path / "work")
    known = check(root, "--json")
    must = [item["id"] for item in json.loads(known.stdout)["items"] if item["level"] == "MUST"]
    write(root, ANSWERS, "".join(f"{one}: {{answer: not applicable, reason: a toy}}\n" for one in must))
    assert check(root).exit_code == 0


def test_a_folder_without_git(tmp_path: Path) -> None:
    answer = check(tmp_path, "--json")
    assert statuses(answer)["SHR-1"] == "fail"
    assert json.loads(answer.stdout)["run_id"] == ""


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [(["nowhere"], 4, "there is no such folder"), ([".", "--run", "zzz"], 6, "there is no run 'zzz'")],
)
def test_refusals(project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str) -> None:
    monkeypatch.chdir(project)
    error = check(*arguments).exception
    assert isinstance(error, CascadaError)
    assert (error.exit_code, told in str(error)) == (code, True)


def test_unknown_answers_are_refused(tmp_path: Path) -> None:
    write(tmp_path, ANSWERS, "DAT-88: {answer: yes, reason: x}\n")
    error = check(tmp_path).exception
    assert isinstance(error, ConfigError)
    assert "there is no requirement DAT-88" in str(error)


def test_the_specification_is_printed() -> None:
    assert check("--specification").stdout == render(load_specification())
