"""Depth of shower maximum: the generalised Gumbel distribution of three hadronic models, and of photons.

De Domenico, Settimo, Riggi and Bertin, JCAP 07 (2013) 050 (arXiv:1305.2331), with the refitted coefficients that
astrotools distributes for QGSJetII-04, EPOS-LHC and Sibyll2.3d. Photons (LPM effect, no pre-shower) are a fit of the
same form to CORSIKA showers, made by ``benchmarks/fit_ground.py``.

Energies are lg(E/eV), depths g/cm2 along the shower axis (slant).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.errors import ConfigError, nearest

Floats = NDArray[np.float64]

LG_ENERGY_EV_RANGE = (17.0, 21.0)
"""Range of the published parametrisation (arXiv:1305.2331), lg(E/eV)."""


@dataclass(frozen=True)
class GumbelTable:
    """Coefficients a0 + a1 lnA + a2 lnA^2 of each power of lg(E/10 EeV); g/cm2 for `mu` and `sigma`."""

    mu: tuple[tuple[float, float, float], ...]
    sigma: tuple[tuple[float, float, float], ...]
    lam: tuple[tuple[float, float, float], ...]


GUMBEL = {
    "QGSJetII-04": GumbelTable(
        mu=((758.65, -12.3571, -1.24539), (56.5943, -1.01244, 0.228689), (-0.534683, -0.17284, -0.019159)),
        sigma=((35.4234, 6.75921, -1.46182), (-0.796042, 0.201762, -0.0142452)),
        lam=((0.671545, 0.373902, 0.075325), (0.0304335, 0.0473985, -0.000564531)),
    ),
    "EPOS-LHC": GumbelTable(
        mu=((775.457, -10.3991, -1.75261), (58.5306, -0.827668, 0.231144), (-1.40781, 0.225624, -0.10008)),
        sigma=((32.2632, 3.94252, -0.864421), (1.27601, -1.81337, 0.231914)),
        lam=((0.641093, 0.219762, 0.171124), (0.0726131, 0.0353188, -0.0131158)),
    ),
    "Sibyll2.3d": GumbelTable(
        mu=((785.852, -15.5994, -1.06906), (60.5929, -0.786014, 0.200728), (-0.689462, -0.294794, 0.0399432)),
        sigma=((41.0345, -2.17329, -0.306202), (-0.309466, -1.16496, 0.225445)),
        lam=((0.799493, 0.235235, 0.00856884), (0.0632135, -0.0012847, 0.000330525)),
    ),
}
"""By hadronic model."""

# Powers of lg(E/10 EeV): mu / g/cm2, ln(sigma / g/cm2), ln lambda; fitted at 18 <= lg(E/eV) <= 20.5.
_PHOTON_MU = (943.25, 141.43, 43.61)
_PHOTON_LN_SIGMA = (3.7929, 0.3181, 0.4727)
_PHOTON_LN_LAM = (-0.3751, -0.1229, 0.2886)


def find_gumbel(hadronic_model: str) -> GumbelTable:
    """Look the coefficients of a hadronic model up.

    Raises
    ------
    ConfigError
        If there are none.
    """
    try:
        return GUMBEL[hadronic_model]
    except KeyError:
        hint = nearest(hadronic_model, GUMBEL)
        raise ConfigError(f"unknown hadronic model {hadronic_model!r}", hint=hint) from None


def gumbel_parameters(
    lg_energy_ev: Floats, ln_mass: Floats | float, hadronic_model: str = "QGSJetII-04"
) -> tuple[Floats, Floats, Floats]:
    """Evaluate location, scale and shape of the generalised Gumbel distribution of Xmax of nuclei.

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

    Raises
    ------
    ConfigError
        If the hadronic model is unknown.
    """
    ell = lg_energy_ev - 19.0

    def evaluate(rows: tuple[tuple[float, float, float], ...]) -> Floats:
        in_mass = (row[0] + row[1] * ln_mass + row[2] * np.square(ln_mass) for row in rows)
        total: Floats = sum((c * ell**power for power, c in enumerate(in_mass)), start=np.zeros_like(ell))
        return total

    table = find_gumbel(hadronic_model)
    return evaluate(table.mu), evaluate(table.sigma), evaluate(table.lam)


def photon_gumbel_parameters(lg_energy_ev: Floats) -> tuple[Floats, Floats, Floats]:
    """Evaluate the Gumbel parameters of photons; see `gumbel_parameters`.

    Fitted at 18 <= lg(E/eV) <= 20.5. Beyond, the quadratic terms keep their value at the edge of that range, so that
    the extrapolation is linear.
    """
    ell = lg_energy_ev - 19.0
    curved = np.square(np.clip(ell, -1.0, 1.5))

    def evaluate(c: tuple[float, float, float]) -> Floats:
        return c[0] + c[1] * ell + c[2] * curved

    return evaluate(_PHOTON_MU), np.exp(evaluate(_PHOTON_LN_SIGMA)), np.exp(evaluate(_PHOTON_LN_LAM))


def draw_gumbel(mu: Floats, sigma: Floats, lam: Floats, rng: np.random.Generator) -> Floats:
    """Draw from the generalised Gumbel distribution: ``mu - sigma ln Gamma(lam, 1/lam)``, shape (n,)."""
    drawn: Floats = mu - sigma * np.log(rng.gamma(lam, 1.0 / lam))
    return drawn
