"""`cascada check` on a real project with recorded runs, as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import repository, write

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


def cascada(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = {**os.environ, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "COLUMNS": "100", "CASCADA_ROOT": ""}
    quiet.pop("CASCADA_ROOT")
    command = [str(Path(sys.executable).with_name("cascada")), *arguments]
    return subprocess.run(command, cwd=root, env=quiet, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run."""
    root = repository(tmp_path_factory.mktemp("check") / "work", FILES)
    answer = cascada(root, "run", "--data", "train.csv", "--data", "test.csv", "fit.py")
    assert answer.returncode == 0, answer.stderr
    return root


def statuses(answer: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {item["id"]: item["status"] for item in json.loads(answer.stdout)["items"]}


def test_a_recorded_run(project: Path) -> None:
    answer = cascada(project, "check", "--json")
    assert answer.returncode == 1, answer.stderr
    found = statuses(answer)
    assert [one for one in found if found[one] == "fail"] == [
        *("DAT-3", "DAT-4", "EVA-2", "EVA-3", "SOF-1", "SOF-4", "SOF-5", "SOF-6"),
        *("SHR-4", "SHR-6", "SHR-7", "SHR-8", "SHR-9"),
    ]
    assert found["SPL-2"] == found["EVA-1"] == found["RND-1"] == "pass"


def test_the_page_in_the_terminal(project: Path) -> None:
    answer = cascada(project, "check")
    assert max(map(len, answer.stdout.splitlines())) <= 100
    assert "never repeated → cascada verify" in answer.stdout
    assert "required and not met: DAT-3, EVA-2, SOF-1, SHR-9" in answer.stdout
    assert "ML checklist: " in answer.stdout


def test_a_folder_from_elsewhere(project: Path, tmp_path: Path) -> None:
    assert statuses(cascada(tmp_path, "check", str(project), "--json"))["DAT-1"] == "pass"
    bare = cascada(tmp_path, "check", "--json")
    assert statuses(bare)["SHR-1"] == "fail"
    assert json.loads(bare.stdout)["run_id"] == ""


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [(["nowhere"], 4, "there is no such folder"), (["--run", "zzz"], 6, "there is no run 'zzz'")],
)
def test_refusals(project: Path, arguments: list[str], code: int, told: str) -> None:
    answer = cascada(project, "check", *arguments)
    assert answer.returncode == code
    assert told in answer.stderr


def test_unknown_answers_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "cascada-check.yaml", "DAT-88: {answer: yes, reason: x}\n")
    answer = cascada(tmp_path, "check")
    assert answer.returncode == 2
    assert "there is no requirement DAT-88" in answer.stderr
