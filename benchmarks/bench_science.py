"""What autoencoders and baselines reach on open data, by a held-out protocol; `make bench-science` keeps the page.

    python -m benchmarks.bench_science [--data ../shared/data] [--seeds 1 2 3] [--only NAME]

For every seed the showers are split anew by group, models are fitted on the training part, calibrated on the
calibration part, chosen by the validation part and judged, once, on the test part.
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measures import markdown_table
from cascada.config import Experiment, load_experiment
from cascada.data.ingest import Intake, take_snapshot
from cascada.data.splits import assign
from cascada.evaluation.anomalies import normal_showers
from cascada.evaluation.domain import fit_domain
from cascada.evaluation.metrics import Floats, Metric, Resampling
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.separation import rank
from cascada.evaluation.truth import take_truth
from cascada.physics.primaries import class_order
from cascada.registry.bundle import Lineage
from cascada.registry.export import write_bundle
from cascada.repro.seeds import generator
from cascada.training.dataset import Sample, observables, take_partition
from flows.members import fit_model
from flows.rivals import predict_baselines

REPOSITORY = Path(__file__).resolve().parents[1]
_LINEAGE = Lineage(
    experiment="benchmark", run_id="0" * 32, data_sha256="0" * 64, split_sha256="0" * 64, git_commit="0" * 40,
    git_dirty=True, data_valid=True,
)  # fmt: skip
_SUPERVISED = (
    "logistic", "linear_svm", "nystroem_svm", "random_forest", "hist_gradient_boosting", "xgboost", "lightgbm"
)  # fmt: skip
_ARRAYS = ("features", "labels", "groups")
_ANOMALY = ("pca", "isolation_forest", "local_outlier_factor", "gaussian_mixture")
_ONE_CLASS = (
    "training.threads=1",
    "training.one_class=true",
    "baselines.supervised=[]",
    f"baselines.anomaly=[{', '.join(_ANOMALY)}]",
)
_TOLD_APART = ("training.threads=1", f"baselines.supervised=[{', '.join(_SUPERVISED)}]", "baselines.anomaly=[]")


@dataclass(frozen=True)
class Task:
    """A goal on a data set.

    Attributes
    ----------
    experiment, folder
        File of the experiment, and folder of its data below ``--data``.
    overrides
        What differs from the file, as for ``--set``.
    metric
        ``accuracy``, ``auc`` of the probability of a photon, or ``anomaly_auc``.
    models
        Autoencoders: name -> what differs from the experiment's own.
    """

    name: str
    experiment: str
    folder: str
    metric: str
    goal: float
    known: str
    overrides: tuple[str, ...] = ()
    models: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


_SMALL_SET = ("split.validation=0.05", "split.calibration=0.05")
_COMPOSITION = "repair=difference_running_sums"
_WITH_XMAX = "features=[lg_energy, sec_zenith, muon_residual, em_residual, xmax_residual]"


def _kinds(hidden: str, latent: int, *, simple: int, dropout: float = 0.0) -> dict[str, tuple[str, ...]]:
    """List the autoencoders of one task: sizes differ from set to set, kinds do not."""
    deep = f"model={{kind: deep, hidden: {hidden}, latent: {latent}, dropout: {dropout}}}"
    return {
        "simple": (f"model={{kind: simple, latent: {simple}, tied: true}}",),
        "deep": (deep,),
        "deep, 3 members": (deep, "training.members=3"),
        "variational": (f"model={{kind: variational, hidden: {hidden}, latent: {latent}, beta: 0.001}}",),
        "per class": (f"model={{kind: per_class, hidden: [32], latent: {max(latent // 2, 2)}}}",),
    }


def _searches(hidden: str, latent: int, *, components: int) -> dict[str, tuple[str, ...]]:
    density = ("anomaly.score=density", f"anomaly.components={components}")
    deep = f"model={{kind: deep, hidden: {hidden}, latent: {latent}}}"
    variational = f"model={{kind: variational, hidden: {hidden}, latent: {latent}, beta: 0.001}}"
    return {
        "simple, reconstruction": (f"model={{kind: simple, latent: {latent}}}",),
        "deep, reconstruction": (deep,),
        "deep, density": (deep, *density),
        "variational, density": (variational, *density),
    }


TASKS = (
    Task("composition, no Xmax", "composition", "composition_5class_corsika", "accuracy", 0.785, "LightGBM 0.779",
         (_COMPOSITION, *_TOLD_APART), _kinds("[128, 128]", 3, simple=8)),
    Task("composition, with Xmax", "composition", "composition_5class_corsika", "accuracy", 0.81, "LightGBM 0.804",
         (_COMPOSITION, _WITH_XMAX, "training.reconstruction_weight=0.1", *_TOLD_APART),
         _kinds("[128, 128]", 8, simple=8)),
    Task("composition, photons unknown", "composition", "composition_5class_corsika", "anomaly_auc", 0.99,
         "0.997 with labels", (_COMPOSITION, "training.epochs=20", *_ONE_CLASS),
         _searches("[64, 64]", 2, components=4)),
    Task("MAGIC, gammas and hadrons", "magic", "magic", "auc", 0.948, "LightGBM with ratios 0.948",
         ("training.reconstruction_weight=0.1", "training.weight_decay=0.01", *_SMALL_SET, *_TOLD_APART),
         _kinds("[128, 128]", 16, simple=16, dropout=0.1)),
    Task("MAGIC, hadrons unknown", "magic", "magic", "anomaly_auc", 0.88, "GMM 0.878, autoencoder 0.855", _ONE_CLASS,
         _searches("[64, 64]", 6, components=16)),
    Task("FACT, gammas and protons", "fact", "fact_mc_gamma_proton", "auc", 0.88, "LightGBM 0.880",
         ("training.weight_decay=0.01", *_TOLD_APART),
         _kinds("[64, 64]", 8, simple=8, dropout=0.2)),
)  # fmt: skip


@dataclass
class Score:
    """A model's metric on both parts, one entry a seed."""

    validation: list[float] = field(default_factory=list)
    test: list[Metric] = field(default_factory=list)

    @property
    def chosen_by(self) -> float:
        return statistics.mean(self.validation)

    @property
    def mean(self) -> float:
        return statistics.mean(metric.value for metric in self.test)

    def __str__(self) -> str:
        spread = statistics.stdev(m.value for m in self.test) if len(self.test) > 1 else 0.0
        low, high = min(m.low for m in self.test), max(m.high for m in self.test)
        return f"{self.mean:.4f} ± {spread:.4f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Fit everything, print the pages."""
    logging.getLogger("lightning").setLevel(logging.ERROR)
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options.add_argument("--only", default="")
    chosen = options.parse_args()
    results = {
        task: _measure(task, chosen.data, chosen.seeds) for task in TASKS if task.name.startswith(chosen.only)
    }  # fmt: skip
    print(_summary(results))
    print(
        f"\nMeans over {len(chosen.seeds)} seeds ± their standard deviation, in brackets the outermost ends of the "
        "95 % intervals (bootstrap by shower). The models of a row were chosen by their mean on the validation parts."
    )
    for task, scores in results.items():
        print(f"\n## {task.name}\n\nTest {task.metric}.\n")
        rows = [(name, f"{score.chosen_by:.4f}", str(score)) for name, score in scores.items()]
        print(markdown_table(("model", "validation", "test"), rows))


