"""Events of a surface detector: from showers and axes to stations with traces, and what is reconstructed of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from cascada.config import Detector
from cascada.physics.array import Axes, distance_from_axis, station_positions
from cascada.physics.reconstruction import Reconstruction, reconstruct
from cascada.physics.showers import Showers
from cascada.physics.stations import Expected, expect
from cascada.physics.traces import (
    BIN_NS,
    SATURATION_VEM,
    Shape,
    Traces,
    draw_traces,
    from_start,
    shape_of,
    start_bins,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Kinds = NDArray[np.str_]

REFERENCE_DISTANCE_M = {1500: 1000.0, 750: 450.0, 433: 250.0}
"""Distance at which the signal depends least on the lateral distribution, by spacing of the array, m (Auger)."""

_FAINT_VEM = 0.1
"""Stations that expect less never reach a trigger of 1 VEM or more (less than 1 in 2000) and are silent."""
_CLOCK_NS = 10.0


@dataclass(frozen=True)
class Stations:
    """Triggered stations of recorded events, by event and number; every array has first dimension n.

    Attributes
    ----------
    event
        Row of the shower.
    station
        Number of the station; 0 is nearest the axis.
    time_ns
        Start of the trace, from the first station of the event.
    trace_vem
        Shape (n, bins), from its start.
    """

    event: Integers
    station: Integers
    time_ns: Floats
    signal_vem: Floats
    saturated: Mask
    trace_vem: Traces

    def take(self, chosen: Mask | Integers) -> Stations:
        """Take some of the stations."""
        return Stations(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Events:
    """Recorded events.

    Attributes
    ----------
    shower
        Row of the shower of each event, shape (m,), ascending.
    reconstruction
        Of each event, shape (m,).
    stations
        Of all events.
    row, distance_m, plane_azimuth_deg
        For each station: row of its event here, distance from the fitted axis, azimuth in the fitted shower plane.
    """

    shower: Integers
    reconstruction: Reconstruction
    stations: Stations
    shape: Shape
    row: Integers
    distance_m: Floats
    plane_azimuth_deg: Floats

    def reference_stations(self, spacing_m: int) -> Integers:
        """Find the station of each event that is nearest the reference distance, shape (m,)."""
        off = np.abs(self.distance_m - REFERENCE_DISTANCE_M[spacing_m])
        order = np.lexsort((off, self.row))
        first = np.searchsorted(self.row, np.arange(self.shower.size))
        return order[first]


def observe(showers: Showers, axes: Axes, kinds: Kinds, detector: Detector, rng: np.random.Generator) -> Events:
    """Let an array see showers, record the events that trigger, and reconstruct them.

    Parameters
    ----------
    showers, axes, kinds
        Of n showers; kinds of anomaly, most of which leave the detector alone.
    """
    positions = station_positions(detector.spacing_m, detector.rings)
    stations = _recorded(_measure(showers, axes, kinds, detector, rng), positions, detector)
    shower, row = np.unique(stations.event, return_inverse=True)
    size = (shower.size, len(positions))
    signal, time = np.zeros(size), np.zeros(size)
    seen, saturated = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    at = (row, stations.station)
    signal[at], time[at], seen[at], saturated[at] = stations.signal_vem, stations.time_ns, True, stations.saturated
    found = reconstruct(signal, time, positions, seen=seen, saturated=saturated)
    upstream, sideways = (values[at] for values in found.axes.shower_plane(positions))
    azimuth = np.degrees(np.arctan2(sideways, upstream)) % 360.0
    shape = shape_of(stations.trace_vem)
    return Events(shower, found, stations, shape, row, distance_from_axis(upstream, sideways), azimuth)


def _measure(showers: Showers, axes: Axes, kinds: Kinds, detector: Detector, rng: np.random.Generator) -> Stations:
    positions = station_positions(detector.spacing_m, detector.rings)
    expected = _expect(showers, axes, kinds, detector, rng)
    lightning = kinds == "lightning"
    event, station = np.nonzero((expected.signal_vem >= _FAINT_VEM) | lightning[:, None])
    here = Expected(*(getattr(expected, field.name)[event, station] for field in fields(Expected)))
    trace = draw_traces(here, detector.trace_bins, rng)
    front = axes.front_ns(positions)[event, station]
    if lightning.any():
        _strike(trace, np.flatnonzero(lightning[event]), rng)
    saturated = np.any(trace >= SATURATION_VEM, axis=1)
    np.minimum(trace, np.float32(SATURATION_VEM), out=trace)
    first = station == 0
    trace[first & (kinds[event] == "broken_pmt")] *= np.float32(2.0 / 3.0)
    overflown = first & (kinds[event] == "saturated_pmt")
    trace[overflown] = np.minimum(trace[overflown], 0.5 * trace[overflown].max(axis=1, keepdims=True))
    start = start_bins(trace)
    time = front + BIN_NS * start + _CLOCK_NS * rng.standard_normal(event.size)
    time += np.where(first, _clock_shift(kinds, rng)[event], 0.0)
    trace = from_start(trace, start)
    return Stations(event, station, time, trace.sum(axis=1, dtype=np.float64), saturated, trace)


def _expect(showers: Showers, axes: Axes, kinds: Kinds, detector: Detector, rng: np.random.Generator) -> Expected:
    """Evaluate expectations; an event of two cores is a sum of two showers of the same kind, 300 to 1500 m apart."""
    positions = station_positions(detector.spacing_m, detector.rings)
    expected = expect(showers, axes, positions)
    rows = np.flatnonzero(kinds == "two_core")
    if not rows.size:
        return expected
    share, apart, angle = rng.uniform([[0.2], [300.0], [0.0]], [[0.8], [1500.0], [2.0 * np.pi]], (3, rows.size))
    other = Axes(
        axes.zenith[rows], axes.azimuth[rows],
        axes.core_x_m[rows] + apart * np.cos(angle), axes.core_y_m[rows] + apart * np.sin(angle),
    )  # fmt: skip
    second = expect(Showers(*(values[rows] for values in vars(showers).values())), other, positions)
    for name in ("muons", "em_particles"):
        values = getattr(expected, name)
        values[rows] = (1.0 - share)[:, None] * values[rows] + share[:, None] * getattr(second, name)
    return expected


def _strike(trace: Traces, rows: Integers, rng: np.random.Generator) -> None:
    """Lay the slow wave that lightning induces over traces, in place: 1 to 10 VEM a bin, periods of 0.5 to 2 us."""
    amplitude, period, phase = rng.uniform([[1.0], [500.0], [0.0]], [[10.0], [2000.0], [2.0 * np.pi]], (3, rows.size))
    time = BIN_NS * np.arange(trace.shape[1])
    wave = amplitude[:, None] * (1.0 + np.sin(2.0 * np.pi * time / period[:, None] + phase[:, None])) / 2.0
    trace[rows] += wave.astype(np.float32)


def _clock_shift(kinds: Kinds, rng: np.random.Generator) -> Floats:
    """Shift the clock of the first station by 1 to 5 us, early or late, in events of that kind."""
    rows = np.flatnonzero(kinds == "clock_shift")
    shift = np.zeros(kinds.size)
    shift[rows] = rng.uniform(1000.0, 5000.0, rows.size) * rng.choice([-1.0, 1.0], rows.size)
    return shift


def _recorded(stations: Stations, positions: Floats, detector: Detector) -> Stations:
    """Keep triggered stations of events with enough of them, not all on one line."""
    triggered = stations.take(stations.signal_vem >= detector.trigger_vem)
    size = int(triggered.event.max(initial=-1)) + 1
    x, y = positions[triggered.station].T / detector.spacing_m
    sums = [
        np.bincount(triggered.event, weights=w, minlength=size) for w in (np.ones_like(x), x, y, x * x, y * y, x * y)
    ]
    n, sx, sy, sxx, syy, sxy = sums
    spread = (n * sxx - sx**2) * (n * syy - sy**2) - (n * sxy - sx * sy) ** 2
    good = (n >= detector.min_stations) & (spread > 1e-6)
    kept = triggered.take(good[triggered.event])
    first = np.full(size, np.inf)
    np.minimum.at(first, kept.event, kept.time_ns)
    return replace(kept, time_ns=kept.time_ns - first[kept.event])
