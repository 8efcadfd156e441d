"""What a shower leaves at the ground, summed up from its particles in pieces of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.physics.particles import ELECTRON, GAMMA, HADRON, MUON, OTHER, SPECIES

Floats = NDArray[np.float64]

LIGHT_M_PER_NS = 0.299792458
"""Speed of light in vacuum, exact by definition of the metre."""

_PROBABILITIES = (0.1, 0.5, 0.9)
_EXACT = 2**16

GROUND_COLUMNS = (
    "n_gamma", "n_e", "n_mu", "n_em", "n_hadron", "n_other",
    *(f"r_{kind}_{moment}_m" for kind in ("em", "mu") for moment in ("mean", "rms")),
    *(f"t_{kind}_{percent}_ns" for kind in ("em", "mu") for percent in (10, 50, 90)),
)  # fmt: skip
"""Columns of a summary."""


@dataclass(frozen=True)
class GroundParticles:
    """Particles at one level, arrays of shape (n,).

    Attributes
    ----------
    species
        Position in `cascada.physics.particles.SPECIES`.
    weight
        How many particles each row stands for; 1 without thinning.
    x_m, y_m
        Place in the horizontal plane, the core at the origin.
    t_ns
        Arrival time, from any fixed moment.
    """

    species: NDArray[np.uint8]
    weight: Floats
    x_m: Floats
    y_m: Floats
    t_ns: Floats


def shower_axis(zenith_deg: float, azimuth_deg: float) -> tuple[float, float, float]:
    """Give the unit vector that a shower moves along, z upwards, from the direction of its momentum.

    Examples
    --------
    >>> shower_axis(0.0, 0.0)
    (0.0, 0.0, -1.0)
    """
    zenith, azimuth = math.radians(zenith_deg), math.radians(azimuth_deg)
    return math.sin(zenith) * math.cos(azimuth), math.sin(zenith) * math.sin(azimuth), -math.cos(zenith)


class GroundSummary:
    """Counts, lateral moments and arrival times of one shower, in bounded memory.

    Distances are from the shower axis. Times are delays behind the plane shower front (a plane that moves along the
    axis with the speed of light), counted from the first particle of the shower in that sense: for a vertical shower,
    plainly the time after its first particle.

    Parameters
    ----------
    axis
        Unit vector along which the shower moves, in the frame of the particles' x and y.
    """

    def __init__(self, axis: tuple[float, float, float]) -> None:
        self._axis = axis
        self._counts = np.zeros(len(SPECIES))
        self._first = np.inf
        self._moments = {"em": np.zeros(3), "mu": np.zeros(3)}
        self._delays = {"em": WeightedQuantiles(), "mu": WeightedQuantiles()}

    def add(self, particles: GroundParticles) -> None:
        """Add some particles."""
        if not len(particles.species):
            return
        self._counts += np.bincount(particles.species, particles.weight, minlength=len(SPECIES))
        along = particles.x_m * self._axis[0] + particles.y_m * self._axis[1]
        delay = particles.t_ns - along / LIGHT_M_PER_NS
        self._first = min(self._first, float(delay.min()))
        square = np.maximum(particles.x_m**2 + particles.y_m**2 - along**2, 0.0)
        for kind, chosen in (("em", particles.species <= ELECTRON), ("mu", particles.species == MUON)):
            weight, squares = particles.weight[chosen], square[chosen]
            self._moments[kind] += weight.sum(), weight @ np.sqrt(squares), weight @ squares
            self._delays[kind].add(delay[chosen], weight)

    def row(self) -> dict[str, float | None]:
        """Give the columns of `GROUND_COLUMNS`; moments and times of what did not arrive are None."""
        counts = self._counts.tolist()
        row: dict[str, float | None] = {
            "n_gamma": counts[GAMMA],
            "n_e": counts[ELECTRON],
            "n_mu": counts[MUON],
            "n_em": counts[GAMMA] + counts[ELECTRON],
            "n_hadron": counts[HADRON],
            "n_other": counts[OTHER],
        }
        for kind, (weight, first, second) in self._moments.items():
            row[f"r_{kind}_mean_m"] = first / weight if weight else None
            row[f"r_{kind}_rms_m"] = (second / weight) ** 0.5 if weight else None
        for kind, delays in self._delays.items():
            for probability, value in zip(_PROBABILITIES, delays.at(_PROBABILITIES), strict=True):
                row[f"t_{kind}_{round(100 * probability)}_ns"] = None if value is None else value - self._first
        return row


class WeightedQuantiles:
    """Quantiles of weighted values that arrive in pieces.

    Exact for up to a hundred thousand values. Beyond, values are merged with their neighbours, up to 1/256 of their
    distance from the smallest value, which bounds the error of a quantile by that.
    """

    def __init__(self) -> None:
        self._values: list[Floats] = []
        self._weights: list[Floats] = []
        self._held = 0

    def add(self, values: Floats, weights: Floats) -> None:
        """Add values, shape (n,), with their weights."""
        self._values.append(values)
        self._weights.append(weights)
        self._held += len(values)
        if self._held > _EXACT:
            self._merge()

    def _merge(self) -> None:
        values, weights = np.concatenate(self._values), np.concatenate(self._weights)
        # The upper bits of a float32 (exponent and eight bits of the fraction) number bins of logarithmic width.
        bins = (values - values.min()).astype(np.float32).view(np.int32) >> 15
        sums = np.bincount(bins, weights).astype(np.float64)
        taken = np.flatnonzero(sums)
        means = np.bincount(bins, values * weights).astype(np.float64)[taken] / sums[taken]
        self._values, self._weights, self._held = [means], [sums[taken]], len(taken)

    def at(self, probabilities: tuple[float, ...]) -> list[float | None]:
        """Give the smallest value that each share of the weight stays below or at; None without values."""
        if not self._held:
            return [None] * len(probabilities)
        values, weights = np.concatenate(self._values), np.concatenate(self._weights)
        order = np.argsort(values)
        values, reached = values[order], np.cumsum(weights[order])
        places = np.searchsorted(reached, np.array(probabilities) * reached[-1])
        return [float(value) for value in values[np.minimum(places, len(values) - 1)]]
