"""What a simulator section may ask for, and what it is told when it asks for nonsense."""

from __future__ import annotations

from typing import Any

import pytest

from cascada.config import SimulatorSource, validate_section
from cascada.errors import ConfigError

PLAIN: dict[str, Any] = {"kind": "simulator", "showers": 1000}


def refusal(**settings: object) -> str:
    with pytest.raises(ConfigError) as caught:
        validate_section(SimulatorSource, PLAIN | settings, "mine.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"hadronic_model": "Sibyll2.3d", "spectrum": "auger", "zenith": "flat_sec", "muon_scale": 1.5},
        {"primaries": ["p", "He", "N", "Fe"], "composition": "auger_epos"},
        {"primaries": ["p", "Fe"], "composition": {"p": 0.25, "Fe": 0.75}},
        {"anomalies": {"muon_rich": 0.01, "preshowered_photon": 0.5}},
        {"level": "detector", "detector": {"spacing_m": 750, "rings": 3}, "anomalies": {"lightning": 1}},
    ],
)
def test_what_it_may_ask_for(settings: dict[str, Any]) -> None:
    assert validate_section(SimulatorSource, PLAIN | settings, "mine.yaml").showers == 1000


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hadronic_model": "EPOS"}, "'QGSJetII-04', 'EPOS-LHC' or 'Sibyll2.3d'"),
        ({"spectrum": "steep"}, "'flat' or 'auger'"),
        ({"lg_energy_ev_min": 16.5}, "greater than or equal to 17"),
        ({"lg_energy_ev_max": 21.5}, "less than or equal to 21"),
        ({"zenith_deg_max": 61}, "less than or equal to 60"),
        ({"muon_scale": 1.6}, "less than or equal to 1.5"),
        ({"anomalies": {"muon_rch": 0.1}}, "unknown kind 'muon_rch'; did you mean muon_rich"),
        ({"anomalies": {"zzz": 0.1}}, "valid names: atmosphere_drift, broken_pmt"),
        ({"anomalies": {"muon_rich": 0.0}}, "the share of muon_rich must be in (0, 1], not 0"),
        ({"anomalies": {"muon_rich": 0.7, "muon_poor": 0.4}}, "add up to 1.1, above 1"),
        ({"anomalies": {"lightning": 0.1}}, "lightning happens in a detector; set level: detector"),
        ({"anomalies": {"preshowered_photon": 0.1}, "primaries": ["p", "Fe"]}, "needs photons above lg(E/eV) = 19.7"),
        ({"anomalies": {"preshowered_photon": 0.1}, "lg_energy_ev_max": 19.5}, "needs photons above lg(E/eV) = 19.7"),
        ({"composition": "auger_epos"}, "p, He, N and Fe together"),
        ({"composition": "auger"}, "composition"),
        ({"primaries": ["p", "Fe"], "composition": {"p": 0.5, "Fe": 0.4}}, "add up to 1, not 0.9"),
        ({"primaries": ["p", "Fe"], "composition": {"p": 1.5, "Fe": -0.5}}, "must be positive"),
        ({"primaries": ["p", "Fe"], "composition": {"p": 1.0}}, "no share for Fe"),
        ({"primaries": ["p", "Fe"], "composition": {"p": 0.5, "Fee": 0.5}}, "'Fee' is none of the primaries; did you"),
        ({"detector": {"rings": 3}}, "has no effect at shower level; set level: detector"),
        ({"level": "detector", "detector": {"spacing_m": 1000}}, "433, 750 or 1500"),
        ({"level": "detector", "detector": {"rngs": 3}}, "did you mean rings?"),
        ({"level": "detektor"}, "'shower' or 'detector'"),
    ],
)  # fmt: skip
def test_what_it_may_not(settings: dict[str, Any], words: str) -> None:
    message = refusal(**settings)
    assert words in message, message
    assert "mine.yaml" in message
