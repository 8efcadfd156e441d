"""Callbacks hear what happens, in order, and stop nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from repositories import repository

import cascada
from cascada.errors import ConfigError
from cascada.jobs.execute import execute

SCRIPT = """
import sys
from cascada import job, log_metrics, on
for name in ("run_start", "metric", "run_end", "run_failure"):
    @on(name)
    def say(event):
        # One write a line: standard error goes into the same log, between the pieces that print would write.
        sys.stdout.write(f"{event.name} {event.run_id} {dict(event.facts)}\\n")
@on("metric")
def broken(event):
    raise OSError("no network")
@job
def train(epochs: int = 2):
    log_metrics({"loss": 0.5}, 0)
    return {"accuracy": 1 / (epochs - 2)}
train(epochs=%d)
"""


def test_callbacks_hear_a_run(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"train.py": SCRIPT % 3})
    record = execute("train.py", cwd=root, record_folder=root / ".cascada" / "runs" / "a")
    assert record.manifest.status == "finished"
    said = [line for line in record.log.read_text().splitlines() if not line.startswith("the callback")]
    assert said == [
        "run_start a {'parameters': {'epochs': 3}}", "metric a {'metrics': {'loss': 0.5}, 'step': 0}",
        "metric a {'metrics': {'accuracy': 1.0}, 'step': None}", "run_end a {'error': ''}",
    ]  # fmt: skip
    assert "the callback broken of metric failed: no network" in record.log.read_text()


def test_callbacks_hear_a_failure_before_the_end(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"train.py": SCRIPT % 2})
    record = execute("train.py", cwd=root, record_folder=root / ".cascada" / "runs" / "a")
    said = [line for line in record.log.read_text().splitlines() if line.startswith("run_")]
    assert [line.split(" ", 1)[0] for line in said] == ["run_start", "run_failure", "run_end"]
    assert said[1] == "run_failure a {'error': 'ZeroDivisionError: division by zero'}"


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(ConfigError, match="no event 'run_strat'") as caught:
        cascada.on("run_strat")
    assert "run_start" in caught.value.hint


def test_importing_cascada_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import cascada; print(*set(sys.modules) - before)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in answer.stdout.split()} - sys.stdlib_module_names == {"cascada"}
    assert "cascada.jobs" not in answer.stdout


def test_the_names_of_the_package() -> None:
    assert [getattr(cascada, name).__name__ for name in cascada.__all__] == ["job", "log_metrics", "on", "trial"]
    with pytest.raises(AttributeError, match="no attribute 'jobb'"):
        _ = cascada.jobb
