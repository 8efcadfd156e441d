"""Signals in 25 ns bins: when particles reach a station, what the tank makes of them, and the shape of the result.

Arrival times behind the front are log-normal, with the medians of Erdmann, Glombitza and Walz, Astropart. Phys. 97
(2018) 46 (arXiv:1708.00647): later far from the axis, earlier in showers that are old at the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from cascada.physics.stations import EM_PARTICLE_VEM, Expected

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Traces = NDArray[np.float32]

BIN_NS = 25.0
ARRIVAL_WIDTH = 0.7
"""Width of ln(arrival time)."""
MUON_RESPONSE = 0.15
"""Relative scatter of the signal of one muon."""
CALIBRATION = 0.03
"""Relative uncertainty of the VEM of a station."""
SATURATION_VEM = 1024 * 32 / 50 / 3.5
"""End of the scale of a bin: 10 bits of the low-gain channel, 32 times the high gain, where a VEM has a peak of 50
channels and an area of 3.5 such peaks (Auger, NIM A 798 (2015) 172)."""
_FEW = 250.0
START_VEM = 0.1
"""Signal in a bin with which a trace starts."""


@dataclass(frozen=True)
class Shape:
    """Shape of signals, each of shape (n,), ns."""

    rise_time_ns: Floats
    fall_time_ns: Floats
    area_over_peak_ns: Floats


def median_arrival_ns(distance_m: Floats, beyond_g_cm2: Floats) -> tuple[Floats, Floats]:
    """Evaluate the median delay of muons and of electromagnetic particles behind the front, ns.

    Parameters
    ----------
    distance_m
        From the axis.
    beyond_g_cm2
        Slant depth from the maximum to the ground.
    """
    far = (distance_m / 750.0) ** 1.4
    muons = 50.0 + 140.0 * far * (1.0 - 0.2 * beyond_g_cm2 / 1000.0)
    return muons, 80.0 + 200.0 * far * (1.0 - 0.1 * beyond_g_cm2 / 1000.0)


def draw_traces(expected: Expected, bins: int, rng: np.random.Generator) -> Traces:
    """Draw traces of stations, from the arrival of the front, without the limits of the electronics.

    Particles are a Poisson process in time; the signal of n muons is normal with a variance n times that of one.

    Parameters
    ----------
    expected
        Of n stations: every array has shape (n,).

    Returns
    -------
    ndarray
        Shape (n, bins), VEM per bin.
    """
    median_muon, median_em = median_arrival_ns(expected.distance_m, expected.beyond_g_cm2)
    muons = draw_counts(expected.muons, median_muon, np.zeros_like(median_muon), bins, rng)
    em = draw_counts(expected.em_particles, median_em, (median_em - median_muon) / 1.5, bins, rng)
    trace = em.astype(np.float32) * np.float32(EM_PARTICLE_VEM)
    row, column = np.nonzero(muons)
    count = muons[row, column]
    scattered = count + MUON_RESPONSE * np.sqrt(count) * rng.standard_normal(count.size)
    trace[row, column] += np.maximum(scattered * expected.muon_vem[row], 0.0)
    gain = 1.0 + CALIBRATION * rng.standard_normal(expected.muons.size)
    return trace * gain.astype(np.float32)[:, None]


def draw_counts(mean: Floats, median_ns: Floats, later_ns: Floats, bins: int, rng: np.random.Generator) -> Integers:
    """Draw how many particles arrive in each bin, shape (n, bins).

    Few particles are drawn one by one with their times; of many, the number in each bin is a Poisson number of its
    own. Both are the same Poisson process.

    Parameters
    ----------
    mean
        Mean number of particles, shape (n,).
    median_ns, later_ns
        Median of the log-normal arrival times, and when they begin, shape (n,).
    """
    counts = np.empty((mean.size, bins), dtype=np.int64)
    few = mean < _FEW
    many = ~few
    counts[few] = _one_by_one(mean[few], median_ns[few], later_ns[few], bins, rng)
    counts[many] = rng.poisson(mean[many, None] * _shares(median_ns[many], later_ns[many], bins))
    return counts


def _one_by_one(mean: Floats, median_ns: Floats, later_ns: Floats, bins: int, rng: np.random.Generator) -> Integers:
    owner = np.repeat(np.arange(mean.size), rng.poisson(mean))
    delay = np.exp(np.float32(ARRIVAL_WIDTH) * rng.standard_normal(owner.size, dtype=np.float32))
    column = ((later_ns[owner] + median_ns[owner] * delay) / BIN_NS).astype(np.int64)
    inside = column < bins
    cell = owner[inside] * bins + column[inside]
    return np.bincount(cell, minlength=mean.size * bins).reshape(mean.size, bins)


def _shares(median_ns: Floats, later_ns: Floats, bins: int) -> NDArray[np.float32]:
    since = np.maximum(BIN_NS * np.arange(bins + 1, dtype=np.float32) - later_ns.astype(np.float32)[:, None], 1e-3)
    ln_time = np.log(since / median_ns.astype(np.float32)[:, None])
    shares: NDArray[np.float32] = np.diff(ndtr(ln_time / np.float32(ARRIVAL_WIDTH)), axis=1)
    return np.maximum(shares, 0.0)


def start_bins(traces: Traces) -> NDArray[np.int64]:
    """Find the first bin above `START_VEM` (0 where there is none), shape (n,)."""
    starts: Integers = np.argmax(traces > START_VEM, axis=1)
    return starts


def from_start(traces: Traces, start: NDArray[np.int64]) -> Traces:
    """Shift traces so that each begins with its start; zeros follow its end."""
    bins = traces.shape[1]
    index = start[:, None] + np.arange(bins)
    shifted = np.take_along_axis(traces, np.minimum(index, bins - 1), axis=1)
    shifted[index >= bins] = 0.0
    return shifted


def shape_of(traces: Traces) -> Shape:
    """Measure the shape of traces, straight lines within bins.

    Rise time: from 10 to 50 % of the signal; fall time: from 50 to 90 %; area over peak: signal over its highest bin,
    in units of time. NaN without a signal.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rising = np.cumsum(traces, axis=1, dtype=np.float64)
        total = rising[:, -1]
        t10, t50, t90 = (_time_at(rising, share * total) for share in (0.1, 0.5, 0.9))
        return Shape(t50 - t10, t90 - t50, BIN_NS * total / traces.max(axis=1))


def _time_at(rising: Floats, level: Floats) -> Floats:
    rows = np.arange(len(rising))
    bins = np.minimum(np.sum(rising < level[:, None], axis=1), rising.shape[1] - 1)
    before = np.where(bins > 0, rising[rows, bins - 1], 0.0)
    times: Floats = BIN_NS * (bins + (level - before) / (rising[rows, bins] - before))
    return times
