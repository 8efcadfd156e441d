"""Fit what the reconstruction assumes, to expected signals of simulated protons and iron nuclei in equal parts.

    python -m benchmarks.fit_reconstruction

prints `LDF_BETA`, `LDF_GAMMA` and `ATTENUATION` for `cascada.physics.reconstruction`: the mean lateral distribution
from 300 to 2500 m at 3 to 100 EeV, and the mean of ln S1000 at 10 EeV against the zenith angle.
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascada.physics.array import Axes
from cascada.physics.primaries import find_primary
from cascada.physics.showers import draw_showers
from cascada.physics.stations import expect

Floats = NDArray[np.float64]
SHOWERS = 20_000
RING = np.array([(np.cos(angle), np.sin(angle)) for angle in np.arange(8) * np.pi / 4.0])


def expected_signal(primary: str, energy_eev: Floats, zenith: Floats, distance_m: float, seed: int) -> Floats:
    """Mean expected signal around the axis at a distance in the shower plane, shape (n,)."""
    rng = np.random.default_rng(seed)
    showers = draw_showers(find_primary(primary), energy_eev, np.degrees(zenith), rng)
    size = energy_eev.size
    total = np.zeros(size)
    for upstream, sideways in distance_m * RING:
        axes = Axes(zenith, np.zeros(size), -upstream / np.cos(zenith), np.full(size, -sideways))
        total += expect(showers, axes, np.zeros((1, 2))).signal_vem[:, 0] / len(RING)
    return total


def fit_ldf(rng: np.random.Generator) -> Floats:
    """Fit b0, b1, b2 and gamma."""
    energy, zenith = 10.0 ** rng.uniform(0.5, 2.0, SHOWERS), np.arccos(1.0 / rng.uniform(1.0, 2.0, SHOWERS))
    tilt = 1.0 / np.cos(zenith) - 1.0
    rows, values = [], []
    for primary in ("p", "Fe"):
        reference = np.log(expected_signal(primary, energy, zenith, 1000.0, seed=1))
        for distance in np.geomspace(300.0, 2500.0, 12):
            near, far = np.log(distance / 1000.0), np.log((distance + 700.0) / 1700.0)
            both, one = near + far, np.ones(SHOWERS)
            rows.append(np.column_stack([both * one, both * tilt, both * tilt**2, far * one]))
            values.append(np.log(expected_signal(primary, energy, zenith, distance, seed=1)) - reference)
    return np.linalg.lstsq(np.concatenate(rows), np.concatenate(values), rcond=None)[0]


def fit_attenuation() -> tuple[Floats, float]:
    """Fit a, b, c, and S38 of 10 EeV in VEM."""
    zenith = np.radians(np.linspace(0.0, 60.0, 31))
    signals = [
        np.exp(np.mean([
            np.log(expected_signal(name, np.full(4000, 10.0), np.full(4000, z), 1000.0, seed=2)).mean()
            for name in ("p", "Fe")
        ]))
        for z in zenith
    ]  # fmt: skip
    x = np.cos(zenith) ** 2 - np.cos(np.radians(38.0)) ** 2
    fit = np.linalg.lstsq(np.stack([x**0, x, x**2, x**3], axis=1), np.array(signals), rcond=None)[0]
    return fit[1:] / fit[0], float(fit[0])


def main() -> None:
    """Print the constants."""
    b0, b1, b2, gamma = fit_ldf(np.random.default_rng(0))
    attenuation, s38 = fit_attenuation()
    print(f"LDF_BETA = ({b0:.3f}, {b1:.3f}, {b2:.3f})\nLDF_GAMMA = {gamma:.3f}")
    print(f"ATTENUATION = ({', '.join(f'{c:.3f}' for c in attenuation)})\nS38 of 10 EeV = {s38:.1f} VEM")


if __name__ == "__main__":
    main()
