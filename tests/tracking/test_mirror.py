"""A record is copied into a real MLflow store, once, however often and however brokenly."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from projects import free_port
from repositories import repository

from cascada.jobs.execute import execute
from cascada.jobs.mirror import pending_records, start_mirror, sync_records
from cascada.repro.record import RunRecord
from cascada.tracking.mirror import mirror_record

SCRIPT = """
import sys
from cascada import log_metrics
from cascada.jobs.active import current
current().log_params({"model": {"layers": [8, 4]}, "what is@this": "x" * 9000})
for step in range(int(sys.argv[2])):
    log_metrics({"loss": step * 0.5}, step)
log_metrics({"accuracy@1": 0.75, "broken": float("nan")}, 0)
log_metrics({"accuracy@1": 0.75}, 0)
print("done")
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all its tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def home(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CASCADA_ROOT", raising=False)
    root = repository(tmp_path / "work", {"train.py": SCRIPT})
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_tracking_uri(None)
    return root / ".cascada"


def run(home: Path, code: int = 0, steps: int = 10, name: str = "a") -> RunRecord:
    return execute("train.py", (str(code), str(steps)), cwd=home.parent, record_folder=home / "runs" / name)


def test_a_copy_is_complete_and_a_second_one_changes_nothing(home: Path) -> None:
    record = run(home, steps=2500)
    run_id = mirror_record(record, home / "mlartifacts")
    client = MlflowClient()
    first = client.get_run(run_id)
    assert mirror_record(record, home / "mlartifacts") == run_id
    again = client.get_run(run_id)
    assert str(first.data.to_dictionary()) == str(again.data.to_dictionary())  # NaN is not NaN
    assert first.info.status == "FINISHED"
    assert first.data.params["model.layers"] == "[8, 4]"
    assert first.data.params["what is_this"] == "x" * 2000
    assert first.data.metrics["accuracy_1"] == 0.75
    assert first.data.tags["cascada.run_id"] == "a"
    assert {file.path for file in client.list_artifacts(run_id)} == {"manifest.json", "lock.txt", "output.log"}
    history = client.get_metric_history(run_id, "loss")
    assert [point.step for point in history] == [*range(0, 2500, 3)]
    assert history[-1].value == 2499 * 0.5


def test_a_failed_run_is_failed_in_mlflow(home: Path) -> None:
    run_id = mirror_record(run(home, code=3), home / "mlartifacts")
    assert MlflowClient().get_run(run_id).info.status == "FAILED"
    assert MlflowClient().get_run(run_id).data.tags["cascada.error"] == "exit code 3"


def test_while_mlflow_is_down_nothing_is_lost(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run(home)
    port = free_port()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with monkeypatch.context() as down:
        down.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        synced = sync_records(home)
    assert list(synced.pending) == ["a"]
    assert record.mirror()["status"] == "pending"
    assert str(port) in record.mirror()["error"]
    synced = sync_records(home)
    assert list(synced.done) == ["a"]
    assert record.mirror() == {"status": "done", "run_id": synced.done["a"], "error": ""}
    assert pending_records(home) == []
    assert sync_records(home).done == {}


def test_after_three_failures_in_a_row_the_rest_waits(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run(home)
    for number in range(4):
        shutil.copytree(record.folder, home / "runs" / f"copy{number}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert len(sync_records(home).pending) == 3
    assert len(pending_records(home)) == 5


def test_one_process_copies_and_one_waits_for_its_turn(home: Path) -> None:
    run(home)
    with (home / "runs" / ".next").open("w") as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)
        assert sync_records(home, wait=False).done == {}
    assert list(sync_records(home, wait=False).done) == ["a"]


def test_a_copy_that_broke_off_is_completed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = run(home)

    def out_of_space(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("cascada.tracking.mirror.log_files", out_of_space)
        assert "no space left" in sync_records(home).pending["a"]
    run_id = sync_records(home).done["a"]
    (only,) = MlflowClient().search_runs([MlflowClient().get_experiment_by_name("train").experiment_id])
    assert only.info.run_id == run_id
    assert only.info.status == "FINISHED"
    assert record.mirror()["status"] == "done"


def test_the_copy_is_made_beside_the_run(home: Path) -> None:
    record = run(home)
    start_mirror(home)
    deadline = time.monotonic() + 60
    while record.mirror()["status"] != "done" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert MlflowClient().get_run(record.mirror()["run_id"]).data.metrics["accuracy_1"] == 0.75


def test_a_run_in_progress_is_left_alone(home: Path) -> None:
    record = run(home)
    code = "import sys, json; print(json.dumps(__import__('cascada.repro.record', fromlist=['x']).supervisor()))"
    gone = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    from cascada.repro.record import supervisor

    record.write(record.manifest.model_copy(update={"status": "running", "process": supervisor()}))
    assert pending_records(home) == []
    record.write(record.manifest.model_copy(update={"process": gone}))
    assert pending_records(home) == [record]
