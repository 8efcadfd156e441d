"""`cascada run` and `cascada runs` as a user calls them, in a project that knows nothing of cascada."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from repositories import repository, write

TRAIN = """
import sys
from pathlib import Path
print("training", sys.argv[1:])
print("careful", file=sys.stderr)
Path("model.txt").write_text("trained")
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
"""
JOB = "from cascada import job\n@job\ndef train(epochs: int = 3):\n    return {'epochs': epochs}\ntrain()\n"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return repository(tmp_path / "work", {"train.py": TRAIN, "job.py": JOB, "data.csv": "1\n"})


def cascada(work: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = ("CASCADA_", "MLFLOW_", "PREFECT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept |= {"MLFLOW_TRACKING_URI": f"sqlite:///{work.parent / 'mlflow.db'}"} | environment
    command = [str(Path(sys.executable).parent / "cascada"), *arguments]
    return subprocess.run(command, cwd=work, env=kept, capture_output=True, text=True, check=False, timeout=120)


def runs(work: Path) -> list[dict[str, Any]]:
    answer = cascada(work, "runs", "--json")
    assert answer.returncode == 0, answer.stderr
    listed: list[dict[str, Any]] = json.loads(answer.stdout)
    return listed


def test_a_script_is_run_without_a_change(work: Path) -> None:
    answer = cascada(
        work, "run", "--data", "data.csv", "--seed", "7", "--out", "model.txt", "--name", "mine", "train.py", "--", "3",
        "--fast", MLFLOW_TRACKING_URI="http://127.0.0.1:9",
    )  # fmt: skip
    assert answer.returncode == 3
    assert answer.stdout == "training ['3', '--fast']\n"
    assert answer.stderr.startswith("careful\nrun ")
    assert answer.stderr.endswith(" failed: exit code 3\n")
    (listed,) = runs(work)
    assert listed["run_id"] == answer.stderr.split()[2]
    assert (listed["state"], listed["exit_code"], listed["experiment"]) == ("failed", 3, "mine")
    assert listed["command"] == "train.py 3 --fast"
    manifest = json.loads((Path(listed["folder"]) / "manifest.json").read_text())
    assert manifest["randomness"]["root_seed"] == 7
    assert manifest["dataset"]["inputs"][0]["path"] == "data.csv"
    assert list(manifest["assessment"]["outputs"]) == ["model.txt"]


def test_a_job_takes_its_parameters_from_file_and_command_line(work: Path) -> None:
    write(work, "params.yaml", "epochs: 5\n")
    down = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    assert cascada(work, "run", "--params", "params.yaml", "job.py", **down).returncode == 0
    assert cascada(work, "run", "--params", "params.yaml", "--set", "epochs=9", "job.py", **down).returncode == 0
    assert [run["metrics"] for run in runs(work)] == [{"epochs": 9.0}, {"epochs": 5.0}]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("trian.py",), 2, "did you mean train.py?"), (("--data", "dat.csv", "train.py"), 4, "did you mean data.csv?"),
        (("--params", "none.yaml", "job.py"), 2, "there is no such parameter file"),
        (("--set", "epoch=1", "job.py"), 2, "did you mean epochs?"), (("train.py", "--fast"), 2, "No such option"),
    ],
)  # fmt: skip
def test_refusals(work: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    answer = cascada(work, "run", *arguments, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert answer.returncode == code
    assert words in answer.stderr


def test_runs_reach_mlflow_by_themselves_or_by_sync(work: Path) -> None:
    assert cascada(work, "run", "job.py", MLFLOW_TRACKING_URI="http://127.0.0.1:9").returncode == 0
    refused = cascada(
        work, "runs", "sync", MLFLOW_TRACKING_URI="http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0"
    )
    assert refused.returncode == 5
    assert "MLflow did not take every run" in refused.stderr
    assert runs(work)[0]["mlflow"] == "pending"
    assert cascada(work, "run", "job.py").returncode == 0
    deadline = time.monotonic() + 90
    while {run["mlflow"] for run in runs(work)} != {"done"} and time.monotonic() < deadline:
        time.sleep(0.5)
    answer = cascada(work, "runs", "sync", "--json")
    assert json.loads(answer.stdout) == {"done": {}, "pending": {}}
    assert [run["mlflow"] for run in runs(work)] == ["done", "done"]


def test_without_runs_the_list_says_how_to_make_one(work: Path) -> None:
    assert "cascada run script.py" in cascada(work, "runs").stdout
    assert runs(work) == []
