"""Compare: baselines on the same showers, and the model on showers of other worlds."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect import task

from cascada.config import Experiment
from cascada.data.shifts import shifted_tables
from cascada.evaluation.assessment import evaluate
from cascada.evaluation.metrics import Evaluation
from cascada.evaluation.truth import take_truth
from cascada.physics.primaries import class_order
from cascada.registry.bundle import Bundle
from cascada.repro.seeds import generator
from cascada.tracking import runs
from cascada.training.dataset import observables, take_partition
from flows.fitting import Trained
from flows.ingest import Ingested, open_partitions, open_truth
from flows.policies import CACHED, by_content
from flows.rivals import judge_baselines


@task(cache_key_fn=by_content("experiment", "ingested"), **CACHED)
def compare_baselines(experiment: Experiment, ingested: Ingested) -> dict[str, Evaluation]:
    """Fit the baselines of an experiment on the partitions of its model, and judge them."""
    frame, manifest = open_partitions(ingested)
    classes = class_order(set(ingested.snapshot.rows_per_primary))
    train, calibration, test = (
        take_partition(frame, manifest, name, features=experiment.features, classes=classes)
        for name in ("train", "calibration", "test")
    )
    truth = take_truth(frame.filter(manifest["partition"] == "test"), classes, open_truth(ingested))
    return judge_baselines(experiment, train, calibration, test, truth, classes=classes)


@task(cache_key_fn=by_content("experiment", "ingested", "trained"), **CACHED)
def shift_domain(experiment: Experiment, ingested: Ingested, trained: Trained) -> dict[str, Evaluation]:
    """Judge the bundle on shifted copies of the test partition; none of a model of traces, which are not shifted."""
    frame, manifest = open_partitions(ingested)
    with tempfile.TemporaryDirectory(prefix="cascada-shift-") as scratch:
        bundle = Bundle(runs.fetch_files(trained.run_id, "bundle", Path(scratch)))
    if bundle.spec.stations is not None:
        return {}
    test = frame.filter(manifest["partition"] == "test")
    tables = shifted_tables(experiment.source, test, experiment.shifts, seed=experiment.seed)
    spec, told, judged = bundle.spec, open_truth(ingested), {}
    for name, table in tables.items():
        said, truth = bundle.predict(observables(table, spec.features)), take_truth(table, spec.classes, told)
        judged[name] = evaluate(
            said, truth, classes=spec.classes, reference=spec.reference, rng=generator(experiment.seed, "bootstrap"),
            in_bins=False,
        )  # fmt: skip
    return judged
