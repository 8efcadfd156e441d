"""Seed-to-seed noise: the recipe of a challenger trained again with other seeds, on the same showers."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect import task

from cascada.config import Experiment
from cascada.evaluation.contest import Noise, seed_noise
from cascada.registry.bundle import Lineage
from cascada.repro.seeds import integer_seed
from flows.evaluation import predict_test
from flows.fitting import fit_bundle
from flows.ingest import Ingested
from flows.policies import CACHED, by_content


@task(cache_key_fn=by_content("experiment", "ingested", "accuracy"), **CACHED)
def measure_noise(experiment: Experiment, ingested: Ingested, lineage: Lineage, accuracy: float) -> Noise:
    """Train the recipe with other seeds and compare accuracies; data, split and everything else stay the same.

    Parameters
    ----------
    lineage, accuracy
        Of the challenger; the accuracy is that of the test partition.
    """
    numbers = range(experiment.gate.noise_seeds)
    seeds = [integer_seed(experiment.seed, f"noise {number}") for number in numbers]
    others = [experiment.model_copy(update={"seed": seed}) for seed in seeds]
    return seed_noise([accuracy, *(_retrain(other, ingested, lineage) for other in others)])


def _retrain(experiment: Experiment, ingested: Ingested, lineage: Lineage) -> float:
    with tempfile.TemporaryDirectory(prefix="cascada-noise-") as scratch:
        folder = Path(scratch)
        bundle, _ = fit_bundle(experiment, ingested, lineage, checkpoints=folder / "fit", folder=folder / "bundle")
        predictions, truth = predict_test(bundle, ingested)
    return float((predictions.probabilities.argmax(axis=1) == truth.labels).mean())
