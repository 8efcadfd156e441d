"""Muons and electromagnetic particles at the ground, given primary, energy, zenith angle and depth of maximum.

Muon numbers grow with energy and mass as in Heitler-Matthews (Matthews, Astropart. Phys. 22 (2005) 387);
electromagnetic sizes follow the universality of the late shower in the Gaisser-Hillas form of Andringa, Conceicao and
Pimenta (Astropart. Phys. 34 (2011) 360), plus the particles that muons bring with them. With
``l = lg(E/10 EeV)``, ``t = sec(zenith) - 1``, ``w = (Xmax - 750 g/cm2) / 100`` and ``d`` the distance from the maximum
to the ground in units of 500 g/cm2::

    ln N_mu = 17.5 + mean(l, t, w) + spread * shash(n1; skew, tail)
    ln N_em = ln(E/EeV) + profile + spread * shash(n2; skew, tail)

where n1 and n2 are normal with correlation ``rho`` and ``shash`` is the sinh-arcsinh transformation of Jones and
Pewsey, Biometrika 96 (2009) 761, which gives fluctuations their skewness and tails. Every term is linear in
coefficients that ``benchmarks/fit_ground.py`` fitted by maximum likelihood to half of the showers of the open
five-class benchmark: CORSIKA / QGSJetII-04 at the depth of the Pierre Auger Observatory, 18 <= lg(E/eV) <= 20.5,
zenith up to 60 degrees, photons with LPM effect and without pre-showers. Beyond it only the linear terms go on.

The same coefficients serve EPOS-LHC and Sibyll2.3d, for which no such showers are public: what differs there is the
depth of maximum, and through it both numbers. The muons that those models make beyond it are the job of a scale
factor, never of this module.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from cascada.physics.primaries import Primary

Floats = NDArray[np.float64]
Coefficients = Mapping[str, Floats]
Terms = dict[str, list[Floats]]

GROUND_DEPTH_G_CM2 = 875.0
"""Vertical depth of the Pierre Auger Observatory (NIM A 798 (2015) 172)."""

FITTED = ("p", "He", "N", "Fe")
"""Nuclei with coefficients of their own; those between are interpolated linearly in ln A."""

MUON_REFERENCE = 17.5
EM_REFERENCE = 22.3
"""Where ln N_mu, and ln of the size at maximum per EeV, start to be counted from."""

_LN_MASS = np.log([1.0, 4.0, 14.0, 56.0])
_PHOTON_WIDTH_G_CM2 = 287.0
_MAXIMUM_CORRELATION = 0.98
_DEEPEST_PHOTON = (1600.0 - 750.0) / 100.0
_PHOTON_LN_N_MU = (9.0, 18.3)
_LN_N_EM_PER_EEV = (14.5, 24.0)
"""What no shower of the fit went beyond: ln N_mu of photons, scaled to 10 EeV by E^0.94 (the upper end is that of a
proton: a photon that interacts as a hadron at once), and ln N_em per EeV. Tails of the fit end there."""


@functools.cache
def _fitted() -> dict[str, Coefficients]:
    text = resources.files("cascada.physics").joinpath("ground.json").read_text(encoding="utf-8")
    stored = json.loads(text)["coefficients"]
    return {name: {key: np.array(values) for key, values in model.items()} for name, model in stored.items()}


def coefficients(primary: Primary) -> Coefficients:
    """List the coefficients of a primary, by quantity; nuclei without a fit lie on straight lines in ln A."""
    fitted = _fitted()
    if not primary.is_nucleus or primary.name in FITTED:
        return fitted[primary.name if primary.is_nucleus else "photon"]
    above = int(np.searchsorted(_LN_MASS, primary.ln_mass))
    low, high = fitted[FITTED[above - 1]], fitted[FITTED[above]]
    share = (primary.ln_mass - _LN_MASS[above - 1]) / (_LN_MASS[above] - _LN_MASS[above - 1])
    return {name: (1.0 - share) * low[name] + share * high[name] for name in low}


def nucleus_terms(ell: Floats, tilt: Floats, depth: Floats, distance: Floats) -> Terms:
    """List what multiplies the coefficients of a nucleus: by quantity, arrays of shape (n,).

    Parameters
    ----------
    ell, tilt
        lg(E/10 EeV) and sec(zenith) - 1.
    depth, distance
        (Xmax - 750 g/cm2) / 100, and from maximum to ground in units of 500 g/cm2.
    """
    one, e, d = np.ones_like(ell), np.clip(ell, -1.0, 1.5), np.clip(distance, -0.3, 2.2)
    return {
        "mu_mean": [one, ell, e**2, tilt, tilt**2, tilt**2 * tilt, depth, e * depth, tilt * depth],
        "em_mean": [one, ell, tilt],
        "mu_spread": [one, e, tilt, depth],
        "em_spread": [one, e, d, d**2, d**2 * d],
        "mu_skew": [one, e],
        "em_skew": [one, e, d, d**2],
        "mu_tail": [one],
        "em_tail": [one, d],
        "rho": [one, e, d, d**2],
    }


def photon_terms(ell: Floats, tilt: Floats, depth: Floats, distance: Floats) -> Terms:
    """List what multiplies the coefficients of photons; see `nucleus_terms`.

    The fit knows no maximum beyond 1600 g/cm2: deeper showers count as ones with a maximum there.
    """
    unknown = np.maximum(depth - _DEEPEST_PHOTON, 0.0)
    depth, distance = depth - unknown, distance + unknown * 100.0 / 500.0
    one, e, d = np.ones_like(ell), np.clip(ell, -1.0, 1.5), np.clip(distance, -1.0, 2.0)
    plane = [one, e, d, e * d, e**2, d**2]
    cubic = [d**2 * d, e**2 * d, e * d**2, e**2 * e]
    mean = [one, ell, e**2, d, d**2, cubic[0], e * d, tilt, cubic[1], cubic[2], np.square(d**2), cubic[3]]
    spread, shape = plane + cubic, plane
    return {
        "mu_mean": [*mean, tilt**2, depth], "em_mean": mean,
        "mu_spread": spread, "em_spread": spread,
        "mu_skew": shape, "em_skew": shape,
        "mu_tail": shape, "em_tail": shape,
        "rho": shape,
    }  # fmt: skip


def weighted_sum(weights: Floats, terms: Sequence[Floats]) -> Floats:
    """Add terms up in their order, so that the result does not hang on the machine's linear algebra."""
    total: Floats = weights[0] * terms[0]
    for weight, term in zip(weights[1:], terms[1:], strict=True):
        total += weight * term
    return total


