"""What arrives: energies, directions and primaries of a flux of cosmic rays.

Sources: Auger spectrum, PRL 125 (2020) 121106 (arXiv:2008.06488); fractions of p, He, N and Fe from the depth of
maximum, Auger at ICRC 2023, doi:10.22323/1.444.0319.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cascada.config import SimulatorSource

Floats = NDArray[np.float64]

SPECTRAL_INDICES = (3.29, 2.51, 3.05, 5.1)
"""Indices of the measured spectrum below, between and above its breaks."""
SPECTRAL_BREAKS_EEV = (5.0, 13.0, 46.0)
"""Ankle, instep and suppression, EeV."""
_BREAK_WIDTH = 0.05

# lg(E/eV), then the fractions of p, He, N and Fe as published, rounded to 0.01.
_LG_ENERGY_EV = np.array([17.85, 18.25, 18.55, 18.85, 19.05, 19.25, 19.44, 19.71])
FRACTIONS = {
    "auger_epos": np.array([
        [0.52, 0.14, 0.26, 0.07], [0.66, 0.11, 0.19, 0.03], [0.49, 0.35, 0.16, 0.01], [0.15, 0.75, 0.09, 0.02],
        [0.14, 0.62, 0.24, 0.00], [0.19, 0.34, 0.47, 0.00], [0.10, 0.29, 0.51, 0.10], [0.00, 0.10, 0.80, 0.10],
    ]),
    "auger_sibyll": np.array([
        [0.31, 0.36, 0.29, 0.04], [0.43, 0.37, 0.20, 0.01], [0.23, 0.61, 0.16, 0.00], [0.00, 0.83, 0.16, 0.01],
        [0.01, 0.68, 0.31, 0.00], [0.09, 0.31, 0.59, 0.00], [0.06, 0.12, 0.75, 0.07], [0.00, 0.00, 0.86, 0.14],
    ]),
}  # fmt: skip
"""Shape (8, 4): energies by nuclei (p, He, N, Fe)."""
_NUCLEI = ("p", "He", "N", "Fe")


def log_spectrum(lg_energy_ev: Floats) -> Floats:
    """Evaluate ln of the flux per energy, up to a constant: a power law with three smooth breaks, shape (n,)."""
    energy = 10.0 ** (lg_energy_ev - 18.0)
    flux = -SPECTRAL_INDICES[0] * np.log(energy)
    for index, broken_at in enumerate(SPECTRAL_BREAKS_EEV):
        change = SPECTRAL_INDICES[index] - SPECTRAL_INDICES[index + 1]
        flux = flux + change * _BREAK_WIDTH * np.log1p((energy / broken_at) ** (1.0 / _BREAK_WIDTH))
    return flux


def draw_lg_energy(source: SimulatorSource, size: int, rng: np.random.Generator) -> Floats:
    """Draw lg(E/eV), shape (size,): flat, or after the measured spectrum (inverse of its integral, 4096 steps)."""
    low, high = source.lg_energy_ev_min, source.lg_energy_ev_max
    if source.spectrum == "flat":
        return rng.uniform(low, high, size)
    grid = np.linspace(low, high, 4097)
    density = np.exp(log_spectrum(grid) + math.log(10.0) * grid - log_spectrum(grid[:1]) - math.log(10.0) * low)
    steps = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
    return np.interp(rng.random(size), steps / steps[-1], grid)


def draw_zenith(source: SimulatorSource, size: int, rng: np.random.Generator) -> Floats:
    """Draw zenith angles, shape (size,), degrees: isotropic on a flat array, or flat in sec(zenith)."""
    if source.zenith == "isotropic":
        return draw_directions(size, source.zenith_deg_max, rng)
    secant = 1.0 + rng.random(size) * (1.0 / math.cos(math.radians(source.zenith_deg_max)) - 1.0)
    zenith: Floats = np.degrees(np.arccos(1.0 / secant))
    return zenith


def draw_directions(size: int, zenith_deg_max: float, rng: np.random.Generator) -> Floats:
    """Draw zenith angles of an isotropic flux on a flat array: uniform in sin^2, shape (size,), degrees."""
    zenith: Floats = np.degrees(np.arcsin(np.sqrt(rng.random(size)) * math.sin(math.radians(zenith_deg_max))))
    return zenith


def shares(source: SimulatorSource, primaries: Sequence[str], lg_energy_ev: Floats) -> Floats:
    """Evaluate the share of each primary at each energy.

    Measured fractions lie on straight lines in lg E between the energies of the table and keep their value beyond its
    ends; each row is scaled to 1 (the published numbers are rounded).

    Parameters
    ----------
    primaries
        Names, in the order of the columns.

    Returns
    -------
    ndarray
        Shape (n, number of primaries).
    """
    composition = source.composition
    if isinstance(composition, dict):
        return np.broadcast_to([composition[name] for name in primaries], (lg_energy_ev.size, len(primaries)))
    if composition == "equal":
        return np.full((lg_energy_ev.size, len(primaries)), 1.0 / len(primaries))
    table = FRACTIONS[composition]
    columns = [np.interp(lg_energy_ev, _LG_ENERGY_EV, table[:, _NUCLEI.index(name)]) for name in primaries]
    found = np.stack(columns, axis=1)
    scaled: Floats = found / found.sum(axis=1, keepdims=True)
    return scaled


def draw_classes(table: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a class for each row of a table of shares, shape (n,)."""
    edges = np.cumsum(table, axis=1)[:, :-1]
    drawn: NDArray[np.int64] = np.sum(rng.random((len(table), 1)) >= edges, axis=1, dtype=np.int64)
    return drawn
