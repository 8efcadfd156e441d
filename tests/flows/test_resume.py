"""`cascada train --resume`: a run killed in the middle of its fit goes on to the same model."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from projects import SMALL, Project

from cascada.training.course import Course
from cascada.training.fit import CHECKPOINT

pytestmark = pytest.mark.slow

EPOCHS = 25
LONG = (*SMALL, "--set", f"training.epochs={EPOCHS}", *("--set", "model.dropout=0.05", "--set", "training.threads=1"))


def checkpoints(project: Project) -> list[Path]:
    return list((project.root / ".cascada" / "checkpoints").glob(f"*/member-*/{CHECKPOINT}"))


def kill_in_the_fit(project: Project) -> Course:
    """Start a training and kill it after some epochs."""
    deadline = time.monotonic() + 600
    with subprocess.Popen(["cascada", "train", *LONG], cwd=project.root, env=project.environment) as child:
        try:
            while not (found := checkpoints(project)) or Course.load(found[0]).epoch < 3:
                assert child.poll() is None, "the run ended before it was killed"
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            child.send_signal(signal.SIGKILL)
    return Course.load(checkpoints(project)[0])


def tags(project: Project, key: str) -> list[tuple[str, str]]:
    with sqlite3.connect(project.root / ".cascada" / "mlflow.db") as database:
        return database.execute("select run_uuid, value from tags where key = ?", (key,)).fetchall()


@pytest.mark.timeout(1500)
def test_a_killed_run_goes_on_to_the_same_model(project: Project) -> None:
    left = kill_in_the_fit(project)
    assert 3 <= left.epoch < EPOCHS
    answer = project.cascada("train", *LONG, "--resume", "--json", timeout=600)
    assert answer.returncode == 0, answer.stderr
    assert "no interrupted fit" not in answer.stderr
    resumed = project.train(*LONG)
    ((run, interrupted),) = tags(project, "resumes")
    assert run == resumed["run_id"] != interrupted
    assert checkpoints(project) == []
    whole = project.cascada("train", *LONG, "--resume", "--refresh", "--json", timeout=600)
    assert whole.returncode == 0, whole.stderr
    assert "no interrupted fit of this experiment" in whole.stderr
    anew = project.train(*LONG)
    assert anew["run_id"] != resumed["run_id"]
    for name in ("model.onnx", "weights.safetensors", "reference_scores.npy"):
        one, other = (
            project.root / ".cascada" / "mlartifacts" / outcome["run_id"] / "artifacts" / "bundle" / name
            for outcome in (resumed, anew)
        )
        assert one.read_bytes() == other.read_bytes(), name
    assert anew["evaluation"] == resumed["evaluation"]
