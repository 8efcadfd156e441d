"""Trials of a search are heard, numbered over processes, and recorded each by itself."""

from __future__ import annotations

from pathlib import Path

from repositories import repository

from cascada import trial
from cascada.jobs.execute import execute

SEARCH = """
from concurrent.futures import ProcessPoolExecutor
from cascada import on, trial
@on("trial_start")
@on("trial_end")
def say(event):
    print(event.name, event.facts, flush=True)
def attempt(rate):
    with trial({"rate": rate}) as one:
        one.log_metrics({"loss": rate**2})
        if rate > 1:
            raise OverflowError("too fast")
if __name__ == "__main__":
    attempt(0.5)
    try:
        attempt(2)
    except OverflowError:
        pass
"""
PARALLEL = """
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(attempt, [0.125] * 40))
"""


def test_trials_are_heard_and_recorded(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"search.py": SEARCH})
    record = execute("search.py", cwd=root, record_folder=root / ".cascada" / "runs" / "a")
    assert record.manifest.status == "finished", record.log.read_text()
    assert record.log.read_text().splitlines() == [
        "trial_start {'number': 0, 'parameters': {'rate': 0.5}}",
        "trial_end {'number': 0, 'metrics': {'loss': 0.25}, 'error': ''}",
        "trial_start {'number': 1, 'parameters': {'rate': 2}}",
        "trial_end {'number': 1, 'metrics': {'loss': 4}, 'error': 'OverflowError: too fast'}",
    ]
    assert record.parameters() == {"trial.0.rate": 0.5, "trial.1.rate": 2}
    assert record.manifest.assessment["metrics"] == {"trial.0.loss": 0.25, "trial.1.loss": 4.0}


def test_processes_share_the_count(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"search.py": SEARCH + PARALLEL})
    record = execute("search.py", cwd=root, record_folder=root / ".cascada" / "runs" / "a")
    assert sorted(record.parameters()) == sorted(f"trial.{number}.rate" for number in range(42))


def test_outside_of_a_run_code_runs_plainly() -> None:
    with trial({"rate": 1}) as one:
        one.log_metrics({"loss": 0.5})
    assert (one.number, one.metrics) == (-1, {"loss": 0.5})
