"""Train: fit the network and write the bundle into an MLflow run."""

from __future__ import annotations

import importlib.metadata
import logging
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from prefect import flow, task
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment
from cascada.evaluation.domain import fit_domain
from cascada.physics.primaries import class_order
from cascada.registry.bundle import Bundle, Lineage
from cascada.repro.environment import code_state
from cascada.repro.fingerprint import json_sha256, source_sha256
from cascada.repro.trace import TRACE_FILE, describe_trace
from cascada.settings import load_settings
from cascada.tracking import runs
from cascada.training.dataset import Sample, observables, take_partition
from cascada.training.traces import open_stations, shape_of
from flows.ingest import Ingested, open_partitions
from flows.policies import CACHED, PACKAGES, by_content
from flows.records import keep_code

if TYPE_CHECKING:
    from flows.members import FittedModel

logger = logging.getLogger(__name__)

RUN = "run_id"


class Trained(BaseModel):
    """Reference to a run that holds a bundle.

    Attributes
    ----------
    determinism
        What its bits depend on beside seeds (`cascada.training.determinism.determinism_flags`).
    trace
        What the manifest says of the trace of the fit; empty where none was asked for.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    bundle_sha256: str
    determinism: dict[str, str | int | bool]
    trace: dict[str, str | int] = {}


@task(cache_key_fn=by_content("experiment", "ingested"), **CACHED)
def fit_network(experiment: Experiment, ingested: Ingested, resume: bool = False) -> Trained:
    """Fit, export and log one network, from its beginning or from where an interrupted fit of the same got to."""
    checkpoints = checkpoint_folder(experiment, ingested)
    interrupted = _interrupted_run(checkpoints) if resume else ""
    if not interrupted:
        shutil.rmtree(checkpoints, ignore_errors=True)
    lineage = _start_run(experiment, ingested, resumes=interrupted)
    checkpoints.mkdir(parents=True, exist_ok=True)
    (checkpoints / RUN).write_text(lineage.run_id)
    try:
        keep_code(lineage.run_id, load_settings().root)
        with tempfile.TemporaryDirectory(prefix="cascada-fit-") as scratch:
            trained = _fit_and_log(experiment, ingested, lineage, checkpoints, Path(scratch))
    except BaseException:
        runs.end_run(lineage.run_id, failed=True)
        raise
    shutil.rmtree(checkpoints)
    return trained


def checkpoint_folder(experiment: Experiment, ingested: Ingested) -> Path:
    """Find where an interrupted fit of the same experiment on the same data by the same code has its checkpoints."""
    content = [
        experiment.model_dump(mode="json"), ingested.snapshot.content_sha256, ingested.split.content_sha256,
        source_sha256(*PACKAGES), importlib.metadata.version("torch"),
    ]  # fmt: skip
    settings = load_settings()
    return (settings.checkpoints or settings.home / "checkpoints") / json_sha256(content)


def _interrupted_run(checkpoints: Path) -> str:
    """Read which run got interrupted; empty if none did."""
    try:
        return (checkpoints / RUN).read_text()
    except FileNotFoundError:
        logger.warning("no interrupted fit of this experiment, these data and this code: it begins at the beginning")
        return ""


def _start_run(experiment: Experiment, ingested: Ingested, *, resumes: str) -> Lineage:
    settings = load_settings()
    code = code_state(settings.root)
    parts = {"seed", "features", "repair", "model", "anomaly", "training", "split"}
    run_id = runs.start_run(
        experiment.name,
        name=f"{experiment.name}-seed-{experiment.seed}",
        artifacts=settings.home / "mlartifacts",
        params=_flat(experiment.model_dump(mode="json", include=parts)),
        tags={
            "mlflow.source.git.commit": code.commit,
            "git_dirty": str(code.dirty).lower(),
            "data_valid": str(ingested.snapshot.valid).lower(),
            "data_sha256": ingested.snapshot.content_sha256,
        }
        | ({"resumes": resumes} if resumes else {}),
    )
    return Lineage(
        experiment=experiment.name,
        run_id=run_id,
        data_sha256=ingested.snapshot.content_sha256,
        split_sha256=ingested.split.content_sha256,
        git_commit=code.commit,
        git_dirty=code.dirty,
        data_valid=ingested.snapshot.valid,
    )


def _fit_and_log(
    experiment: Experiment, ingested: Ingested, lineage: Lineage, checkpoints: Path, scratch: Path
) -> Trained:
    from cascada.training.determinism import determinism_flags

    bundle, fitted = fit_bundle(
        experiment, ingested, lineage, checkpoints=checkpoints, folder=scratch / "bundle", trace=scratch / TRACE_FILE
    )
    for why in fitted.stopped:
        logger.warning("the fit ended early: %s", why)
    runs.set_tags(lineage.run_id, {"stopped": "; ".join(fitted.stopped)} if fitted.stopped else {})
    runs.log_history(lineage.run_id, fitted.history)
    runs.log_files(lineage.run_id, bundle.folder, "bundle")
    return Trained(
        run_id=lineage.run_id, bundle_sha256=bundle.sha256, determinism=determinism_flags(),
        trace=_keep_trace(experiment, lineage.run_id, scratch),
    )  # fmt: skip


def fit_bundle(
    experiment: Experiment, ingested: Ingested, lineage: Lineage, *, checkpoints: Path, folder: Path,
    trace: Path | None = None,
) -> tuple[Bundle, FittedModel]:  # fmt: skip
    """Fit an experiment's model on the partitions of a split, and write its bundle.

    Parameters
    ----------
    checkpoints
        Where an interrupted fit is gone on from.
    folder
        Of the bundle.
    trace
        Where a trace is left when the experiment asks for one.
    """
    # Here, not above: torch and Lightning take seconds to import, and a cached run needs neither.
    from cascada.jobs.tracing import traced
    from cascada.registry.export import write_bundle
    from flows.members import fit_model

    frame, manifest = open_partitions(ingested)
    classes = class_order(set(ingested.snapshot.rows_per_primary))
    train, validation, calibration = take_samples(experiment, ingested, frame, manifest, classes=classes)
    with nullcontext() if trace is None else traced(trace, every=experiment.training.trace_every):
        fitted = fit_model(
            experiment, train, validation, calibration, classes=classes, folder=checkpoints,
            progress=sys.stderr.isatty(), resume=True,
        )  # fmt: skip
    normal = tuple(name in experiment.reference for name in classes)
    domain = fit_domain(observables(frame.filter(manifest["partition"] == "train"), experiment.features))
    bundle = write_bundle(
        fitted.members, scaling=fitted.scaling, temperature=fitted.temperature,
        calibration=calibration.of_classes(normal).inputs, domain=domain,
        stations=shape_of(experiment.model), classes=classes,
        reference=tuple(n for n in classes if n in experiment.reference), features=experiment.features,
        model=experiment.model_dump(mode="json", include={"model", "anomaly"}), lineage=lineage, folder=folder,
    )  # fmt: skip
    return bundle, fitted


def take_samples(
    experiment: Experiment, ingested: Ingested, frame: pl.DataFrame, manifest: pl.DataFrame, *, classes: tuple[str, ...]
) -> tuple[Sample, Sample, Sample]:
    """Take what a fit sees of a snapshot: the partitions train, validation and calibration.

    Parameters
    ----------
    frame, manifest
        Showers and split, row by row the same (`flows.ingest.open_partitions`).
    """
    stations = open_stations(ingested.snapshot, shape_of(experiment.model), load_settings().root)
    train, validation, calibration = (
        take_partition(frame, manifest, name, features=experiment.features, classes=classes, stations=stations)
        for name in ("train", "validation", "calibration")
    )
    return train, validation, calibration


def _keep_trace(experiment: Experiment, run_id: str, folder: Path) -> dict[str, str | int]:
    if not experiment.training.trace_every:
        return {}
    if (folder / TRACE_FILE).exists():  # a fit that was interrupted after its last step takes none
        runs.log_files(run_id, folder / TRACE_FILE)
    return {"every": experiment.training.trace_every} | describe_trace(folder)


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


@flow(name="train", flow_run_name="{experiment.name}")
def train_model(experiment: Experiment, ingested: Ingested, refresh: bool, resume: bool = False) -> Trained:
    """Train the model of an experiment on a snapshot and its split."""
    return fit_network.with_options(refresh_cache=refresh)(experiment, ingested, resume)
