"""The stations of events as one array: what a model of traces sees, from a snapshot and from a request alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cascada.physics.array import CURVATURE_M, LIGHT_M_PER_NS

Floats = NDArray[np.float64]

PLACE = ("distance_m", "plane_azimuth_deg", "delay_ns")
"""What stands before the trace of a station, in order."""

ZENITH = "zenith_reco_deg"
"""Column that delays are computed from, beside the stations."""


class StationShape(BaseModel):
    """How much of an event is kept.

    Attributes
    ----------
    stations
        Hottest stations of an event.
    bins
        First bins of each trace, of 25 ns.
    """

    model_config = ConfigDict(frozen=True)

    stations: int
    bins: int

    @property
    def width(self) -> int:
        """Numbers a station: its place and its trace."""
        return len(PLACE) + self.bins


@dataclass(frozen=True)
class StationRows:
    """Stations of many events, in any order; every array has first dimension m.

    Attributes
    ----------
    event
        Row of the event, int64.
    distance_m
        From the fitted axis, above 0.
    plane_azimuth_deg
        In the fitted shower plane, 0 upstream.
    time_ns
        Start of the trace; from when does not matter, as long as it is the same in an event.
    signal_vem
        Whole signal: the hottest stations are kept.
    trace_vem
        From its start, shape (m, bins), float32.
    """

    event: NDArray[np.int64]
    distance_m: Floats
    plane_azimuth_deg: Floats
    time_ns: Floats
    signal_vem: Floats
    trace_vem: NDArray[np.float32]


def station_array(rows: StationRows, zenith_deg: Floats, shape: StationShape) -> NDArray[np.float32]:
    """Lay out the hottest stations of n events, hottest first.

    Parameters
    ----------
    rows
        Stations of the events; the traces have the bins of `shape`.
    zenith_deg
        Fitted zenith angle of each event, shape (n,).

    Returns
    -------
    numpy.ndarray
        Shape (n, stations, width), float32: distance in m, azimuth in degrees, delay in ns, signal per bin in VEM.
        Places without a station are zero throughout, and no other place has distance zero.
    """
    order = np.lexsort((rows.distance_m, -rows.signal_vem, rows.event))
    event = rows.event[order]
    place = np.arange(event.size) - np.searchsorted(event, event)
    kept = place < shape.stations
    order, at = order[kept], (event[kept], place[kept])
    array = np.zeros((zenith_deg.size, shape.stations, shape.width), np.float32)
    late = rows.time_ns[order] - front_time_ns(rows.distance_m[order], rows.plane_azimuth_deg[order], zenith_deg[at[0]])
    array[(*at, 0)], array[(*at, 1)] = rows.distance_m[order], rows.plane_azimuth_deg[order]
    array[(*at, 2)] = _around_median(late, at, array.shape[:2])
    array[(*at, slice(len(PLACE), None))] = rows.trace_vem[order]
    return array


def front_time_ns(distance_m: Floats, plane_azimuth_deg: Floats, zenith_deg: Floats) -> Floats:
    """Time at which the curved front passes a station, from when the axis meets the ground; arrays of shape (m,).

    The geometry of `cascada.physics.array.Axes.front_ns`, from the place in the shower plane.
    """
    upstream = distance_m * np.cos(np.radians(plane_azimuth_deg))
    early = upstream * np.tan(np.radians(zenith_deg))
    front: Floats = (distance_m**2 / (2.0 * CURVATURE_M) - early) / LIGHT_M_PER_NS
    return front


def _around_median(late: Floats, at: tuple[NDArray[np.int64], NDArray[np.int64]], size: tuple[int, ...]) -> Floats:
    """Count delays from the median of their event, which one clock that is wrong does not move."""
    table = np.full(size, np.nan)
    table[at] = late
    filled = np.unique(at[0])
    middle = np.zeros(size[0])
    middle[filled] = np.nanmedian(table[filled], axis=1)
    centred: Floats = late - middle[at[0]]
    return centred
