"""Unusual showers on request, each a kind with a share; labelled in the truth table and nowhere else.

An anomalous shower is drawn anew from a random stream of its own, so that asking for anomalies leaves every other
shower as it was. The sizes of the effects define scenarios; they are no measurements:

===================== ==============================================================================================
preshowered_photon    a photon above 50 EeV that converted in the geomagnetic field and arrives as a bundle of photons
                      of some 10 EeV, which brings its depth back to 950-1000 g/cm2 (Homola et al., CPC 173 (2005) 71)
deep_exotic           maximum 150 g/cm2 deeper
muon_poor, muon_rich  half the muons; 1.6 times the muons
double_bang           two showers along one axis: a share of 20 to 80 % of the energy starts 150 to 400 g/cm2 deeper
atmosphere_drift      20 hPa more air above the array than the analysis knows of: ground at 895.4 g/cm2
===================== ==============================================================================================
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cascada.config import SimulatorSource
from cascada.config.simulator import PRESHOWER_EEV
from cascada.physics.ground import GROUND_DEPTH_G_CM2
from cascada.physics.primaries import Primary, find_primary
from cascada.physics.showers import Flux, Showers, draw_showers, simulated_primaries

Floats = NDArray[np.float64]

NONE = "none"
"""The kind of ordinary showers."""

_BUNDLE_EEV = 10.0
_EXTRA_AIR_G_CM2 = 20.4
"""20 hPa / g, with 1 hPa = 1.0197 g/cm2."""


def draw_kinds(source: SimulatorSource, flux: Flux, rng: np.random.Generator) -> NDArray[np.str_]:
    """Choose the kind of each shower, shape (n,).

    A share is the share of all showers, except that of preshowered photons: the share of photons above 50 EeV.
    """
    names = sorted(set(source.anomalies) - {"preshowered_photon"})
    edges = np.cumsum([source.anomalies[kind] for kind in names])
    drawn = rng.random((2, flux.energy_eev.size))
    kinds: NDArray[np.str_] = np.array([*names, NONE], dtype="U32")[np.searchsorted(edges, drawn[0], side="right")]
    if "preshowered_photon" in source.anomalies:
        can_convert = (flux.energy_eev > PRESHOWER_EEV) & (flux.class_index == _photon_index(source))
        kinds[can_convert & (drawn[1] < source.anomalies["preshowered_photon"])] = "preshowered_photon"
    return kinds


def with_anomalies(source: SimulatorSource, flux: Flux, kinds: NDArray[np.str_], rng: np.random.Generator) -> Showers:
    """Draw the showers of anomalous kinds anew; the others stay as they are.

    Parameters
    ----------
    kinds
        Of `draw_kinds`; kinds that only a detector shows leave the shower alone.
    """
    xmax, n_mu, n_em = (values.copy() for values in vars(flux.showers).values())
    for index, name in enumerate(simulated_primaries(source.primaries)):
        for kind in sorted(source.anomalies):
            rows = np.flatnonzero((kinds == kind) & (flux.class_index == index))
            if kind in _DRAW and rows.size:
                beam = Beam(find_primary(name), flux.energy_eev[rows], flux.zenith_deg[rows], source.hadronic_model)
                drawn = _DRAW[kind](beam, rng)
                xmax[rows], n_em[rows] = drawn.xmax_g_cm2, drawn.n_em
                n_mu[rows] = drawn.n_mu * source.muon_scale
    return Showers(xmax, n_mu, n_em)


@dataclass(frozen=True)
class Beam:
    """What a kind of shower is drawn for; energies and zenith angles of shape (n,)."""

    primary: Primary
    energy_eev: Floats
    zenith_deg: Floats
    hadronic_model: str

    def draw(
        self, rng: np.random.Generator, *, deeper_g_cm2: float | Floats = 0.0, ground: float = GROUND_DEPTH_G_CM2
    ) -> Showers:
        """Draw showers; see `draw_showers`."""
        return draw_showers(
            self.primary, self.energy_eev, self.zenith_deg, rng,
            hadronic_model=self.hadronic_model, deeper_g_cm2=deeper_g_cm2, ground_depth_g_cm2=ground,
        )  # fmt: skip


def _photon_index(source: SimulatorSource) -> int:
    return simulated_primaries(source.primaries).index("photon")


def _preshowered(beam: Beam, rng: np.random.Generator) -> Showers:
    photons = np.maximum(2, np.rint(beam.energy_eev / _BUNDLE_EEV)).astype(np.int64)
    owner = np.repeat(np.arange(photons.size), photons)
    bundle = replace(beam, energy_eev=(beam.energy_eev / photons)[owner], zenith_deg=beam.zenith_deg[owner])
    each = bundle.draw(rng)
    # Equal energies have nearly equal profiles, whose sum peaks at the mean of their depths.
    sums: list[Floats] = [np.bincount(owner, weights=values).astype(np.float64) for values in vars(each).values()]
    return Showers(sums[0] / photons, sums[1], sums[2])


def _double_bang(beam: Beam, rng: np.random.Generator) -> Showers:
    share = rng.uniform(0.2, 0.8, beam.energy_eev.size)
    later = rng.uniform(150.0, 400.0, beam.energy_eev.size)
    first = replace(beam, energy_eev=(1.0 - share) * beam.energy_eev).draw(rng)
    second = replace(beam, energy_eev=share * beam.energy_eev).draw(rng, deeper_g_cm2=later)
    # The profile peaks where the larger share of the energy does.
    xmax = np.where(share > 0.5, second.xmax_g_cm2, first.xmax_g_cm2)
    return Showers(xmax, first.n_mu + second.n_mu, first.n_em + second.n_em)


def _with_muons(beam: Beam, rng: np.random.Generator, *, factor: float) -> Showers:
    drawn = beam.draw(rng)
    return replace(drawn, n_mu=factor * drawn.n_mu)


_DRAW: dict[str, Callable[[Beam, np.random.Generator], Showers]] = {
    "preshowered_photon": _preshowered,
    "deep_exotic": lambda beam, rng: beam.draw(rng, deeper_g_cm2=150.0),
    "muon_poor": functools.partial(_with_muons, factor=0.5),
    "muon_rich": functools.partial(_with_muons, factor=1.6),
    "double_bang": _double_bang,
    "atmosphere_drift": lambda beam, rng: beam.draw(rng, ground=GROUND_DEPTH_G_CM2 + _EXTRA_AIR_G_CM2),
}
