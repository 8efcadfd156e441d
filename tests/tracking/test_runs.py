"""What is logged to a real MLflow store comes back from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from cascada.errors import ArtifactError
from cascada.tracking import runs


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield folder


def start(store: Path, experiment: str = "showers", **facts: dict[str, object]) -> str:
    given = {"params": {}, "tags": {}} | facts
    return runs.start_run(experiment, name="fit", artifacts=store / "artifacts", **given)


@pytest.fixture
def run_id(store: Path) -> str:
    return start(store)


def stored(run_id: str) -> Run:
    return MlflowClient().get_run(run_id)


def history(run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(entry.step, entry.value) for entry in MlflowClient().get_metric_history(run_id, metric)]


def test_a_run_starts_with_parameters_and_tags(store: Path) -> None:
    run = stored(start(store, params={"seed": 7, "hidden": (8, 8), "rate": 5e-3}, tags={"git": "abc"}))
    assert run.data.params == {"seed": "7", "hidden": "(8, 8)", "rate": "0.005"}
    assert run.data.tags["git"] == "abc"
    assert (run.info.run_name, run.info.status) == ("fit", "RUNNING")


def test_runs_share_an_experiment_by_name(store: Path) -> None:
    one, other, alone = (stored(start(store, name)).info.experiment_id for name in ("same", "same", "alone"))
    assert one == other != alone
    assert MlflowClient().get_experiment(one).name == "same"


def test_files_lie_where_the_experiment_says(store: Path, run_id: str) -> None:
    assert stored(run_id).info.artifact_uri.startswith((store / "artifacts").as_uri())


def test_an_experiment_that_was_deleted_in_the_ui_is_restored(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = start(store, "deleted")
    MlflowClient().delete_experiment(stored(first).info.experiment_id)
    second = stored(start(store, "deleted"))
    assert (second.info.status, second.info.lifecycle_stage) == ("RUNNING", "active")
    assert second.info.experiment_id == stored(first).info.experiment_id
    assert stored(first).info.lifecycle_stage == "active"
    assert "'deleted' was deleted in MLflow; it is restored, with its runs" in caplog.text


def test_metrics_come_back(run_id: str) -> None:
    runs.log_metrics(run_id, {"accuracy": 0.75, "auc": 0.9})
    runs.log_metrics(run_id, {"accuracy": 0.8}, step=3)
    assert history(run_id, "accuracy") == [(0, 0.75), (3, 0.8)]
    assert stored(run_id).data.metrics == {"accuracy": 0.8, "auc": 0.9}


@pytest.mark.parametrize("epochs", [1, 3, 600])  # a batch of MLflow holds 1000 metrics
def test_a_history_comes_back_epoch_by_epoch(run_id: str, epochs: int) -> None:
    runs.log_history(run_id, [{"loss": 1 / (1 + epoch), "val_loss": float(epoch)} for epoch in range(epochs)])
    assert history(run_id, "loss") == [(epoch, 1 / (1 + epoch)) for epoch in range(epochs)]
    assert history(run_id, "val_loss") == [(epoch, float(epoch)) for epoch in range(epochs)]


def test_an_empty_history_is_no_error(run_id: str) -> None:
    runs.log_history(run_id, [])
    assert stored(run_id).data.metrics == {}


def test_tags_can_be_changed(run_id: str) -> None:
    runs.set_tags(run_id, {"stage": "fitted", "note": "first"})
    runs.set_tags(run_id, {"note": "second"})
    assert {key: stored(run_id).data.tags[key] for key in ("stage", "note")} == {"stage": "fitted", "note": "second"}


def test_the_data_set_is_recorded_by_its_own_digest(run_id: str) -> None:
    runs.log_dataset(run_id, name="demo", digest="abcd" * 16, source="data/demo", rows=123)
    (given,) = stored(run_id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.source) == ("demo", "data/demo")
    assert given.dataset.digest == ("abcd" * 16)[:36]
    assert given.dataset.profile == '{"num_rows": 123}'
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]


def test_a_folder_of_files_comes_back(tmp_path: Path, run_id: str) -> None:
    sent = tmp_path / "sent"
    (sent / "deep").mkdir(parents=True)
    (sent / "spec.json").write_text("{}")
    (sent / "deep" / "weights").write_bytes(bytes(range(256)))
    runs.log_files(run_id, sent, "bundle")
    runs.log_files(run_id, sent / "spec.json", "other")
    fetched = runs.fetch_files(run_id, "bundle", tmp_path / "new" / "place")
    assert fetched.is_relative_to(tmp_path / "new" / "place")
    assert sorted(p.relative_to(fetched).as_posix() for p in fetched.rglob("*")) == [
        "deep",
        "deep/weights",
        "spec.json",
    ]
    assert (fetched / "deep" / "weights").read_bytes() == bytes(range(256))
    assert (runs.fetch_files(run_id, "other", tmp_path / "other") / "spec.json").read_text() == "{}"


def test_a_file_without_a_folder_lies_at_the_top(tmp_path: Path, run_id: str) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    runs.log_files(run_id, tmp_path / "manifest.json")
    assert [file.path for file in MlflowClient().list_artifacts(run_id)] == ["manifest.json"]


def test_files_that_are_not_there_are_refused_with_the_next_step(tmp_path: Path, store: Path, run_id: str) -> None:
    with pytest.raises(ArtifactError, match=f"'bundle' of run {run_id}") as caught:
        runs.fetch_files(run_id, "bundle", tmp_path)
    assert caught.value.where == f"sqlite:///{store / 'mlflow.db'}"
    assert "--refresh" in caught.value.hint


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="0" * 32):
        runs.fetch_files("0" * 32, "bundle", tmp_path)


@pytest.mark.parametrize(("failed", "status"), [(False, "FINISHED"), (True, "FAILED")])
def test_a_run_ends_as_it_went(run_id: str, failed: bool, status: str) -> None:
    runs.end_run(run_id, failed=failed)
    info = stored(run_id).info
    assert info.status == status
    assert info.end_time is not None


def test_consumption_is_summed_over_an_experiment_and_told_of_a_run(store: Path) -> None:
    first = start(store, "costly", tags={"wall_s": "1800", "energy_kwh": "0.5", "money": "2"})
    start(store, "costly", tags={"wall_s": "5400", "energy_kwh": "1.5"})
    found = runs.consumption("costly")
    assert found == {"runs": 2, "hours": 2.0, "energy_kwh": 2.0, "money": 2.0}
    assert runs.consumption(first)["hours"] == 0.5
    with pytest.raises(ArtifactError, match="no run and no experiment 'costl'") as caught:
        runs.consumption("costl")
    assert "did you mean costly" in caught.value.hint