def _summary(results: dict[Task, dict[str, Score]]) -> str:
    rows = []
    for task, scores in results.items():
        ours, theirs = (_best({n: s for n, s in scores.items() if (n in task.models) == own}) for own in (True, False))
        reached = "yes" if scores[ours].mean >= task.goal else "no"
        best, rival = f"{ours}: {scores[ours]}", f"{theirs}: {scores[theirs]}"
        rows.append((task.name, f"{task.goal:g} ({task.known})", best, reached, rival))
    return markdown_table(("set", "goal (known)", "best autoencoder", "reached", "best baseline"), rows)


def _best(scores: dict[str, Score]) -> str:
    return max(scores, key=lambda name: scores[name].chosen_by)


def _measure(task: Task, data: Path, seeds: list[int]) -> dict[str, Score]:
    scores: dict[str, Score] = {}
    with tempfile.TemporaryDirectory(prefix="cascada-science-") as scratch:
        frame = _showers(_load(task), data / task.folder, Path(scratch))
        for seed in seeds:
            for name, validation, test in _judge(task, frame, seed, Path(scratch)):
                score = scores.setdefault(name, Score())
                score.validation.append(validation.value)
                score.test.append(test)
    return scores


def _load(task: Task, *more: str) -> Experiment:
    path = REPOSITORY / "flows" / "experiments" / f"{task.experiment}.yaml"
    return load_experiment(path, (*task.overrides, *more), catalog=REPOSITORY / "data" / "catalog.yaml")


