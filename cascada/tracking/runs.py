"""Runs in MLflow: parameters, metrics, data set and files."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from cascada.errors import ArtifactError, PlatformError, nearest

logger = logging.getLogger(__name__)


def experiment_id(client: MlflowClient, name: str, artifacts: Path) -> str:
    """Find an experiment by its name, make it when new, restore it when deleted; returns its id."""
    existing = client.get_experiment_by_name(name)
    if existing is None:
        return str(client.create_experiment(name, artifact_location=artifacts.as_uri()))
    if existing.lifecycle_stage == LifecycleStage.DELETED:  # MLflow keeps the name of a deleted experiment taken
        logger.warning(
            "the experiment %r was deleted in MLflow; it is restored, with its runs, to take a new one", name
        )
        client.restore_experiment(existing.experiment_id)
    return str(existing.experiment_id)


def start_run(
    experiment: str, *, name: str, artifacts: Path, params: Mapping[str, object], tags: Mapping[str, str]
) -> str:
    """Open a run and return its id.

    Parameters
    ----------
    experiment
        Name of the MLflow experiment; created when new.
    name
        Name of the run, for people.
    artifacts
        Folder for the files of new experiments.
    params, tags
        Logged at once.
    """
    client = MlflowClient()
    run = client.create_run(experiment_id(client, experiment, artifacts), tags=dict(tags), run_name=name)
    client.log_batch(run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()])
    return str(run.info.run_id)


def log_metrics(run_id: str, metrics: Mapping[str, float], *, step: int = 0) -> None:
    """Log numbers of one step in one batch."""
    now = _now_ms()
    MlflowClient().log_batch(run_id, metrics=[Metric(name, value, now, step) for name, value in metrics.items()])


def log_history(run_id: str, history: list[dict[str, float]]) -> None:
    """Log one row of numbers an epoch, all in one batch."""
    now = _now_ms()
    rows = [Metric(name, value, now, step) for step, row in enumerate(history) for name, value in row.items()]
    MlflowClient().log_batch(run_id, metrics=rows)


def _now_ms() -> int:
    return int(time.time() * 1000)


def log_dataset(run_id: str, *, name: str, digest: str, source: str, rows: int) -> None:
    """Attach the data set with its own full-content digest (MLflow's would look at the first 10,000 rows only)."""
    dataset = Dataset(name, digest[:36], "local", source, profile=f'{{"num_rows": {rows}}}')
    MlflowClient().log_inputs(run_id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def log_files(run_id: str, path: Path, folder: str | None = None) -> None:
    """Store a file, or all files of a folder, with a run."""
    client = MlflowClient()
    if path.is_dir():
        client.log_artifacts(run_id, str(path), folder)
    else:
        client.log_artifact(run_id, str(path), folder)


def set_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run."""
    MlflowClient().log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def read_tags(run_id: str) -> dict[str, str]:
    """Read the tags of a run."""
    return dict(MlflowClient().get_run(run_id).data.tags)


def consumption(experiment: str) -> dict[str, Any]:
    """Sum what the runs of an experiment, or the run of this id, took: ``runs``, ``hours``, ``energy_kwh``, ``money``.

    A run without a measurement counts from its start to its end; money is None where no run was priced.

    Raises
    ------
    ArtifactError
        If the store has neither.
    """
    client = MlflowClient()
    known = client.get_experiment_by_name(experiment)
    if known is not None:
        found = [run for page in _pages(client, known.experiment_id) for run in page]
    elif has_run(experiment):
        found = [client.get_run(experiment)]
    else:
        names = [one.name for one in client.search_experiments() if one.name != "Default"]
        hint = nearest(experiment, names) if names else "train an experiment first"
        raise ArtifactError(f"there is no run and no experiment {experiment!r}", hint=hint)
    money = [float(run.data.tags["money"]) for run in found if "money" in run.data.tags]
    return {
        "runs": len(found), "hours": sum(map(_seconds, found)) / 3600,
        "energy_kwh": sum(float(run.data.tags.get("energy_kwh", 0.0)) for run in found),
        "money": sum(money) if money else None,
    }  # fmt: skip


def _pages(client: MlflowClient, experiment: str) -> Iterator[list[Run]]:
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield page
        if not (token := page.token):
            return


def _seconds(run: Run) -> float:
    if "wall_s" in run.data.tags:
        return float(run.data.tags["wall_s"])
    return float(max(0, (run.info.end_time or run.info.start_time) - run.info.start_time) / 1000)


def started(run_id: str) -> str:
    """Tell when a run was opened, ISO 8601 in UTC."""
    opened = MlflowClient().get_run(run_id).info.start_time
    return datetime.fromtimestamp(opened / 1000, UTC).isoformat(timespec="seconds")


def end_run(run_id: str, *, failed: bool = False) -> None:
    """Close a run."""
    MlflowClient().set_terminated(run_id, "FAILED" if failed else "FINISHED")


def fetch_files(run_id: str, folder: str, destination: Path) -> Path:
    """Copy a folder of a run's files to a local folder and return where it is.

    Raises
    ------
    ArtifactError
        If the run or the folder is not in the store.
    PlatformError
        If the object store of its files cannot be reached.
    """
    destination.mkdir(parents=True, exist_ok=True)
    try:
        return Path(MlflowClient().download_artifacts(run_id, folder, str(destination)))
    except (MlflowException, OSError) as error:
        _require_file_store(run_id)
        raise ArtifactError(
            f"the files {folder!r} of run {run_id} are not in the MLflow store",
            where=os.environ.get("MLFLOW_TRACKING_URI", ""),
            got=str(error),
            hint="train again with --refresh, which ignores cached results",
        ) from error


def _require_file_store(run_id: str) -> None:
    """Ask the object store for the names of a run's files: a download that failed does not say why."""
    from botocore.exceptions import ConnectionError as NotConnected
    from botocore.exceptions import HTTPClientError

    try:
        MlflowClient().list_artifacts(run_id)
    except (NotConnected, HTTPClientError) as error:
        raise PlatformError("the files of MLflow cannot be reached", where=f"run {run_id}", got=str(error)) from error
    except (MlflowException, OSError):
        return


def find_file(run_id: str, path: str, destination: Path) -> Path | None:
    """Copy one file of a run, unless it is copied already; None if the run has no such file."""
    copied = destination / path
    if copied.exists():
        return copied
    try:
        return fetch_files(run_id, path, destination)
    except ArtifactError:
        return None


def read_metrics(run_id: str) -> dict[str, float]:
    """Read the last value of each metric of a run."""
    return dict(MlflowClient().get_run(run_id).data.metrics)


def has_run(run_id: str) -> bool:
    """Tell whether the store has a run of this id."""
    try:
        MlflowClient().get_run(run_id)
    except MlflowException:
        return False
    return True


def fetch_record(run_id: str, destination: Path) -> Path:
    """Copy what a run is verified by: manifest, experiment, lock, code and earlier verifications.

    Raises
    ------
    ArtifactError
        If the run or its manifest is not in the store.
    """
    names = {"manifest.json", "experiment.yaml", "lock.txt", "code", "verifications", "trace.jsonl"}
    try:
        held = {file.path for file in MlflowClient().list_artifacts(run_id)}
    except MlflowException:
        held = set()
    for name in sorted((names & held) | {"manifest.json"}):
        fetch_files(run_id, name, destination)
    return destination
