"""Retraining: the experiment of a served model, trained once more for each time that its model drifts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect.client.schemas.objects import FlowRun

from cascada.jobs.locate import locate
from cascada.settings import load_settings
from cascada.tracking import models
from cascada.tracking.reach import require_mlflow
from flows.promotion import recorded_experiment
from flows.server import connected
from flows.submission import TRAIN, find_deployment, find_live


def order_retraining(model: str, version: int, *, since: str, pool: str) -> FlowRun:
    """Create the run that trains the experiment of a version in the worker's checkout, or find it.

    It is one run for each time that the version drifts, however it ended, and none is made while one of this model has
    not ended. Nothing is refreshed: files that have changed make a new snapshot, and what has not changed is found in
    the cache and makes no new version.

    Parameters
    ----------
    since
        When the drift began.

    Raises
    ------
    ArtifactError
        If the record of the version is missing or was altered.
    ConfigError
        If its experiment is none for this version of cascada, or nothing trains on the pool.
    PlatformError
        If Prefect or MLflow cannot be reached.
    """
    require_mlflow()
    with tempfile.TemporaryDirectory(prefix="cascada-retrain-") as scratch:
        label = f"{model}@{version}"
        found = locate(label, load_settings(), Path(scratch))
        experiment = recorded_experiment(models.find_version(label), found.record)
    line = f"drift:{model}"
    with connected() as client:
        waiting = find_live(client, line)
        if waiting:
            return waiting[0]
        return client.create_flow_run_from_deployment(
            find_deployment(client, TRAIN, pool), parameters={"experiment": experiment.model_dump(mode="json")},
            idempotency_key=f"{line}-{version}-{since}", tags=[line], name=f"{model}-drift-{since[:16]}",
        )  # fmt: skip
