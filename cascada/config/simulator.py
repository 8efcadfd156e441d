"""The section of simulated showers, and what it may ask for."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from cascada.config.section import Section
from cascada.errors import nearest

HadronicModel = Literal["QGSJetII-04", "EPOS-LHC", "Sibyll2.3d"]
Composition = Literal["equal", "auger_epos", "auger_sibyll"]

SHOWER_ANOMALIES = (
    "preshowered_photon",
    "deep_exotic",
    "muon_poor",
    "muon_rich",
    "double_bang",
    "atmosphere_drift",
)
"""Kinds of unusual showers, at both levels (`cascada.physics.anomalies`)."""

DETECTOR_ANOMALIES = ("two_core", "broken_pmt", "saturated_pmt", "clock_shift", "lightning")
"""Kinds that only a detector shows (`cascada.physics.stations`)."""

AUGER_NUCLEI = ("p", "He", "N", "Fe")
"""Nuclei of the compositions that the Pierre Auger Observatory fitted."""

PRESHOWER_EEV = 50.0
"""Photons convert in the geomagnetic field above some 5e19 eV (Homola et al., CPC 173 (2005) 71)."""


class Detector(Section):
    """A triangular array of water-Cherenkov stations."""

    spacing_m: Literal[433, 750, 1500] = Field(1500, description="distance of neighbouring stations, m")
    rings: Literal[2, 3] = Field(2, description="hexagonal rings around the hottest station: 19 or 37 stations")
    trace_bins: int = Field(120, ge=40, le=768, description="bins of 25 ns; the signal is what falls into them")
    trigger_vem: float = Field(3.0, ge=1.0, le=100.0, description="signal from which a station counts, VEM")
    min_stations: int = Field(3, ge=3, le=19, description="triggered stations that make an event")


class SimulatorSource(Section):
    """Showers from the parametric simulator (`cascada.physics.showers`)."""

    kind: Literal["simulator"]
    showers: int = Field(ge=1, le=1_000_000_000, description="number of showers over all primaries")
    primaries: tuple[str, ...] = Field(("photon", "p", "He", "N", "Fe"), min_length=2)
    hadronic_model: HadronicModel = "QGSJetII-04"
    lg_energy_ev_min: float = Field(18.0, ge=17, le=21, description="lg(E/eV), lower edge")
    lg_energy_ev_max: float = Field(20.5, ge=17, le=21, description="lg(E/eV), upper edge")
    zenith_deg_max: float = Field(60.0, gt=0, le=60)
    spectrum: Literal["flat", "auger"] = Field("flat", description="in lg E, or as measured (arXiv:2008.06488)")
    zenith: Literal["isotropic", "flat_sec"] = Field("isotropic", description="on a flat array, or flat in sec")
    composition: Composition | dict[str, float] = Field("equal", description="or the share of each primary")
    muon_scale: float = Field(1.0, ge=1.0, le=1.5, description="factor on the muons: the muon puzzle")
    anomalies: dict[str, float] = Field(default_factory=dict, description="kind -> share of the showers")
    level: Literal["shower", "detector"] = Field("shower", description="numbers at the ground, or stations and traces")
    detector: Detector = Detector()

    @model_validator(mode="after")
    def _energies_in_order(self) -> Self:
        if self.lg_energy_ev_min >= self.lg_energy_ev_max:
            raise ValueError("lg_energy_ev_min must be below lg_energy_ev_max")
        return self

    @model_validator(mode="after")
    def _detector_is_used(self) -> Self:
        if self.level == "shower" and self.detector != Detector():
            raise ValueError("detector: has no effect at shower level; set level: detector")
        return self

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        if self.composition in ("auger_epos", "auger_sibyll") and set(self.primaries) != set(AUGER_NUCLEI):
            raise ValueError(f"composition {self.composition}: is known for the primaries p, He, N and Fe together")
        if isinstance(self.composition, dict):
            _check_shares(self.composition, self.primaries)
        return self

    @model_validator(mode="after")
    def _anomalies_are_possible(self) -> Self:
        known = SHOWER_ANOMALIES + DETECTOR_ANOMALIES
        for kind, share in self.anomalies.items():
            if kind not in known:
                raise ValueError(f"anomalies: unknown kind {kind!r}; {nearest(kind, known)}")
            if kind in DETECTOR_ANOMALIES and self.level == "shower":
                raise ValueError(f"anomalies: {kind} happens in a detector; set level: detector")
            if not 0.0 < share <= 1.0:
                raise ValueError(f"anomalies: the share of {kind} must be in (0, 1], not {share:g}")
        if sum(self.anomalies.values()) > 1.0:
            raise ValueError(f"anomalies: the shares add up to {sum(self.anomalies.values()):g}, above 1")
        high = 10.0 ** (self.lg_energy_ev_max - 18.0) > PRESHOWER_EEV
        if "preshowered_photon" in self.anomalies and not (high and "photon" in self.primaries):
            raise ValueError("anomalies: preshowered_photon needs photons above lg(E/eV) = 19.7")
        return self


def _check_shares(shares: dict[str, float], primaries: tuple[str, ...]) -> None:
    for name in shares:
        if name not in primaries:
            raise ValueError(f"composition: {name!r} is none of the primaries; {nearest(name, primaries)}")
    for name in primaries:
        if name not in shares:
            raise ValueError(f"composition: no share for {name}")
    total = math.fsum(shares.values())
    if min(shares.values()) < 0.0 or abs(total - 1.0) > 1e-6:
        raise ValueError(f"composition: the shares must be positive and add up to 1, not {total:g}")
