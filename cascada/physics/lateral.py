"""How particles spread around the shower axis, and what a reconstruction fits to them.

Densities are per m2 in the shower plane, distances in m from the axis.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MUON_SCALE_M = 280.0
"""Scale of the muon distribution of the Auger muon detectors: rho ~ x^-0.3 (1 + x)^-beta (1 + (x/10)^2)^-4.6."""
_MUON_ALPHA, _MUON_GAMMA = 0.3, 4.6

MOLIERE_RADIUS_M = 90.0
"""Moliere radius two cascade units above the array, at the altitude of the Pierre Auger Observatory."""

_SECANTS = np.linspace(1.0, 2.05, 43)
_AGES = np.linspace(0.3, 2.0, 1701)


def muon_density(distance_m: Floats, n_mu: Floats, secant: Floats) -> Floats:
    """Evaluate the density of muons, in the form of the Auger underground detectors, with integral `n_mu`.

    The slope is ``beta = 4.4 - 1.1 sec(zenith)``: inclined showers, whose muons come from farther away, are flatter.

    Parameters
    ----------
    distance_m, n_mu, secant
        Arrays that broadcast; 1 <= sec(zenith) <= 2.05.

    Returns
    -------
    ndarray
        Muons per m2 in the shower plane.
    """
    return n_mu / np.interp(secant, _SECANTS, _muon_integrals()) * _muon_shape(distance_m, secant)


def _muon_shape(distance_m: Floats, secant: Floats) -> Floats:
    x = distance_m / MUON_SCALE_M
    exponent = -_MUON_ALPHA * np.log(x) - (4.4 - 1.1 * secant) * np.log1p(x) - _MUON_GAMMA * np.log1p((x / 10.0) ** 2)
    shape: Floats = np.exp(exponent)
    return shape


@functools.cache
def _muon_integrals() -> Floats:
    ln_distance = np.linspace(math.log(1e-3), math.log(1e6), 4001)
    distance = np.exp(ln_distance)
    density = _muon_shape(distance, _SECANTS[:, None]) * 2.0 * np.pi * distance**2
    integrals: Floats = np.trapezoid(density, ln_distance, axis=1)
    return integrals


def shower_age(depth_g_cm2: Floats, xmax_g_cm2: Floats) -> Floats:
    """Evaluate the age ``3 X / (X + 2 Xmax)`` of a shower at slant depth X: 1 at its maximum."""
    return 3.0 * depth_g_cm2 / (depth_g_cm2 + 2.0 * xmax_g_cm2)


def em_density(distance_m: Floats, n_em: Floats, age: Floats) -> Floats:
    """Evaluate the Nishimura-Kamata-Greisen density of electromagnetic particles, with integral `n_em`.

    ``rho = N C(s) / r0^2 x^(s-2) (1+x)^(s-4.5)``, ``x = r/r0``, ``C = Gamma(4.5-s) / (2 pi Gamma(s) Gamma(4.5-2s))``
    (Greisen, Ann. Rev. Nucl. Sci. 10 (1960) 63).

    Parameters
    ----------
    distance_m, n_em, age
        Arrays that broadcast; the age is kept within 0.3 to 2.0.
    """
    s = np.clip(age, _AGES[0], _AGES[-1])
    x = distance_m / MOLIERE_RADIUS_M
    shape = np.exp((s - 2.0) * np.log(x) + (s - 4.5) * np.log1p(x))
    density: Floats = n_em * np.interp(s, _AGES, _nkg_constants()) / MOLIERE_RADIUS_M**2 * shape
    return density


@functools.cache
def _nkg_constants() -> Floats:
    gamma = math.gamma
    return np.array([gamma(4.5 - s) / (2.0 * math.pi * gamma(s) * gamma(4.5 - 2.0 * s)) for s in _AGES])


def log_ldf(distance_m: Floats, beta: Floats, gamma: float) -> Floats:
    """Evaluate ln of the lateral distribution of signals, relative to 1000 m.

    ``S(r) = S1000 (r/1000 m)^beta ((r + 700 m) / 1700 m)^(beta + gamma)`` (Auger, arXiv:2007.09035).
    """
    value: Floats = beta * np.log(distance_m / 1000.0) + (beta + gamma) * np.log((distance_m + 700.0) / 1700.0)
    return value
