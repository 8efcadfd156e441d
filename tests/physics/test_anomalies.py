"""Unusual showers: each kind does what its name says, to its share of the showers, and to no other."""

from __future__ import annotations

import numpy as np
import pytest

from cascada.config import SimulatorSource
from cascada.config.simulator import DETECTOR_ANOMALIES, SHOWER_ANOMALIES
from cascada.physics import anomalies
from cascada.physics.anomalies import NONE, draw_kinds, with_anomalies
from cascada.physics.showers import Flux, Showers, draw_flux

SIZE = 20_000


def drawn(kind: str, share: float = 0.5, **settings: object) -> tuple[Flux, np.ndarray, Showers]:
    defaults = {"kind": "simulator", "showers": SIZE, "primaries": ("p", "Fe"), "anomalies": {kind: share}}
    if kind in DETECTOR_ANOMALIES:
        defaults["level"] = "detector"
    source = SimulatorSource.model_validate(defaults | settings)
    flux = draw_flux(source, SIZE, np.random.default_rng(5))
    rng = np.random.default_rng(6)
    kinds = draw_kinds(source, flux, rng)
    return flux, kinds, with_anomalies(source, flux, kinds, rng)


def mean_change(kind: str, quantity: str) -> float:
    """Mean of ln of a quantity in anomalous showers, less that in ordinary ones of the same primaries and energies."""
    flux, kinds, showers = drawn(kind)
    odd = kinds == kind
    return float(np.mean(np.log(getattr(showers, quantity)[odd]) - np.log(getattr(flux.showers, quantity)[odd])))


def test_every_kind_of_shower_is_drawn() -> None:
    assert set(anomalies._DRAW) == set(SHOWER_ANOMALIES)


@pytest.mark.parametrize("kind", [kind for kind in SHOWER_ANOMALIES if kind != "preshowered_photon"])
def test_ordinary_showers_stay_as_they_were(kind: str) -> None:
    flux, kinds, showers = drawn(kind, share=0.2)
    assert (kinds == kind).mean() == pytest.approx(0.2, abs=0.015)
    ordinary = kinds == NONE
    for name, values in vars(showers).items():
        before = getattr(flux.showers, name)
        assert np.array_equal(values[ordinary], before[ordinary])
        assert (values[~ordinary] != before[~ordinary]).all()


@pytest.mark.parametrize("kind", DETECTOR_ANOMALIES)
def test_kinds_of_detectors_leave_the_shower_alone(kind: str) -> None:
    flux, kinds, showers = drawn(kind)
    assert set(kinds) == {kind, NONE}
    assert np.array_equal(showers.n_mu, flux.showers.n_mu)


def test_muons_are_halved_or_more() -> None:
    assert mean_change("muon_poor", "n_mu") == pytest.approx(np.log(0.5), abs=0.01)
    assert mean_change("muon_rich", "n_mu") == pytest.approx(np.log(1.6), abs=0.01)
    assert mean_change("muon_poor", "n_em") == pytest.approx(0.0, abs=0.02)


def test_exotic_showers_are_150_g_cm2_deeper() -> None:
    flux, kinds, showers = drawn("deep_exotic")
    odd = kinds == "deep_exotic"
    assert np.mean(showers.xmax_g_cm2[odd] - flux.showers.xmax_g_cm2[odd]) == pytest.approx(150.0, abs=4.0)
    assert mean_change("deep_exotic", "n_em") > 0.3


def test_more_air_leaves_fewer_electromagnetic_particles() -> None:
    assert -0.25 < mean_change("atmosphere_drift", "n_em") < -0.03
    assert mean_change("atmosphere_drift", "n_mu") == pytest.approx(0.0, abs=0.01)


def test_a_double_bang_conserves_energy_and_is_wide() -> None:
    flux, kinds, showers = drawn("double_bang")
    odd = kinds == "double_bang"
    depth = showers.xmax_g_cm2[odd] - flux.showers.xmax_g_cm2[odd]
    # Half of the showers peak 150 to 400 g/cm2 deeper, the others where they were.
    assert depth.std() > 2 * flux.showers.xmax_g_cm2.std() / np.sqrt(2.0) > 0
    # Two showers of half the energy have 2^0.06 times the muons of one, and the deeper one some more.
    assert 0.04 < mean_change("double_bang", "n_mu") < 0.25


def test_preshowers_bring_photons_back_to_where_10_eev_showers_are() -> None:
    settings = {"primaries": ("photon", "p"), "lg_energy_ev_min": 19.5, "lg_energy_ev_max": 20.5}
    flux, kinds, showers = drawn("preshowered_photon", share=1.0, **settings)
    odd = kinds == "preshowered_photon"
    assert np.array_equal(odd, (flux.class_index == 0) & (flux.energy_eev > 50.0))
    assert 940.0 < showers.xmax_g_cm2[odd].mean() < 1010.0
    assert showers.xmax_g_cm2[odd].std() < 60.0
    assert flux.showers.xmax_g_cm2[odd].mean() > 1150.0


def test_two_kinds_share_the_showers() -> None:
    _, kinds, _ = drawn("muon_poor", anomalies={"muon_poor": 0.3, "deep_exotic": 0.1})
    found = {kind: float((kinds == kind).mean()) for kind in ("muon_poor", "deep_exotic", NONE)}
    assert found == pytest.approx({"muon_poor": 0.3, "deep_exotic": 0.1, NONE: 0.6}, abs=0.02)