def universal_em_profile(distance_g_cm2: Floats, r: float, l_g_cm2: float | Floats) -> Floats:
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


def sinh_arcsinh(normal: Floats, skew: Floats, ln_tail: Floats) -> Floats:
    """Bend normal numbers: ``sinh((asinh(n) + skew) / tail)``; (0, 0) leaves them (Jones and Pewsey 2009)."""
    bent: Floats = np.sinh((np.arcsinh(normal) + skew) * np.exp(-ln_tail))
    return bent


def em_location(
    model: Coefficients, location: Floats, *, distance_g_cm2: Floats, ell: Floats, ln_n_mu: Floats
) -> Floats:
    """Evaluate where ln(N_em / (E/EeV)) is centred.

    Nuclei: universal profile of the shower plus a number of electromagnetic particles for each muon (decay and
    radiation of muons, which is what is left far beyond the maximum). Photons: a Gaussian in the distance from
    the maximum (R = 0), which `location` corrects.
    """
    if "profile" not in model:
        return EM_REFERENCE + location + universal_em_profile(distance_g_cm2, 0.0, _PHOTON_WIDTH_G_CM2)
    r, width, widening, ln_per_muon = model["profile"]
    profile = universal_em_profile(distance_g_cm2, float(r), 250.0 * width + 10.0 * widening * ell)
    ln_energy_eev = np.log(10.0) * (ell + 1.0)
    both: Floats = np.logaddexp(EM_REFERENCE + location + profile, ln_per_muon + ln_n_mu - ln_energy_eev)
    return both


def draw_ground(
    primary: Primary, lg_energy_ev: Floats, secant: Floats, xmax_g_cm2: Floats, rng: np.random.Generator,
    *, ground_depth_g_cm2: float | Floats = GROUND_DEPTH_G_CM2,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Draw ln of the numbers of muons and of electromagnetic particles at the ground.

    Parameters
    ----------
    lg_energy_ev, secant, xmax_g_cm2
        lg(E/eV), 1 / cos(zenith), slant depth of the maximum; shape (n,).
    ground_depth_g_cm2
        Vertical depth of the ground.

    Returns
    -------
    ln_n_mu, ln_n_em
        Shape (n,); n_em counts photons, electrons and positrons.
    """
    ell, beyond = lg_energy_ev - 19.0, ground_depth_g_cm2 * secant - xmax_g_cm2
    model = coefficients(primary)
    list_terms = nucleus_terms if primary.is_nucleus else photon_terms
    terms = list_terms(ell, secant - 1.0, (xmax_g_cm2 - 750.0) / 100.0, beyond / 500.0)
    value = {name: weighted_sum(model[name], terms[name]) for name in terms}
    first, second = _correlated(_MAXIMUM_CORRELATION * np.tanh(value["rho"]), rng)
    ln_n_mu = MUON_REFERENCE + value["mu_mean"] + _fluctuation(first, value, "mu")
    if not primary.is_nucleus:
        scale = 0.94 * np.log(10.0) * ell
        ln_n_mu = np.clip(ln_n_mu - scale, *_PHOTON_LN_N_MU) + scale
    centre = em_location(model, value["em_mean"], distance_g_cm2=beyond, ell=ell, ln_n_mu=ln_n_mu)
    per_eev = np.clip(centre + _fluctuation(second, value, "em"), *_LN_N_EM_PER_EEV)
    return ln_n_mu, np.log(10.0) * (ell + 1.0) + per_eev


def _correlated(rho: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    first, second = rng.standard_normal((2, rho.size))
    return first, rho * first + np.sqrt(1.0 - np.square(rho)) * second


def _fluctuation(normal: Floats, value: Mapping[str, Floats], what: str) -> Floats:
    return np.exp(value[f"{what}_spread"]) * sinh_arcsinh(normal, value[f"{what}_skew"], value[f"{what}_tail"])
