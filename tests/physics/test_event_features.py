"""Features of events: worked by hand, and on simulated events, whose physics they have to show."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from cascada.config import SimulatorSource
from cascada.data.sources.simulator import simulate
from cascada.physics.observables import FEATURES, Floats, feature_matrix, required_columns
from cascada.physics.observables.events import EVENT_FEATURES

EVENTS = {
    "energy_reco_eev": np.array([10.0, 100.0]),
    "zenith_reco_deg": np.array([0.0, 60.0]),
    "s38_vem": np.array([100.0, 1000.0]),
    "s1000_vem": np.array([50.0, 50.0]),
    "signal_vem": np.array([50.0, 100.0]),
    "distance_m": np.array([1000.0, 1000.0 * math.e]),
    "rise_time_ns": np.array([math.exp(5.371), math.exp(6.0)]),
    "fall_time_ns": np.array([math.exp(6.197 + 0.5), math.exp(7.0)]),
    "area_over_peak_ns": np.array([10.0 * math.exp(5.371), math.exp(6.0)]),
}
WORKED = {
    "lg_energy_reco": [0.0, 1.0],
    "sec_zenith_reco": [0.0, 1.0],
    "lg_s38": [2.0, 3.0],
    "lg_signal": [math.log10(50.0), 2.0],
    "lg_distance": [0.0, math.log10(math.e)],
    "rise_time_residual": [0.0, 6.0 - (5.371 + 1.030 + 0.255 - 0.651 - 0.055)],
    "fall_time_residual": [0.5, 7.0 - (6.197 + 1.048 + 0.262 - 0.633 - 0.336)],
    "lg_peak_width": [1.0, 0.0],
    "lateral_residual": [0.0, math.log(2.0) - (-4.142 + 1.037)],
}


def test_every_event_feature_is_worked_by_hand() -> None:
    assert set(WORKED) == set(EVENT_FEATURES)


@pytest.mark.parametrize("name", WORKED)
def test_worked_values(name: str) -> None:
    assert FEATURES[name].compute(EVENTS) == pytest.approx(WORKED[name], abs=1e-9)


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    """Events of photons, protons and iron, from another seed than the constants were fitted with."""
    source = SimulatorSource(
        kind="simulator", showers=3000, primaries=("photon", "p", "Fe"), level="detector", lg_energy_ev_min=18.5
    )
    return simulate(source, 3, threads=1).frame.collect()


def features_of(events: pl.DataFrame) -> dict[str, Floats]:
    columns = {name: events[name].cast(pl.Float64).to_numpy() for name in required_columns(tuple(EVENT_FEATURES))}
    assert np.isfinite(feature_matrix(columns, tuple(EVENT_FEATURES))).all()
    return {name: feature.compute(columns) for name, feature in EVENT_FEATURES.items()}


def test_residuals_of_protons_vanish_wherever_the_station_is(events: pl.DataFrame) -> None:
    """Their scatter is 0.18, 0.17 and 0.08 an event; the means of some 300 events are known to a sixteenth of it."""
    protons = events.filter(pl.col("primary") == "p")
    found = features_of(protons)
    near = (protons["distance_m"] < protons["distance_m"].median()).to_numpy()
    upright = (protons["zenith_reco_deg"] < protons["zenith_reco_deg"].median()).to_numpy()
    for name in ("rise_time_residual", "fall_time_residual", "lateral_residual"):
        for half in (near, ~near, upright, ~upright):
            assert found[name][half].mean() == pytest.approx(0.0, abs=0.04)


def test_pulses_of_photons_are_slower_and_those_of_iron_faster(events: pl.DataFrame) -> None:
    """More muons, higher up: faster pulses. Photons beside iron differ by five standard errors and more."""
    for name in ("rise_time_residual", "fall_time_residual"):
        photon, iron = (features_of(events.filter(pl.col("primary") == primary))[name] for primary in ("photon", "Fe"))
        error = math.hypot(photon.std() / math.sqrt(photon.size), iron.std() / math.sqrt(iron.size))
        assert photon.mean() - iron.mean() > 4.0 * error
