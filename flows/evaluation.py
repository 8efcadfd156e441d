"""Evaluate: judge the bundle on the test partition and complete the run's record."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment
from cascada.data.splits import Partition
from cascada.evaluation.assessment import evaluate
from cascada.evaluation.controls import shuffled_label_control
from cascada.evaluation.flips import EVENTS, judge_events
from cascada.evaluation.metrics import Evaluation
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.truth import Truth, take_truth
from cascada.registry.bundle import Bundle
from cascada.repro.environment import CodeState, Software, hardware, software
from cascada.repro.fingerprint import json_sha256, source_sha256
from cascada.repro.manifest import Manifest, write_manifest
from cascada.repro.packages import write_lock
from cascada.repro.results import metrics_sha256
from cascada.repro.seeds import generator
from cascada.settings import load_settings
from cascada.tracking import runs
from cascada.training.dataset import Sample, observables, take_partition
from cascada.training.traces import read_stations
from flows.comparison import compare_baselines, shift_domain
from flows.fitting import Trained
from flows.ingest import Ingested, open_partitions, open_truth
from flows.policies import CACHED, PACKAGES, RETRIED, by_content
from flows.records import output_hashes, read_code, write_experiment

_STREAMS = [
    "simulator", "split", "member i", "weights", "batches", "fit", "density", "shuffled labels", "bootstrap",
]  # fmt: skip


class Evaluated(BaseModel):
    """What the evaluation found, and the manifest that records the run.

    Attributes
    ----------
    baselines, shifts
        Evaluations of the baselines, and of the model on shifted copies of the test partition, by name.
    """

    model_config = ConfigDict(frozen=True)

    evaluation: Evaluation
    manifest_sha256: str
    baselines: dict[str, Evaluation] = {}
    shifts: dict[str, Evaluation] = {}


def predict_test(bundle: Bundle, ingested: Ingested) -> tuple[Predictions, Truth]:
    """Let a bundle predict the test partition of a split; classes are those of the bundle."""
    return _predict(bundle, ingested, *open_partitions(ingested))


def _predict(
    bundle: Bundle, ingested: Ingested, frame: pl.DataFrame, manifest: pl.DataFrame
) -> tuple[Predictions, Truth]:
    rows, snapshot, spec = frame.filter(manifest["partition"] == "test"), ingested.snapshot, bundle.spec
    stations = read_stations(snapshot, spec.stations, rows, load_settings().root)
    return bundle.predict(observables(rows, spec.features), stations), take_truth(
        rows, spec.classes, open_truth(ingested)
    )


def _take(bundle: Bundle, frame: pl.DataFrame, manifest: pl.DataFrame, side: Partition) -> Sample:
    return take_partition(frame, manifest, side, features=bundle.spec.features, classes=bundle.spec.classes)


def evaluate_test(bundle: Bundle, predictions: Predictions, truth: Truth, *, seed: int) -> Evaluation:
    """Evaluate a bundle's predictions of a test partition."""
    spec = bundle.spec
    rng = generator(seed, "bootstrap")
    return evaluate(predictions, truth, classes=spec.classes, reference=spec.reference, rng=rng)


