"""Train: fit the network and write the bundle into an MLflow run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from prefect import flow, task
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment
from cascada.data.splits import read_split
from cascada.data.versions import read_showers
from cascada.physics.primaries import class_order
from cascada.registry.bundle import Lineage
from cascada.repro.environment import code_state
from cascada.settings import load_settings
from cascada.tracking import runs
from cascada.training.dataset import take_partition
from flows.ingest import Ingested
from flows.policies import CACHED, by_content
from flows.records import keep_code


class Trained(BaseModel):
    """Reference to a run that holds a bundle."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    bundle_sha256: str


@task(cache_key_fn=by_content("experiment", "ingested"), **CACHED)
def fit_network(experiment: Experiment, ingested: Ingested) -> Trained:
    """Fit, export and log one network."""
    settings = load_settings()
    code = code_state(settings.root)
    run_id = runs.start_run(
        experiment.name,
        name=f"{experiment.name}-seed-{experiment.seed}",
        artifacts=settings.home / "mlartifacts",
        params=_flat(
            experiment.model_dump(
                mode="json", include={"seed", "features", "repair", "model", "anomaly", "training", "split"}
            )
        ),
        tags={
            "mlflow.source.git.commit": code.commit,
            "git_dirty": str(code.dirty).lower(),
            "data_valid": str(ingested.snapshot.valid).lower(),
            "data_sha256": ingested.snapshot.content_sha256,
        },
    )
    lineage = Lineage(
        experiment=experiment.name,
        run_id=run_id,
        data_sha256=ingested.snapshot.content_sha256,
        split_sha256=ingested.split.content_sha256,
        git_commit=code.commit,
        git_dirty=code.dirty,
        data_valid=ingested.snapshot.valid,
    )
    try:
        keep_code(run_id, settings.root)
        with tempfile.TemporaryDirectory(prefix="cascada-fit-") as scratch:
            bundle_sha256 = _fit_and_log(experiment, ingested, lineage, Path(scratch))
    except BaseException:
        runs.end_run(run_id, failed=True)
        raise
    return Trained(run_id=run_id, bundle_sha256=bundle_sha256)


def _fit_and_log(experiment: Experiment, ingested: Ingested, lineage: Lineage, scratch: Path) -> str:
    # Here, not above: torch and Lightning take seconds to import, and a cached run needs neither.
    from cascada.registry.export import write_bundle
    from flows.members import fit_model, of_classes

    frame, manifest = read_showers(ingested.snapshot, load_settings().root), read_split(ingested.split)
    classes = class_order(set(ingested.snapshot.rows_per_primary))
    train, validation, calibration = (
        take_partition(frame, manifest, name, features=experiment.features, classes=classes)
        for name in ("train", "validation", "calibration")
    )
    fitted = fit_model(
        experiment, train, validation, calibration, classes=classes, folder=scratch, progress=sys.stderr.isatty()
    )
    normal = tuple(name in experiment.reference for name in classes)
    bundle = write_bundle(
        fitted.members, scaling=fitted.scaling, temperature=fitted.temperature,
        calibration=of_classes(calibration, normal).features, classes=classes,
        reference=tuple(n for n in classes if n in experiment.reference), features=experiment.features,
        model=experiment.model_dump(mode="json", include={"model", "anomaly"}), lineage=lineage,
        folder=scratch / "bundle",
    )  # fmt: skip
    runs.log_history(lineage.run_id, fitted.history)
    runs.log_files(lineage.run_id, bundle.folder, "bundle")
    return bundle.sha256


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


@flow(name="train", flow_run_name="{experiment.name}")
def train_model(experiment: Experiment, ingested: Ingested, refresh: bool) -> Trained:
    """Train the model of an experiment on a snapshot and its split."""
    return fit_network.with_options(refresh_cache=refresh)(experiment, ingested)
