"""From the events of a request to the arrays that a bundle takes; whatever is wrong is told by event and field.

A request whose events hold just what the model needs is checked as one array. Only when that fails is every event
looked at by itself, to say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from cascada.errors import nearest
from cascada.physics.columns import COLUMNS, OBSERVABLES
from cascada.physics.footprint import ZENITH, StationRows, StationShape, station_array
from cascada.registry.bundle import Bundle
from serving.refusals import Trouble, refuse_all
from serving.schemas import EXAMPLES, Station, StationList

Floats = NDArray[np.float64]

_NUMBERS = {float, int}
_STATIONS: TypeAdapter[list[Station]] = TypeAdapter(StationList)


@dataclass(frozen=True)
class Events:
    """The good events of a request.

    Attributes
    ----------
    columns
        Name to values of shape (good events,).
    stations
        For models of traces.
    good
        Their rows in the request; None when all are good.
    troubles
        By row, of the others.
    """

    columns: dict[str, Floats]
    stations: NDArray[np.float32] | None
    good: NDArray[np.int64] | None
    troubles: dict[int, Trouble]


class EventReader:
    """Reads events for one model."""

    def __init__(self, bundle: Bundle) -> None:
        self.names, self.shape = bundle.columns, bundle.spec.stations
        self._fields = {*OBSERVABLES, "stations"}
        self._low = np.array([COLUMNS[name].minimum for name in self.names])
        self._high = np.array([COLUMNS[name].maximum for name in self.names])

    def example(self) -> Events:
        """Make up an event in the middle of what is allowed."""
        values = {name: EXAMPLES.get(name, _middle(name)) for name in self.names}
        columns = {name: np.array([value]) for name, value in values.items()}
        stations = None if self.shape is None else np.zeros((1, self.shape.stations, self.shape.width), np.float32)
        return Events(columns, stations, None, {})

    def read(self, events: Sequence[Any]) -> Events:
        """Read the events of a JSON request.

        Raises
        ------
        Refusal
            422 when none is good.
        """
        table = self._as_table(events) if self.shape is None else None
        if table is not None:
            return Events(dict(zip(self.names, table, strict=True)), None, None, {})
        listed = [(self._trouble(event), event) for event in events]
        troubles = {row: trouble for row, (trouble, _) in enumerate(listed) if trouble is not None}
        if len(troubles) == len(events):
            raise refuse_all(troubles.items())
        return self._gather([event for trouble, event in listed if trouble is None], troubles)

    def _as_table(self, events: Sequence[Any]) -> Floats | None:
        """Take all events as one array, shape (columns, events); None when anything is wrong or left over."""
        names, width = self.names, len(self.names)
        try:
            rows = [[event[name] for name in names] for event in events]
            if any(len(event) != width for event in events) or not _NUMBERS.issuperset(
                map(type, chain.from_iterable(rows))
            ):
                return None
            table = np.array(rows, np.float64)
        except (KeyError, TypeError, IndexError, OverflowError):
            return None
        inside = (table >= self._low) & (table <= self._high)
        return np.ascontiguousarray(table.T) if inside.all() else None

    def _trouble(self, event: Any) -> Trouble | None:
        if not isinstance(event, dict):
            return Trouble("an event is an object", "", "an object of fields", _brief(event))
        for name in event:
            if name not in self._fields:
                return Trouble(
                    f"unknown field {name!r}"[:200], str(name)[:100], nearest(name, self._fields), _brief(event[name])
                )
        for name in self.names:
            if event.get(name) is None:
                return Trouble(f"this model needs {name!r}", name, allowed_range(name), "nothing")
        for name, value in event.items():
            if name != "stations" and value is not None and not _in_range(name, value):
                return Trouble(f"{name} is not in its range", name, allowed_range(name), _brief(value))
        return _station_trouble(event.get("stations"), self.shape)

    def _gather(self, events: Sequence[Mapping[str, Any]], troubles: dict[int, Trouble]) -> Events:
        columns = {name: np.array([event[name] for event in events], np.float64) for name in self.names}
        listed = [event["stations"] for event in events] if self.shape else []
        stations = stations_of(listed, columns[ZENITH], self.shape) if self.shape else None
        return Events(columns, stations, _rows_beside(troubles, len(events)), troubles)

    def read_table(self, columns: Mapping[str, Floats], stations: Sequence[Any] | None) -> Events:
        """Read the rows of a table; missing values are NaN.

        Parameters
        ----------
        columns
            Observables, each of shape (rows,): at least those that the model needs.
        stations
            What a model of traces needs, a list of objects a row.
        """
        troubles = dict(self._row_troubles(columns))
        if self.shape is not None and stations is not None:
            found = {
                row: _station_trouble(each, self.shape) for row, each in enumerate(stations) if row not in troubles
            }
            troubles |= {row: trouble for row, trouble in found.items() if trouble is not None}
        good = _rows_beside(troubles, len(next(iter(columns.values()))) - len(troubles))
        needed = {name: columns[name] if good is None else columns[name][good] for name in self.names}
        laid = None
        if self.shape is not None and stations is not None:
            listed = stations if good is None else [stations[row] for row in good]
            laid = stations_of(listed, needed[ZENITH], self.shape)
        return Events(needed, laid, good, troubles)

    def _row_troubles(self, columns: Mapping[str, Floats]) -> Iterator[tuple[int, Trouble]]:
        for name in reversed(list(columns)):  # of several troubles of a row, that of the first column is told
            values, column = columns[name], COLUMNS[name]
            bad = ~((values >= column.minimum) & (values <= column.maximum))
            if name not in self.names:
                bad &= ~np.isnan(values)
            for row in np.flatnonzero(bad).tolist():
                got = "nothing or NaN" if np.isnan(values[row]) else repr(float(values[row]))
                yield row, Trouble(f"{name} is not in its range", name, allowed_range(name), got)


def allowed_range(name: str) -> str:
    """Say in which range and unit an observable may lie.

    Examples
    --------
    >>> allowed_range("zenith_deg")
    '0 to 60.001 deg'
    """
    column = COLUMNS[name]
    unit = "" if column.unit == "1" else f" {column.unit}"
    return f"{column.minimum:.12g} to {column.maximum:.12g}{unit}"


def stations_of(
    listed: Sequence[Sequence[Mapping[str, Any]]], zenith_deg: Floats, shape: StationShape
) -> NDArray[np.float32]:
    """Lay out the stations of events, shape (n, stations, width): see `cascada.physics.footprint.station_array`."""
    flat = [(row, station) for row, stations in enumerate(listed) for station in stations]
    numbers = {
        name: np.array([station[name] for _, station in flat], np.float64)
        for name in ("distance_m", "plane_azimuth_deg", "time_ns", "signal_vem")
    }
    traces = np.array([station["trace_vem"][: shape.bins] for _, station in flat], np.float32)
    rows = StationRows(event=np.array([row for row, _ in flat], np.int64), trace_vem=traces, **numbers)
    return station_array(rows, zenith_deg, shape)


def _station_trouble(stations: Any, shape: StationShape | None) -> Trouble | None:
    if stations is None:
        told = "this model needs 'stations'"
        return (
            Trouble(told, "stations", f"stations with {', '.join(Station.model_fields)}", "nothing") if shape else None
        )
    try:
        checked = _STATIONS.validate_python(stations, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, ("stations", *first["loc"])))
        return Trouble("a station is not valid", field, first["msg"], _brief(first["input"]))
    for i, station in enumerate(checked):
        if shape is not None and len(station.trace_vem) < shape.bins:
            told, got = f"this model sees {shape.bins} bins of 25 ns of each trace_vem", str(len(station.trace_vem))
            return Trouble(told, f"stations.{i}.trace_vem", f"at least {shape.bins} values", got)
    return None


def _rows_beside(troubles: Mapping[int, Trouble], good: int) -> NDArray[np.int64] | None:
    if not troubles:
        return None
    return np.array([row for row in range(good + len(troubles)) if row not in troubles], np.int64)


def _in_range(name: str, value: Any) -> bool:
    return type(value) in _NUMBERS and COLUMNS[name].minimum <= value <= COLUMNS[name].maximum


def _middle(name: str) -> float:
    return 0.5 * (COLUMNS[name].minimum + COLUMNS[name].maximum)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
