"""Direction, core, signal at 1000 m and energy from what stations measured: nothing here knows the truth.

The direction is the plane through the start times of the stations, corrected for the curvature of the front; core
and S1000 are a least-squares fit of the lateral distribution to the signals; the energy is that of the Pierre Auger
Observatory for the signal a shower would have had at 38 degrees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.physics.array import CURVATURE_M, LIGHT_M_PER_NS, Axes, distance_from_axis
from cascada.physics.lateral import log_ldf

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LDF_BETA = (-1.167, 0.739, -0.147)
LDF_GAMMA = -3.849
"""Slope of the lateral distribution, ``beta = b0 + b1 (sec - 1) + b2 (sec - 1)^2``, of simulated p and Fe
(``benchmarks/fit_reconstruction.py``)."""
ATTENUATION = (0.910, -2.768, -0.932)
"""``S1000 = S38 (1 + a x + b x^2 + c x^3)``, ``x = cos^2(zenith) - cos^2(38 deg)``; of simulated p and Fe at 10 EeV."""
ENERGY_EEV_AT_1_VEM, ENERGY_POWER = 0.186, 1.03
"""``E = A S38^B``, the calibration of the Pierre Auger Observatory by its telescopes (arXiv:2008.06486). Simulated
showers have fewer muons than nature, so their energies come out lower, most so those of light primaries and photons."""

_SIGNAL_SCATTER = (0.34, 0.46)  # sigma = (0.34 + 0.46 sec) sqrt(S), Auger
_LDF_SCATTER = 0.05
_CORE_PRIOR_M = 200.0
_STEPS = 5
_MAXIMUM_STEP_M = 300.0
_TIME_NS = 15.0


@dataclass(frozen=True)
class Reconstruction:
    """Fitted axes, and S1000 in VEM, shape (n,)."""

    axes: Axes
    s1000_vem: Floats

    @property
    def s38_vem(self) -> Floats:
        """Signal that the shower would have had at a zenith angle of 38 degrees."""
        s38: Floats = self.s1000_vem / attenuation(self.axes.zenith)
        return s38

    @property
    def energy_eev(self) -> Floats:
        """Energy on the scale of the Pierre Auger Observatory."""
        energy: Floats = ENERGY_EEV_AT_1_VEM * self.s38_vem**ENERGY_POWER
        return energy


def attenuation(zenith: Floats) -> Floats:
    """Evaluate S1000 / S38 (zenith in radians)."""
    x = np.square(np.cos(zenith)) - math.cos(math.radians(38.0)) ** 2
    a, b, c = ATTENUATION
    return 1.0 + x * (a + x * (b + x * c))


def ldf_slope(secant: Floats) -> Floats:
    """Evaluate the mean slope beta of the lateral distribution."""
    tilt = np.minimum(secant, 2.05) - 1.0
    return LDF_BETA[0] + tilt * (LDF_BETA[1] + tilt * LDF_BETA[2])


def reconstruct(
    signal_vem: Floats, time_ns: Floats, positions: Floats, *, seen: Mask, saturated: Mask
) -> Reconstruction:
    """Reconstruct events.

    Parameters
    ----------
    signal_vem, time_ns
        Shape (n, stations); where `seen` is False they do not matter.
    positions
        Shape (stations, 2), m.
    seen, saturated
        Shape (n, stations). Every event needs three seen stations that are not on one line. Saturated stations give a
        time but no signal, unless too few others are left for a fit.
    """
    signal = np.where(seen, signal_vem, 0.0)
    usable = seen & ~saturated
    usable = np.where(usable.sum(axis=1, keepdims=True) >= 3, usable, seen)
    weight = np.sqrt(signal)
    centre = weight @ positions / weight.sum(axis=1, keepdims=True)
    upright = np.zeros(len(signal))
    axes = Axes(upright, upright, centre[:, 0], centre[:, 1])
    s1000 = np.ones(len(signal))
    for _ in range(3):
        axes = _fit_direction(axes, signal, time_ns, positions, seen)
        axes, s1000 = _fit_ldf(axes, signal, positions, usable, centre)
    return Reconstruction(axes, s1000)


def _fit_direction(axes: Axes, signal: Floats, time_ns: Floats, positions: Floats, seen: Mask) -> Axes:
    upstream, sideways = axes.shower_plane(positions)
    distance = distance_from_axis(upstream, sideways)
    late = LIGHT_M_PER_NS * np.where(seen, time_ns, 0.0) - distance**2 / (2.0 * CURVATURE_M)
    # Linsley's thickness of the front, sampled by as many particles as VEM, beside the electronics.
    thickness = 2.6 * (1.0 + distance / 30.0) ** 1.5
    weight = np.where(seen, 1.0 / (_TIME_NS**2 + thickness**2 / np.maximum(signal, 1.0)), 0.0)
    design = np.column_stack([np.ones(len(positions)), -positions])
    normal, right = _normal_equations(np.broadcast_to(design, (*late.shape, 3)), weight, late)
    _, x, y = np.linalg.solve(normal, right[..., None])[..., 0].T
    sine = np.minimum(np.hypot(x, y), math.sin(math.radians(85.0)))
    return Axes(np.arcsin(sine), np.arctan2(y, x) % (2.0 * np.pi), axes.core_x_m, axes.core_y_m)


def _normal_equations(design: Floats, weight: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Build the normal equations of n fits, in sums whose order does not hang on the machine's linear algebra."""
    weighted = weight[..., None] * design
    normal: Floats = np.sum(weighted[..., :, None] * design[..., None, :], axis=1)
    right: Floats = np.sum(weighted * values[..., None], axis=1)
    return normal, right


