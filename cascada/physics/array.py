"""Where stations and showers stand: a triangular array, the shower plane, and when the front comes by.

The array is flat, x and y are in m from the hottest station. An axis points to where a shower comes from:
``(sin z cos a, sin z sin a, cos z)`` for zenith z and azimuth a.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LIGHT_M_PER_NS = 0.299792458
CURVATURE_M = 12_000.0
"""Radius of curvature of the shower front, 10 to 15 km for showers of the Pierre Auger Observatory."""

_EDGE_M = 1.0
"""Nothing stands closer to an axis than this: densities diverge on it."""


def station_positions(spacing_m: float, rings: int) -> Floats:
    """Place a station and its hexagonal rings, the inner ones first: shape (1 + 3 rings (rings + 1), 2), m."""
    steps = range(-rings, rings + 1)
    cells = [(i, j) for i in steps for j in steps if abs(i + j) <= rings]
    cells.sort(key=lambda cell: (max(abs(cell[0]), abs(cell[1]), abs(sum(cell))), cell))
    positions: Floats = spacing_m * np.array([(i + j / 2.0, j * np.sqrt(3.0) / 2.0) for i, j in cells])
    return positions


@dataclass(frozen=True)
class Axes:
    """Shower axes; every array has shape (n,), angles in radians."""

    zenith: Floats
    azimuth: Floats
    core_x_m: Floats
    core_y_m: Floats

    @property
    def secant(self) -> Floats:
        """1 / cos(zenith)."""
        secant: Floats = 1.0 / np.cos(self.zenith)
        return secant

    def shower_plane(self, positions: Floats) -> tuple[Floats, Floats]:
        """Project stations: upstream (where the shower comes from) and sideways of each axis, shape (n, stations)."""
        x, y = positions[:, 0] - self.core_x_m[:, None], positions[:, 1] - self.core_y_m[:, None]
        cos, sin = np.cos(self.azimuth)[:, None], np.sin(self.azimuth)[:, None]
        return (x * cos + y * sin) * np.cos(self.zenith)[:, None], y * cos - x * sin

    def front_ns(self, positions: Floats) -> Floats:
        """Time at which the curved front reaches stations, from when the axis meets the ground: shape (n, stations)."""
        upstream, sideways = self.shower_plane(positions)
        early = upstream * np.tan(self.zenith)[:, None]
        curved = (upstream**2 + sideways**2) / (2.0 * CURVATURE_M)
        return (curved - early) / LIGHT_M_PER_NS


def distance_from_axis(upstream: Floats, sideways: Floats) -> Floats:
    """Distance from the axis in the shower plane, not below 1 m."""
    return np.maximum(np.hypot(upstream, sideways), _EDGE_M)


def draw_axes(zenith_deg: Floats, spacing_m: float, rng: np.random.Generator) -> Axes:
    """Draw azimuths and cores, uniform on the array; the station nearest each axis becomes the origin.

    Parameters
    ----------
    zenith_deg
        Shape (n,).
    """
    azimuth, first, second = rng.random((3, zenith_deg.size))
    x, y = spacing_m * (first + second / 2.0), spacing_m * second * np.sqrt(3.0) / 2.0
    axes = Axes(np.radians(zenith_deg), 2.0 * np.pi * azimuth, x, y)
    lattice = station_positions(spacing_m, 4)
    nearest = lattice[np.argmin(np.hypot(*axes.shower_plane(lattice)), axis=1)]
    return Axes(axes.zenith, axes.azimuth, x - nearest[:, 0], y - nearest[:, 1])
