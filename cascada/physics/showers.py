"""Parametric showers at shower level: depth of maximum, muons and electromagnetic particles at the ground.

Depths come from `cascada.physics.depth`, particle numbers from `cascada.physics.ground`, the flux from
`cascada.physics.spectrum` and unusual showers from `cascada.physics.anomalies`. Nuclei are valid at
17 <= lg(E/eV) <= 21 and fitted to CORSIKA at 18 to 20.5; photons are extrapolated outside 18 to 20.5.

Energies are in EeV, zenith angles in degrees, depths in g/cm2 along the shower axis (slant).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.config import SimulatorSource
from cascada.errors import ConfigError, nearest
from cascada.physics.depth import draw_gumbel, gumbel_parameters, photon_gumbel_parameters
from cascada.physics.ground import GROUND_DEPTH_G_CM2, draw_ground
from cascada.physics.primaries import PRIMARIES, Primary, class_order, find_primary
from cascada.physics.spectrum import draw_classes, draw_lg_energy, draw_zenith, shares

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Showers:
    """Shower-level quantities, each of shape (n,) and float64."""

    xmax_g_cm2: Floats
    n_mu: Floats
    n_em: Floats


@dataclass(frozen=True)
class Flux:
    """Showers of several primaries, in random order; every array has shape (n,)."""

    class_index: NDArray[np.int64]
    energy_eev: Floats
    zenith_deg: Floats
    showers: Showers


def simulated_primaries(names: Sequence[str]) -> tuple[str, ...]:
    """Put the primaries of a source into class order.

    Raises
    ------
    ConfigError
        If one is unknown, or is neither a photon nor a nucleus.
    """
    found = class_order({find_primary(name).name for name in names})
    for name in found:
        if name != "photon" and not PRIMARIES[name].is_nucleus:
            able = [other.name for other in PRIMARIES.values() if other.is_nucleus or other.name == "photon"]
            raise ConfigError(f"the simulator has no showers of {name!r}", hint=nearest(name, able))
    return found


def draw_showers(
    primary: Primary, energy_eev: Floats, zenith_deg: Floats, rng: np.random.Generator,
    *, hadronic_model: str = "QGSJetII-04", deeper_g_cm2: float | Floats = 0.0,
    ground_depth_g_cm2: float | Floats = GROUND_DEPTH_G_CM2,
) -> Showers:  # fmt: skip
    """Draw showers of one primary.

    Parameters
    ----------
    primary
        Photon or a nucleus; the depth of photons does not depend on the hadronic model.
    energy_eev, zenith_deg
        Shape (n,).
    deeper_g_cm2
        Added to every depth of maximum.
    ground_depth_g_cm2
        Vertical depth of the ground.

    Raises
    ------
    ConfigError
        If the hadronic model is unknown.
    """
    lg_energy = np.log10(energy_eev) + 18.0
    secant = 1.0 / np.cos(np.radians(zenith_deg))
    if primary.is_nucleus:
        parameters = gumbel_parameters(lg_energy, primary.ln_mass, hadronic_model)
    else:
        parameters = photon_gumbel_parameters(lg_energy)
    xmax = draw_gumbel(*parameters, rng) + deeper_g_cm2
    ln_n_mu, ln_n_em = draw_ground(primary, lg_energy, secant, xmax, rng, ground_depth_g_cm2=ground_depth_g_cm2)
    return Showers(xmax, np.exp(ln_n_mu), np.exp(ln_n_em))


def draw_flux(source: SimulatorSource, size: int, rng: np.random.Generator) -> Flux:
    """Draw primaries, energies, directions and showers, without anomalies.

    Raises
    ------
    ConfigError
        If a primary is unknown.
    """
    primaries = simulated_primaries(source.primaries)
    if source.composition == "equal":
        class_index = rng.integers(0, len(primaries), size)
    lg_energy = draw_lg_energy(source, size, rng)
    zenith = draw_zenith(source, size, rng)
    if source.composition != "equal":
        class_index = draw_classes(shares(source, primaries, lg_energy), rng)
    energy = 10.0 ** (lg_energy - 18.0)
    xmax, n_mu, n_em = np.empty(size), np.empty(size), np.empty(size)
    for index, name in enumerate(primaries):
        rows = np.flatnonzero(class_index == index)
        drawn = draw_showers(find_primary(name), energy[rows], zenith[rows], rng, hadronic_model=source.hadronic_model)
        xmax[rows], n_mu[rows], n_em[rows] = drawn.xmax_g_cm2, drawn.n_mu, drawn.n_em
    return Flux(class_index, energy, zenith, Showers(xmax, n_mu * source.muon_scale, n_em))
