"""What a water-Cherenkov station is expected to see of a shower.

A tank of 3.6 m diameter and 1.2 m of water (Auger, NIM A 798 (2015) 172) seen under a zenith angle has an area A and
a mean track V / A, V its volume: muons of density rho in the shower plane leave ``V rho / 1.2 m``, which is 10 VEM a
muon per m2 at any zenith angle. Electromagnetic particles are absorbed: some 10 MeV each at the distances that
matter, against the 240 MeV of a vertical muon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.physics.array import Axes, distance_from_axis
from cascada.physics.ground import GROUND_DEPTH_G_CM2
from cascada.physics.lateral import em_density, muon_density, shower_age
from cascada.physics.showers import Showers

Floats = NDArray[np.float64]

TANK_RADIUS_M, TANK_HEIGHT_M = 1.8, 1.2
EM_PARTICLE_VEM = 10.0 / 240.0
"""Signal of a mean electromagnetic particle."""
ASYMMETRY_PER_KM = 0.1
"""Early-late asymmetry: the signal varies by 1 + 0.1 (r / km) tan(zenith) cos(zeta), zeta = 0 upstream."""
_ASYMMETRY_LIMIT_M = 2000.0


@dataclass(frozen=True)
class Expected:
    """What stations expect; every array has shape (n, stations).

    Attributes
    ----------
    muons, em_particles
        Mean numbers of particles that enter the tank.
    muon_vem
        Mean signal of one muon.
    distance_m
        From the axis, in the shower plane.
    beyond_g_cm2
        Slant depth from the maximum to the ground.
    """

    muons: Floats
    em_particles: Floats
    muon_vem: Floats
    distance_m: Floats
    beyond_g_cm2: Floats

    @property
    def signal_vem(self) -> Floats:
        """Mean signal."""
        return self.muons * self.muon_vem + self.em_particles * EM_PARTICLE_VEM


def tank_area_m2(zenith: Floats) -> Floats:
    """Area that a tank shows to particles of a zenith angle (radians)."""
    side = 2.0 * TANK_RADIUS_M * TANK_HEIGHT_M
    area: Floats = np.pi * TANK_RADIUS_M**2 * np.cos(zenith) + side * np.sin(zenith)
    return area


def muon_signal_vem(zenith: Floats) -> Floats:
    """Mean signal of a muon of a zenith angle (radians): its mean track over that of a vertical muon."""
    volume = np.pi * TANK_RADIUS_M**2 * TANK_HEIGHT_M
    return volume / tank_area_m2(zenith) / TANK_HEIGHT_M


def expect(showers: Showers, axes: Axes, positions: Floats) -> Expected:
    """Evaluate what every station expects of every shower.

    Parameters
    ----------
    showers, axes
        Of n showers.
    positions
        Stations, shape (stations, 2), m.
    """
    upstream, sideways = axes.shower_plane(positions)
    distance = distance_from_axis(upstream, sideways)
    secant, column = axes.secant[:, None], np.ones_like(distance)
    slant, xmax = GROUND_DEPTH_G_CM2 * secant, showers.xmax_g_cm2[:, None]
    area = tank_area_m2(axes.zenith)[:, None] * _asymmetry(axes, upstream, distance)
    return Expected(
        muons=area * muon_density(distance, showers.n_mu[:, None], secant),
        em_particles=area * em_density(distance, showers.n_em[:, None], shower_age(slant, xmax)),
        muon_vem=muon_signal_vem(axes.zenith)[:, None] * column,
        distance_m=distance,
        beyond_g_cm2=(slant - xmax) * column,
    )


def _asymmetry(axes: Axes, upstream: Floats, distance: Floats) -> Floats:
    amplitude = ASYMMETRY_PER_KM / 1000.0 * np.minimum(distance, _ASYMMETRY_LIMIT_M) * np.tan(axes.zenith)[:, None]
    return 1.0 + amplitude * upstream / distance
