"""Runs that must never be promoted, each of them really fitted: truth among the features, labels that mean nothing,
and better than physics allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from cascada.config import Gate, SimulatorSource, Split
from cascada.data.leaks import summarise_split
from cascada.data.sources.simulator import simulate
from cascada.data.splits import assign
from cascada.evaluation.assessment import evaluate
from cascada.evaluation.controls import deal_labels, shuffled_label_control
from cascada.evaluation.gates import Evidence, Verdict, judge
from cascada.evaluation.latency import Latency
from cascada.evaluation.metrics import Evaluation
from cascada.evaluation.predictions import Predictions, conformal_p_value
from cascada.evaluation.truth import take_truth
from cascada.physics.observables import FEATURES, Feature, required_columns
from cascada.repro.score import AspectScore, Score
from cascada.training.dataset import Sample, take_partition

CLASSES = ("photon", "p", "He", "N", "Fe")
NAMES = ("lg_energy", "sec_zenith", "muon_residual", "xmax_residual")
GATE = Gate(min_accuracy=0.6, min_anomaly_auc=0.5, max_calibration_error=0.1)

DOCUMENTED = Score(run_id="one", aspects=(AspectScore(aspect="software", level=2, reason="", next_step=""),))

FAST = Latency(median_ms=0.1, p99_ms=0.2, calls=300, processor="Cray-1")


@pytest.fixture(scope="module")
def showers() -> pl.DataFrame:
    return simulate(SimulatorSource(kind="simulator", showers=6000), 3).frame.collect()


@pytest.fixture(scope="module")
def manifest(showers: pl.DataFrame) -> pl.DataFrame:
    return assign(showers, Split(), 3)


def assess(train: Sample, test: Sample, frame: pl.DataFrame, manifest: pl.DataFrame) -> Evaluation:
    """Fit a quick classifier, and evaluate it and the control as the flow does; depth alone is its anomaly score."""
    fitted = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(train.features, train.labels)
    score = test.features[:, -1].astype(float)
    reference = np.sort(train.features[train.labels > 0, -1].astype(float))
    predictions = Predictions(fitted.predict_proba(test.features), score, conformal_p_value(score, reference))
    truth = replace(take_truth(frame.filter(manifest["partition"] == "test"), CLASSES), labels=test.labels)
    rng = np.random.default_rng(1)
    evaluation = evaluate(predictions, truth, classes=CLASSES, reference=CLASSES[1:], rng=rng)
    control = shuffled_label_control(train, test, rng=rng)
    return evaluation.model_copy(update={"metrics": (*evaluation.metrics, *control)})


def verdict_on(
    frame: pl.DataFrame, manifest: pl.DataFrame, features: tuple[str, ...] = NAMES, *, shuffled: bool = False
) -> Verdict:
    train, test = (
        take_partition(frame, manifest, side, features=features, classes=CLASSES) for side in ("train", "test")
    )
    if shuffled:
        train = replace(train, labels=deal_labels(train.labels, train.groups, np.random.default_rng(2)))
    return judge(assess(train, test, frame, manifest), GATE, Evidence(features, True, DOCUMENTED, FAST))


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.passed}


def test_an_honest_model_is_not_held_up(showers: pl.DataFrame, manifest: pl.DataFrame) -> None:
    assert verdict_on(showers, manifest).reasons == ()


@pytest.mark.parametrize("column", ["n_mu_true", "shower_id"])
def test_a_truth_or_an_id_among_the_features_is_refused(
    showers: pl.DataFrame, manifest: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    leaking = showers.with_columns(pl.col("n_mu").alias("n_mu_true"))
    monkeypatch.setitem(FEATURES, "test_leak", Feature(lambda shower: np.log(shower[column] + 1.0), (column,)))
    features = (*NAMES, "test_leak")
    verdict = verdict_on(leaking, manifest, features)
    assert "observables only" in failed(verdict)
    assert any(f"features made of {column}" in reason for reason in verdict.reasons)
    leaks = summarise_split(leaking, manifest, required_columns(features)).row(0, named=True)
    assert leaks["truth_columns"] + leaks["label_columns"] == 1, "the suite of partitions halts the run before that"


def test_a_model_of_shuffled_labels_is_refused(showers: pl.DataFrame, manifest: pl.DataFrame) -> None:
    verdict = verdict_on(showers, manifest, shuffled=True)
    assert "accuracy" in failed(verdict)
    accuracy = next(check for check in verdict.checks if check.name == "accuracy")
    assert 0.1 < float(accuracy.measured.split()[0]) < 0.4, "near the 0.2 of five primaries"


def test_better_than_physics_is_refused(showers: pl.DataFrame, manifest: pl.DataFrame) -> None:
    """As with running sums: the fluctuations of the showers averaged away, nothing else touched."""
    mean = pl.col("n_mu").log() - 0.94 * pl.col("energy_eev").log()
    quieter = showers.with_columns(
        (pl.col("n_mu") * (-0.7 * (mean - mean.mean().over("primary"))).exp()).alias("n_mu"),
        (0.3 * pl.col("xmax_g_cm2") + 0.7 * pl.col("xmax_g_cm2").mean().over("primary")).alias("xmax_g_cm2"),
    )
    verdict = verdict_on(quieter, manifest)
    assert failed(verdict) == {"physics ceiling"}
    assert "auc_he_n" in verdict.reasons[0]
