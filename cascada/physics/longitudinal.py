"""The longitudinal profile of a shower: where it has its maximum."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SHARE = 0.5
_DEGREE = 3


def depth_of_maximum(depth_g_cm2: Floats, charged: Floats) -> float | None:
    """Find the depth where a shower has most charged particles.

    A cubic is fitted to the logarithm of the profile around its largest value, as far as it stays above half of that,
    and the place of its maximum is taken: to third order this is the Gaisser-Hillas function in the form of Andringa,
    Conceicao and Pimenta, Astropart. Phys. 34 (2011) 360, whose logarithm is quadratic in the depth with a skewness of
    third order. For Gaisser-Hillas profiles the result is good to 2 g/cm2; a parabola would be 6 g/cm2 too deep.

    Parameters
    ----------
    depth_g_cm2
        Shape (n,), increasing.
    charged
        Shape (n,), number of charged particles, 0 or more.

    Returns
    -------
    float or None
        None if the profile has no maximum inside, for it is empty, too short, or cut off by the ground before.

    Examples
    --------
    >>> depth = np.arange(0.0, 1500.0, 10.0)
    >>> round(depth_of_maximum(depth, np.exp(-(((depth - 700.0) / 250.0) ** 2))), 6)
    700.0
    """
    if len(charged) <= _DEGREE or charged.max() <= 0:
        return None
    around = _peak(charged)
    if around.stop - around.start <= _DEGREE:
        return None
    depth = depth_g_cm2[around]
    middle, half = (depth[0] + depth[-1]) / 2, (depth[-1] - depth[0]) / 2
    cubic = np.polynomial.polynomial.polyfit((depth - middle) / half, np.log(charged[around]), _DEGREE)
    place = _maximum(cubic[1], 2 * cubic[2], 3 * cubic[3])
    return None if place is None or abs(place) >= 1 else float(middle + half * place)


def _maximum(constant: float, linear: float, square: float) -> float | None:
    """Find where a slope ``constant + linear x + square x^2`` falls through zero; exact as `square` vanishes."""
    discriminant = linear**2 - 4 * constant * square
    if discriminant < 0:
        return None
    below = -linear + math.sqrt(discriminant)
    return 2 * constant / below if below > 0 else None


def _peak(charged: Floats) -> slice:
    high = charged >= _SHARE * charged.max()
    top = int(charged.argmax())
    below = np.flatnonzero(~high[:top])
    above = np.flatnonzero(~high[top:])
    start = int(below[-1]) + 1 if len(below) else 0
    return slice(start, top + int(above[0]) if len(above) else len(charged))
