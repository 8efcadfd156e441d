"""Bins of energy and zenith: every shower in one of each, edges where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from cascada.evaluation.anomalies import normal_showers
from cascada.evaluation.metrics import Resampling
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.separation import roc_auc
from cascada.evaluation.slices import FEWEST_SHOWERS, bounds_of, measure_slices, region_name, regions
from cascada.evaluation.truth import Truth

CLASSES = ("photon", "p", "Fe")


def truth_of(lg_energy: np.ndarray, zenith: np.ndarray | None = None) -> Truth:
    size = lg_energy.size
    return Truth(np.arange(size) % 3, np.arange(size), energy_eev=10.0 ** (lg_energy - 18.0), zenith_deg=zenith)


def test_every_shower_has_one_bin_of_each_axis() -> None:
    rng = np.random.default_rng(0)
    truth = truth_of(rng.uniform(18.0, 20.5, 3000), rng.uniform(0, 60, 3000))
    found = regions(truth)
    assert list(found) == [
        *(f"lg_energy_ev {low:g} to {low + 0.5:g}" for low in (18, 18.5, 19, 19.5, 20)),
        *("zenith_deg 0 to 30", "zenith_deg 30 to 45", "zenith_deg 45 to 60"),
    ]
    for axis in ("lg_energy_ev", "zenith_deg"):
        assert (sum(rows.astype(int) for name, rows in found.items() if name.startswith(axis)) == 1).all()


def test_edges_in_float32_stay_in_their_bins() -> None:
    energy = np.float32(10.0 ** np.repeat([1.0, 1.5, 2.0], 60)).astype(float)
    assert np.log10(energy[60]) < 1.5, "what float32 makes of 19.5"
    found = regions(Truth(np.zeros(180, int), np.arange(180), energy_eev=energy))
    assert {name: int(rows.sum()) for name, rows in found.items()} == {
        "lg_energy_ev 19 to 19.5": 60, "lg_energy_ev 19.5 to 20": 120,
    }  # fmt: skip


def test_small_bins_and_unknown_energies_are_left_out() -> None:
    lg_energy = np.repeat([18.2, 18.7], [FEWEST_SHOWERS, FEWEST_SHOWERS - 1])
    assert list(regions(truth_of(lg_energy))) == ["lg_energy_ev 18 to 18.5"]
    assert regions(Truth(np.zeros(9, int), np.arange(9), energy_eev=np.full(9, np.nan))) == {}
    assert regions(Truth(np.zeros(9, int), np.arange(9))) == {}


@pytest.mark.parametrize(("axis", "low", "high"), [("zenith_deg", 0.0, 30.0), ("lg_energy_ev", 18.5, 19.0)])
def test_the_name_of_a_bin_tells_its_bounds(axis: str, low: float, high: float) -> None:
    assert bounds_of(region_name(axis, low, high)) == (axis, low, high)
    assert bounds_of("all") is None


def test_metrics_of_a_bin_are_those_of_its_showers() -> None:
    rng = np.random.default_rng(1)
    truth = truth_of(np.repeat([18.2, 19.2], 300))
    share = rng.dirichlet(np.ones(3), 600) + np.eye(3)[truth.labels]
    predictions = Predictions(share / 2, rng.random(600), rng.random(600))
    normal = normal_showers(truth, CLASSES, ("p", "Fe"))
    made = measure_slices(predictions, truth, normal, CLASSES, Resampling(truth.groups, rng))
    found = {(m.name, m.region): m for m in made}
    second = np.arange(600) >= 300
    right = share.argmax(axis=1) == truth.labels
    assert found["accuracy", "lg_energy_ev 19 to 19.5"].value == right[second].mean()
    expected = roc_auc(predictions.anomaly_score[second], ~normal[second], np.ones(300))
    assert found["anomaly_auc", "lg_energy_ev 19 to 19.5"].value == pytest.approx(expected)
    names = {"accuracy", "auc_p_fe", "merit_factor_p_fe", "false_alarm_rate_at_p_0.01", "anomaly_auc"}
    assert {name for name, _ in found} == names
    assert found["false_alarm_rate_at_p_0.01", "lg_energy_ev 18 to 18.5"].n == 200
