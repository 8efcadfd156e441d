"""From the events of a request to the arrays that a bundle takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bentoml.exceptions import InvalidArgument
from numpy.typing import NDArray

from cascada.physics.footprint import StationRows, StationShape, station_array
from serving.schemas import ShowerEvent, Station


def columns_of(events: Sequence[ShowerEvent], columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Take columns of events, each of shape (n,).

    Raises
    ------
    InvalidArgument
        If an event lacks one.
    """
    for name in columns:
        lacking = [i for i, event in enumerate(events) if getattr(event, name) is None]
        if lacking:
            raise InvalidArgument(f"this model needs {name!r}; event {lacking[0]} has none")
    return {name: np.array([getattr(event, name) for event in events], np.float64) for name in columns}


def stations_of(
    events: Sequence[ShowerEvent], zenith_deg: NDArray[np.float64], shape: StationShape
) -> NDArray[np.float32]:
    """Lay out the stations of events, shape (n, stations, width): see `cascada.physics.footprint.station_array`.

    Raises
    ------
    InvalidArgument
        If an event has no stations, or a trace is shorter than the model sees.
    """
    listed = [(i, station) for i, event in enumerate(events) for station in _listed(event, i, shape)]
    numbers = {
        name: np.array([getattr(station, name) for _, station in listed], np.float64)
        for name in ("distance_m", "plane_azimuth_deg", "time_ns", "signal_vem")
    }
    rows = StationRows(
        event=np.array([i for i, _ in listed], np.int64),
        trace_vem=np.array([station.trace_vem[: shape.bins] for _, station in listed], np.float32),
        **numbers,
    )
    return station_array(rows, zenith_deg, shape)


def _listed(event: ShowerEvent, number: int, shape: StationShape) -> list[Station]:
    if not event.stations:
        raise InvalidArgument(
            f"this model needs 'stations', with {', '.join(Station.model_fields)}; event {number} has none"
        )
    for i, station in enumerate(event.stations):
        if len(station.trace_vem) < shape.bins:
            raise InvalidArgument(
                f"this model sees {shape.bins} bins of 25 ns of each trace_vem;"
                f" station {i} of event {number} has {len(station.trace_vem)}"
            )
    return event.stations