def _fit_ldf(axes: Axes, signal: Floats, positions: Floats, usable: Mask, centre: Floats) -> tuple[Axes, Floats]:
    """Gauss-Newton in core and ln S1000, with a prior on the core; steps are bounded, so that no fit runs away."""
    secant = np.minimum(axes.secant, 2.05)
    beta = ldf_slope(secant)[:, None]
    safe = np.maximum(signal, 1e-3)
    scatter = (_SIGNAL_SCATTER[0] + _SIGNAL_SCATTER[1] * secant)[:, None] ** 2 / safe + _LDF_SCATTER**2
    weight = np.where(usable, 1.0 / scatter, 0.0)
    ln_s1000 = np.zeros(len(signal))
    for step in range(_STEPS):
        residual, slope_x, slope_y = _linearise(axes, np.log(safe), positions, beta)
        if step == 0:
            ln_s1000 = np.sum(weight * residual, axis=1) / np.sum(weight, axis=1)
        design = np.stack([np.ones_like(slope_x), slope_x, slope_y], axis=-1)
        normal, right = _normal_equations(design, weight, residual - ln_s1000[:, None])
        prior = 1.0 / _CORE_PRIOR_M**2
        normal[:, [1, 2], [1, 2]] += prior
        right[:, 1:] += prior * (centre - np.column_stack([axes.core_x_m, axes.core_y_m]))
        change = np.linalg.solve(normal, right[..., None])[..., 0]
        ln_s1000 = ln_s1000 + np.clip(change[:, 0], -1.0, 1.0)
        move = np.clip(change[:, 1:], -_MAXIMUM_STEP_M, _MAXIMUM_STEP_M)
        axes = Axes(axes.zenith, axes.azimuth, axes.core_x_m + move[:, 0], axes.core_y_m + move[:, 1])
    return axes, np.exp(ln_s1000)


def _linearise(axes: Axes, ln_signal: Floats, positions: Floats, beta: Floats) -> tuple[Floats, Floats, Floats]:
    """Evaluate ln S minus the shape of the distribution, and the slopes of that shape in the core's x and y."""
    upstream, sideways = axes.shower_plane(positions)
    distance = np.maximum(distance_from_axis(upstream, sideways), 50.0)
    slope = (beta / distance + (beta + LDF_GAMMA) / (distance + 700.0)) / distance
    cos, sin, flat = np.cos(axes.azimuth)[:, None], np.sin(axes.azimuth)[:, None], np.cos(axes.zenith)[:, None]
    slope_x = -slope * (upstream * cos * flat - sideways * sin)
    slope_y = -slope * (upstream * sin * flat + sideways * cos)
    return ln_signal - log_ldf(distance, beta, LDF_GAMMA), slope_x, slope_y
