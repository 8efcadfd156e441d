"""Parametric showers at shower level: depth of maximum, muons and electromagnetic particles at the ground.

Depths follow the generalised Gumbel distribution of De Domenico, Settimo, Riggi and Bertin, JCAP 07 (2013) 050
(arXiv:1305.2331), with its refitted coefficients for QGSJetII-04; muon numbers follow Heitler-Matthews (Matthews,
Astropart. Phys. 22 (2005) 387) and electromagnetic sizes the universality of the late shower in the Gaisser-Hillas
form of Andringa et al. The coefficients of the latter two, and all those of photons, were fitted to CORSIKA /
QGSJetII-04 showers at the depth of the Pierre Auger Observatory, 18 <= lg(E/eV) <= 20.5, zenith up to 60 degrees,
photons with LPM effect and without pre-showers.

Energies are in EeV, zenith angles in degrees, depths in g/cm2 along the shower axis (slant).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.physics.primaries import Primary, find_primary

Floats = NDArray[np.float64]

GROUND_DEPTH_G_CM2 = 875.0
"""Vertical depth of the Pierre Auger Observatory (NIM A 798 (2015) 172)."""

# Coefficients a0 + a1 lnA + a2 lnA^2 of each power of lg(E/10 EeV), QGSJetII-04.
_GUMBEL_MU = np.array([[758.65, -12.3571, -1.24539], [56.5943, -1.01244, 0.228689], [-0.534683, -0.17284, -0.019159]])
_GUMBEL_SIGMA = np.array([[35.4234, 6.75921, -1.46182], [-0.796042, 0.201762, -0.0142452]])
_GUMBEL_LAMBDA = np.array([[0.671545, 0.373902, 0.075325], [0.0304335, 0.0473985, -0.000564531]])


@dataclass(frozen=True)
class GroundModel:
    """Coefficients of the particle numbers of a nucleus at the ground.

    ``ln N_mu = muon_constant + muon_energy ln(E/10 EeV) + muon_sec (sec-1) + muon_sec2 (sec-1)^2
    + muon_depth (Xmax-750)/100 + muon_spread eps``, with eps of unit variance and skewness `muon_skewness`;
    ``ln(N_em/E) = ln em_size + ln(1+R d/L)/R^2 - d/(R L) + em_spread eps``, d the depth from maximum to ground.
    """

    muon_constant: float
    muon_energy: float
    muon_sec: float
    muon_sec2: float
    muon_depth: float
    muon_spread: float
    muon_skewness: float
    em_size: float
    em_r: float
    em_l: float
    em_spread: float


NUCLEI = {
    "p": GroundModel(17.949, 0.9437, -0.665, -0.283, 0.030, 0.131, -0.6, 4.75e9, 0.24, 251.0, 0.084),
    "He": GroundModel(18.067, 0.9244, -0.788, -0.171, 0.072, 0.076, -0.3, 4.77e9, 0.29, 243.0, 0.079),
    "N": GroundModel(18.187, 0.9139, -0.852, -0.116, 0.099, 0.048, -0.1, 4.84e9, 0.34, 233.0, 0.073),
    "Fe": GroundModel(18.334, 0.9042, -0.899, -0.074, 0.124, 0.029, 0.1, 4.90e9, 0.41, 223.0, 0.064),
}
_PHOTON_EM_SIZE, _PHOTON_EM_L, _PHOTON_EM_SPREAD = 4.94e9, 287.0, 0.11


@dataclass(frozen=True)
class Showers:
    """Shower-level quantities, each of shape (n,) and float64."""

    xmax_g_cm2: Floats
    n_mu: Floats
    n_em: Floats


def gumbel_parameters(lg_energy_ev: Floats, ln_mass: Floats | float) -> tuple[Floats, Floats, Floats]:
    """Evaluate location, scale and shape of the generalised Gumbel distribution of Xmax for QGSJetII-04.

    Parameters
    ----------
    lg_energy_ev
        lg(E/eV), shape (n,), 17 to 21.
    ln_mass
        ln A, scalar or shape (n,).

    Returns
    -------
    mu, sigma
        g/cm2, shape (n,).
    lam
        Dimensionless, shape (n,).

    References
    ----------
    De Domenico et al., JCAP 07 (2013) 050, arXiv:1305.2331.
    """
    ell = lg_energy_ev - 19.0

    def evaluate(table: Floats) -> Floats:
        in_mass = np.asarray([row[0] + row[1] * ln_mass + row[2] * np.square(ln_mass) for row in table])
        total: Floats = sum((c * ell**power for power, c in enumerate(in_mass)), start=np.zeros_like(ell))
        return total

    return evaluate(_GUMBEL_MU), evaluate(_GUMBEL_SIGMA), evaluate(_GUMBEL_LAMBDA)


def photon_gumbel_parameters(lg_energy_ev: Floats) -> tuple[Floats, Floats, Floats]:
    """Evaluate the Gumbel parameters of photons (fit to CORSIKA, 18 <= lg(E/eV) <= 20.5); see `gumbel_parameters`."""
    ell = lg_energy_ev - 19.0
    mu = 952.31 + 153.92 * ell + 44.40 * ell**2
    sigma = np.exp(4.4339 + 0.8307 * ell + 0.0839 * ell**2)
    lam = np.exp(0.4257 + 0.5759 * ell - 0.0237 * ell**2)
    return mu, sigma, lam


def draw_gumbel(mu: Floats, sigma: Floats, lam: Floats, rng: np.random.Generator) -> Floats:
    """Draw from the generalised Gumbel distribution: ``mu - sigma ln Gamma(lam, 1/lam)``, shape (n,)."""
    drawn: Floats = mu - sigma * np.log(rng.gamma(lam, 1.0 / lam))
    return drawn


def draw_skewed(skewness: float, size: int, rng: np.random.Generator) -> Floats:
    """Draw numbers of zero mean, unit variance and a given skewness (Pearson type III), shape (size,)."""
    if skewness == 0.0:
        return rng.standard_normal(size)
    shape = 4.0 / skewness**2
    return math.copysign(1.0, skewness) * (rng.gamma(shape, 1.0, size) - shape) / math.sqrt(shape)


def universal_em_profile(distance_g_cm2: Floats, r: float, l_g_cm2: float) -> Floats:
    """Evaluate ln of the Gaisser-Hillas profile at a depth beyond the maximum, relative to the maximum.

    Parameters
    ----------
    distance_g_cm2
        Depth minus Xmax, shape (n,), g/cm2.
    r, l_g_cm2
        Asymmetry and width; r = 0 is the Gaussian limit.

    References
    ----------
    Andringa, Conceicao, Pimenta, Astropart. Phys. 34 (2011) 360; Auger, JCAP 03 (2019) 018, arXiv:1811.04660.
    """
    if r == 0.0:
        return -np.square(distance_g_cm2 / l_g_cm2) / 2.0
    inside = np.maximum(1.0 + r * distance_g_cm2 / l_g_cm2, np.finfo(np.float64).tiny)
    value: Floats = np.log(inside) / r**2 - distance_g_cm2 / (r * l_g_cm2)
    return value


def draw_showers(primary: Primary, energy_eev: Floats, zenith_deg: Floats, rng: np.random.Generator) -> Showers:
    """Draw showers of one primary.

    Parameters
    ----------
    primary
        Photon, p, He, N or Fe.
    energy_eev, zenith_deg
        Shape (n,).
    """
    lg_energy = np.log10(energy_eev) + 18.0
    secant = 1.0 / np.cos(np.radians(zenith_deg))
    if not primary.is_nucleus:
        return _draw_photons(lg_energy, energy_eev, secant, rng)
    model = NUCLEI[primary.name]
    xmax = draw_gumbel(*gumbel_parameters(lg_energy, primary.ln_mass), rng)
    ln_n_mu = (
        model.muon_constant
        + model.muon_energy * np.log(energy_eev / 10.0)
        + model.muon_sec * (secant - 1.0)
        + model.muon_sec2 * np.square(secant - 1.0)
        + model.muon_depth * (xmax - 750.0) / 100.0
        + model.muon_spread * draw_skewed(model.muon_skewness, energy_eev.size, rng)
    )
    profile = universal_em_profile(GROUND_DEPTH_G_CM2 * secant - xmax, model.em_r, model.em_l)
    ln_n_em = np.log(model.em_size * energy_eev) + profile + model.em_spread * rng.standard_normal(energy_eev.size)
    return Showers(xmax, np.exp(ln_n_mu), np.exp(ln_n_em))


def _draw_photons(lg_energy: Floats, energy_eev: Floats, secant: Floats, rng: np.random.Generator) -> Showers:
    ell = lg_energy - 19.0
    xmax = draw_gumbel(*photon_gumbel_parameters(lg_energy), rng)
    spread = np.interp(ell, [0.4, 0.8, 1.2], [0.33, 0.46, 0.84])
    ln_n_mu = (
        16.010 + 2.523 * ell - 0.069 * ell**2
        + 0.759 * (secant - 1.0) - 1.414 * np.square(secant - 1.0)
        - 0.033 * (xmax - 1000.0) / 100.0
        + spread * rng.standard_normal(ell.size)
    )  # fmt: skip
    profile = universal_em_profile(GROUND_DEPTH_G_CM2 * secant - xmax, 0.0, _PHOTON_EM_L)
    ln_n_em = np.log(_PHOTON_EM_SIZE * energy_eev) + profile + _PHOTON_EM_SPREAD * rng.standard_normal(ell.size)
    return Showers(xmax, np.exp(ln_n_mu), np.exp(ln_n_em))


def draw_directions(size: int, zenith_deg_max: float, rng: np.random.Generator) -> Floats:
    """Draw zenith angles of an isotropic flux on a flat array: uniform in sin^2, shape (size,), degrees."""
    zenith: Floats = np.degrees(np.arcsin(np.sqrt(rng.random(size)) * math.sin(math.radians(zenith_deg_max))))
    return zenith


def draw_mixture(
    primaries: Sequence[str], size: int, *, lg_energy_ev: tuple[float, float], zenith_deg_max: float,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:  # fmt: skip
    """Draw a mixture of primaries in equal shares, in random order, uniform in lg E.

    Returns
    -------
    dict
        ``class_index`` (int64, position in `primaries`) and the observables of the shower table (float64),
        each of shape (size,).
    """
    class_index = rng.integers(0, len(primaries), size)
    energy = 10.0 ** (rng.uniform(*lg_energy_ev, size) - 18.0)
    zenith = draw_directions(size, zenith_deg_max, rng)
    xmax, n_mu, n_em = np.empty(size), np.empty(size), np.empty(size)
    for index, name in enumerate(primaries):
        mask = class_index == index
        showers = draw_showers(find_primary(name), energy[mask], zenith[mask], rng)
        xmax[mask], n_mu[mask], n_em[mask] = showers.xmax_g_cm2, showers.n_mu, showers.n_em
    return {
        "class_index": class_index, "energy_eev": energy, "zenith_deg": zenith,
        "n_mu": n_mu, "n_em": n_em, "xmax_g_cm2": xmax,
    }  # fmt: skip