@task(cache_key_fn=by_content("experiment", "ingested", "trained"), **CACHED, **RETRIED)
def judge_bundle(experiment: Experiment, ingested: Ingested, trained: Trained) -> Evaluated:
    """Measure metrics, write the manifest, log all of it and close the run; the release writes the report."""
    with tempfile.TemporaryDirectory(prefix="cascada-evaluate-") as scratch:
        folder = Path(scratch)
        bundle = Bundle(runs.fetch_files(trained.run_id, "bundle", folder))
        frame, manifest = open_partitions(ingested)
        predictions, truth = _predict(bundle, ingested, frame, manifest)
        train, test = (_take(bundle, frame, manifest, side) for side in ("train", "test"))
        measured = evaluate_test(bundle, predictions, truth, seed=experiment.seed)
        control = shuffled_label_control(train, test, rng=generator(experiment.seed, "shuffled labels"))
        evaluation = measured.model_copy(update={"metrics": (*measured.metrics, *control)})
        (folder / "record").mkdir()
        locked = write_lock(software(), folder / "record" / "lock.txt")
        code = read_code(trained.run_id, folder)
        record = _record(experiment, ingested, trained, evaluation, bundle, test, code=code, locked=locked)
        digest = write_manifest(record, folder / "record" / "manifest.json")
        write_experiment(experiment, folder / "record" / "experiment.yaml")
        (folder / "record" / "evaluation.json").write_text(evaluation.model_dump_json(indent=2))
        rows = frame.filter(manifest["partition"] == "test")
        judge_events(predictions, truth, rows["shower_id"]).write_parquet(folder / "record" / EVENTS)
        runs.log_files(trained.run_id, folder / "record")
        runs.log_files(trained.run_id, ingested.split.path, "split")
        runs.log_files(trained.run_id, ingested.snapshot.path / "validation.html", "data")
    snapshot = ingested.snapshot
    runs.log_dataset(
        trained.run_id,
        name=snapshot.name,
        digest=snapshot.content_sha256,
        source=str(snapshot.path),
        rows=snapshot.rows_kept,
    )
    overall = evaluation.overall
    ends = {f"{m.name}_{end}": value for m in overall for end, value in (("low", m.low), ("high", m.high))}
    runs.log_metrics(trained.run_id, {m.name: m.value for m in overall} | ends)
    runs.end_run(trained.run_id)
    return Evaluated(evaluation=evaluation, manifest_sha256=digest)


def _record(
    experiment: Experiment, ingested: Ingested, trained: Trained, evaluation: Evaluation, bundle: Bundle,
    sample: Sample, *, code: CodeState, locked: Software,
) -> Manifest:  # fmt: skip
    snapshot, split = ingested.snapshot, ingested.split
    judged = evaluation.model_dump(mode="json")
    seen = {"shape": sample.features.shape, "sha256": hashlib.sha256(sample.features.tobytes()).hexdigest()}
    return Manifest(
        run_id=trained.run_id,
        experiment=experiment.name,
        started=runs.started(trained.run_id),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=snapshot.model_dump(mode="json", exclude={"path"}),
        preprocessing={
            "repair": experiment.repair,
            "features": experiment.features,
            "scaling": bundle.spec.scaling,
            "code_sha256": source_sha256(*PACKAGES),
            "outputs": {"test": seen},
            "suites": experiment.expectations.model_dump(),
        },
        partitions=split.model_dump(mode="json", exclude={"path"}) | {"fractions": experiment.split.model_dump()},
        training={
            "model": bundle.spec.model,
            "parameters": experiment.training.model_dump(mode="json"),
            "bundle_sha256": trained.bundle_sha256,
            "experiment_sha256": json_sha256(experiment.model_dump(mode="json")),
        },
        code=code,
        assessment=judged
        | {"metrics_sha256": metrics_sha256(judged["metrics"]), "outputs": output_hashes(bundle)}
        | ({"trace": trained.trace} if trained.trace else {}),
        randomness={"root_seed": experiment.seed, "streams": _STREAMS, "determinism": trained.determinism},
        software=locked,
        hardware=hardware(),
    )


@flow(name="evaluate", flow_run_name="{experiment.name}")
def evaluate_model(experiment: Experiment, ingested: Ingested, trained: Trained, refresh: bool) -> Evaluated:
    """Evaluate a trained bundle and show the metrics in Prefect."""
    found = judge_bundle.with_options(refresh_cache=refresh)(experiment, ingested, trained)
    baselines = compare_baselines.with_options(refresh_cache=refresh)(experiment, ingested)
    shifts = shift_domain.with_options(refresh_cache=refresh)(experiment, ingested, trained)
    evaluated = found.model_copy(update={"baselines": baselines, "shifts": shifts})
    rows = [
        {
            "metric": m.name,
            "value": f"{m.value:.4f}",
            "low": f"{m.low:.4f}",
            "high": f"{m.high:.4f}",
            "n": m.n,
            "interval": m.interval,
            "showers": m.region,
        }
        for m in evaluated.evaluation.metrics
    ]
    create_table_artifact(rows, key="metrics", description=f"{experiment.name}, 95 % intervals, test partition")
    return evaluated