def _showers(experiment: Experiment, folder: Path, scratch: Path) -> pl.DataFrame:
    intake = Intake(
        experiment, name="benchmark", seed=experiment.seed, threads=2, directory=folder,
        suites=REPOSITORY / "expectations", data=scratch,
    )  # fmt: skip
    return pl.read_parquet(take_snapshot(intake).path / "showers.parquet")


def _judge(task: Task, frame: pl.DataFrame, seed: int, scratch: Path) -> Iterator[tuple[str, Metric, Metric]]:
    experiment = _load(task, f"seed={seed}")
    manifest = assign(frame, experiment.split, seed)
    classes = class_order(set(frame["primary"].unique()))
    parts = ("train", "validation", "calibration", "test")
    samples = {
        part: take_partition(frame, manifest, part, features=experiment.features, classes=classes) for part in parts
    }
    judged = ("validation", "test")
    rows = {part: frame.filter(manifest["partition"] == part) for part in judged}

    def measured(part: str, said: Predictions) -> Metric:
        return _metric(task.metric, said, rows[part], experiment, classes)

    for name, changes in task.models.items():
        start = time.perf_counter()
        said = _ask(_load(task, f"seed={seed}", *changes), samples, rows, classes, scratch / f"{seed} {name}")
        yield name, *(measured(part, said[part]) for part in judged)
        print(f"{task.name}, {name}, seed {seed}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    both = Sample(*(np.concatenate([getattr(samples[part], name) for part in judged]) for name in _ARRAYS))
    rivals = predict_baselines(experiment, samples["train"], samples["calibration"], both, classes=classes)
    for name, whole in rivals.items():
        halves = _halves(whole, rows["validation"].height)
        yield name, *(measured(part, half) for part, half in zip(judged, halves, strict=True))


def _halves(said: Predictions, first: int) -> tuple[Predictions, Predictions]:
    arrays = said.probabilities, said.anomaly_score, said.p_value
    return Predictions(*(values[:first] for values in arrays)), Predictions(*(values[first:] for values in arrays))


def _ask(
    experiment: Experiment, samples: dict[str, Sample], rows: dict[str, pl.DataFrame], classes: tuple[str, ...],
    folder: Path,
) -> dict[str, Predictions]:  # fmt: skip
    """Fit a model, write its bundle, and let the bundle predict: what is measured is what is served."""
    fitted = fit_model(
        experiment, samples["train"], samples["validation"], samples["calibration"], classes=classes, folder=folder
    )
    normal = tuple(name in experiment.reference for name in classes)
    domain = fit_domain(observables(rows["test"], experiment.features))
    bundle = write_bundle(
        fitted.members, scaling=fitted.scaling, temperature=fitted.temperature,
        calibration=samples["calibration"].of_classes(normal).inputs, domain=domain, classes=classes,
        reference=experiment.reference, features=experiment.features, model={}, lineage=_LINEAGE,
        folder=folder / "bundle",
    )  # fmt: skip
    return {part: bundle.predict(observables(table, experiment.features)) for part, table in rows.items()}


def _metric(
    name: str, said: Predictions, rows: pl.DataFrame, experiment: Experiment, classes: tuple[str, ...]
) -> Metric:
    truth = take_truth(rows, classes)
    resampling = Resampling(truth.groups, generator(experiment.seed, "bootstrap"))
    if name == "accuracy":
        right: Floats = (said.probabilities.argmax(axis=1) == truth.labels).astype(np.float64)
        return resampling.measure(name, lambda weight: float(np.average(right, weights=weight)))
    if name == "auc":
        photon = classes.index("photon")
        return resampling.measure(name, rank(said.probabilities[:, photon], truth.labels == photon).auc)
    return resampling.measure(name, rank(said.anomaly_score, ~normal_showers(truth, classes, experiment.reference)).auc)


if __name__ == "__main__":
    main()
