"""The copy of a run record in MLflow: made from the files, as often as needed, with the same result."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from cascada.repro.manifest import Manifest
from cascada.repro.record import MetricPoint, RunRecord
from cascada.repro.results import results_of
from cascada.tracking.runs import end_run, experiment_id, log_files

RUN_TAG = "cascada.run_id"

# Limits of MLflow's own validation (mlflow.utils.validation): entities a request, characters of a name and a value.
_METRICS, _PARAMS, _NAME, _VALUE = 1000, 100, 250, 6000
_POINTS = 1000  # of one metric: what a plot can show (10,000 take a SQLite store 10 s); the record has them all

Item = TypeVar("Item")


def mirror_record(record: RunRecord, artifacts: Path) -> str:
    """Copy a run that has ended into MLflow and return MLflow's id of it.

    The run is found again by its tag, so that a copy that broke off is completed and one that exists stays the same.

    Parameters
    ----------
    artifacts
        Folder for the files of new experiments.

    Notes
    -----
    A metric with more than 1000 points is thinned evenly, its last point kept.
    """
    manifest, client = record.manifest, MlflowClient()
    experiment = experiment_id(client, manifest.experiment, artifacts)
    found = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{record.run_id}'", max_results=1)
    if found:
        run_id = str(found[0].info.run_id)
    else:
        run_id = str(client.create_run(experiment, tags={RUN_TAG: record.run_id}, run_name=record.run_id).info.run_id)
    _log_params(client, run_id, record.parameters())
    metrics = _judged(manifest) if manifest.kind == "experiment" else _metrics(record)
    for batch in _batches(metrics, _METRICS):
        client.log_batch(run_id, metrics=batch)
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in _tags(manifest).items()])
    _log_folder(run_id, record)
    end_run(run_id, failed=manifest.status != "finished")
    return run_id


def _log_params(client: MlflowClient, run_id: str, parameters: Mapping[str, Any]) -> None:
    params = [Param(_name(key), str(value)[:_VALUE]) for key, value in flatten(parameters).items()]
    for batch in _batches(params, _PARAMS):
        client.log_batch(run_id, params=batch)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested values by dotted keys.

    Examples
    --------
    >>> flatten({"model": {"layers": [8, 4]}, "rate": 0.1})
    {'model.layers': [8, 4], 'rate': 0.1}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return flat


def _name(name: str) -> str:
    """Spell a name in the characters that MLflow takes."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:_NAME] or "_"


def _metrics(record: RunRecord) -> Iterator[Metric]:
    counts: defaultdict[str, int] = defaultdict(int)
    last: dict[str, MetricPoint] = {}
    for point in record.metrics():
        counts[point.name] += 1
        last[point.name] = point
    strides = {name: -(-count // _POINTS) for name, count in counts.items()}
    seen: defaultdict[str, int] = defaultdict(int)
    for point in record.metrics():
        if seen[point.name] % strides[point.name] == 0:
            yield _metric(point)
        seen[point.name] += 1
    yield from (_metric(point) for name, point in last.items() if (counts[name] - 1) % strides[name] != 0)


def _judged(manifest: Manifest) -> Iterator[Metric]:
    """Give the metrics of an experiment that came from elsewhere: its record has one value of each."""
    ended = int(datetime.fromisoformat(manifest.ended).timestamp() * 1000) if manifest.ended else 0
    for name, value in results_of(manifest).metrics.items():
        yield Metric(_name(name), value, ended, 0)


def _metric(point: MetricPoint) -> Metric:
    return Metric(_name(point.name), point.value, int(point.time * 1000), point.step)


def _tags(manifest: Manifest) -> dict[str, str]:
    return {
        "cascada.kind": manifest.kind,
        "cascada.status": manifest.status,
        "cascada.error": manifest.error,
        "mlflow.source.name": " ".join(manifest.command),
        "mlflow.source.git.commit": manifest.code.commit,
    }


def _log_folder(run_id: str, record: RunRecord) -> None:
    for name in ("manifest.json", "experiment.yaml", "lock.txt", "output.log"):
        if (record.folder / name).exists():
            log_files(run_id, record.folder / name)
    for folder in (record.code, record.outputs, record.folder / "verifications"):
        if folder.exists():
            log_files(run_id, folder, folder.name)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
