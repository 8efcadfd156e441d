"""The anomaly score: per primary and per kind, false alarms of ordinary showers alone."""

from __future__ import annotations

import numpy as np
import pytest

from cascada.evaluation.anomalies import measure_anomalies, normal_showers
from cascada.evaluation.metrics import Metric, Resampling
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.separation import roc_auc
from cascada.evaluation.truth import Truth

CLASSES = ("photon", "p", "Fe")
LABELS = np.repeat([0, 1, 2, 1, 2], [10, 40, 40, 5, 5])
KINDS = np.array(["none"] * 90 + ["muon_rich"] * 5 + ["double_bang"] * 5)
SCORE = np.concatenate([np.arange(10) + 100.0, np.arange(80.0), np.full(5, 50.5), np.full(5, 1000.0)])
P_VALUE = np.where(SCORE >= 79.0, 0.01, 0.5)


def measured(truth: Truth, reference: tuple[str, ...] = ("p", "Fe")) -> dict[str, Metric]:
    size = truth.labels.size
    predictions = Predictions(np.full((size, 3), 1 / 3), SCORE[:size], P_VALUE[:size])
    normal = normal_showers(truth, CLASSES, reference)
    made = measure_anomalies(predictions, truth, normal, CLASSES, Resampling(truth.groups, np.random.default_rng(0)))
    return {metric.name: metric for metric in made}


WITH_KINDS = Truth(LABELS, np.arange(100), kinds=KINDS)
PLAIN = Truth(LABELS[:90], np.arange(90))


def test_unusual_showers_of_the_reference_are_not_normal() -> None:
    assert normal_showers(WITH_KINDS, CLASSES, ("p", "Fe")).tolist() == [False] * 10 + [True] * 80 + [False] * 10
    assert normal_showers(PLAIN, CLASSES, ("p", "Fe")).sum() == 80


def test_each_kind_has_its_own_numbers() -> None:
    found = measured(WITH_KINDS)
    assert found["anomaly_photon_auc"].value == 1.0
    assert found["anomaly_double_bang_auc"].value == 1.0
    assert found["anomaly_muon_rich_auc"].value == pytest.approx(51 / 80)
    assert found["anomaly_muon_rich_efficiency_at_p_0.01"].value == 0.0
    assert found["anomaly_double_bang_efficiency_at_p_0.01"].value == 1.0
    assert found["anomaly_auc"].value == pytest.approx((10 + 5 + 5 * 51 / 80) / 20)
    assert found["anomaly_efficiency_at_p_0.01"].value == 15 / 20
    assert found["anomaly_muon_rich_auc"].n == 85


def test_false_alarms_are_those_of_ordinary_reference_showers() -> None:
    found = measured(WITH_KINDS)
    assert (found["false_alarm_rate_at_p_0.01"].value, found["false_alarm_rate_at_p_0.01"].n) == (1 / 80, 80)
    assert found["false_alarm_rate_p_at_p_0.01"].value == 0.0
    assert found["false_alarm_rate_Fe_at_p_0.01"].value == 1 / 40
    assert "false_alarm_rate_photon_at_p_0.01" not in found


def test_without_kinds_photons_are_the_anomalies() -> None:
    found = measured(PLAIN)
    assert found["anomaly_auc"].value == roc_auc(SCORE[:90], LABELS[:90] == 0, np.ones(90)) == 1.0
    assert found["anomaly_sic"].value == pytest.approx(np.sqrt(80 / 5)), "all photons, and the five strangest hadrons"
    assert not any("muon_rich" in name for name in found)


def test_one_side_alone_has_no_auc() -> None:
    assert not any("auc" in name or "sic" in name for name in measured(PLAIN, reference=CLASSES))
    assert measured(PLAIN, reference=()) == {}
