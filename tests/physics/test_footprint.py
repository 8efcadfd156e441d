"""The array of an event's stations: which are kept, where they stand, and how late they are."""

from __future__ import annotations

import numpy as np
import pytest

from cascada.config import Detector
from cascada.physics.array import LIGHT_M_PER_NS, Axes, station_positions
from cascada.physics.footprint import StationRows, StationShape, front_time_ns, station_array

SHAPE = StationShape(stations=3, bins=2)


def rows(event: list[int], signal: list[float], **others: list[float]) -> StationRows:
    """Stations on a ring of 1000 m, upstream, that start together; the trace is the signal in two halves."""
    m = len(event)
    values = {"distance_m": [1000.0] * m, "plane_azimuth_deg": [90.0] * m, "time_ns": [0.0] * m} | others
    trace = np.array(signal, np.float32)[:, None] * np.array([0.5, 0.5], np.float32)
    arrays = {name: np.array(v, np.float64) for name, v in values.items()}
    return StationRows(event=np.array(event, np.int64), signal_vem=np.array(signal), trace_vem=trace, **arrays)


def test_the_hottest_stations_are_kept_hottest_first() -> None:
    array = station_array(rows([1, 0, 1, 1, 1, 0], [4, 9, 8, 2, 6, 10]), np.zeros(2), SHAPE)
    assert array.shape == (2, 3, 5)
    assert array.dtype == np.float32
    assert (2 * array[:, :, 3]).tolist() == [[10, 9, 0], [8, 6, 4]]
    assert array[0, 2].tolist() == [0] * 5, "an empty place is zero throughout"
    assert (array[:, :, 0] > 0).tolist() == [[True, True, False], [True, True, True]]


def test_the_order_of_the_rows_does_not_matter() -> None:
    event, signal, distance = [0, 0, 0, 0], [5.0, 5.0, 7.0, 5.0], [900.0, 800.0, 1500.0, 700.0]
    first = station_array(rows(event, signal, distance_m=distance), np.zeros(1), SHAPE)
    again = station_array(rows(event, signal[::-1], distance_m=distance[::-1]), np.zeros(1), SHAPE)
    assert np.array_equal(first, again)
    assert first[0, :, 0].tolist() == [1500, 700, 800]


def test_an_event_without_stations_is_empty() -> None:
    array = station_array(rows([2], [5.0]), np.zeros(4), SHAPE)
    assert np.flatnonzero(array.any(axis=(1, 2))).tolist() == [2]
    assert station_array(rows([], []), np.zeros(2), SHAPE).tolist() == np.zeros((2, 3, 5)).tolist()


def test_delays_are_counted_from_the_median_of_the_event() -> None:
    """Three stations on a ring, across the direction of the shower: the front passes them together."""
    array = station_array(rows([0, 0, 0], [9, 8, 7], time_ns=[100.0, 130.0, 5000.0]), np.array([40.0]), SHAPE)
    assert array[0, :, 2].tolist() == [-30, 0, 4870]


def test_a_tilted_plane_reaches_upstream_stations_first() -> None:
    """By hand: 1000 m upstream at 45 degrees in the shower plane is 1000 m of light path early."""
    up, across = front_time_ns(np.array([1000.0, 1000.0]), np.array([0.0, 90.0]), np.array([45.0, 45.0]))
    assert across - up == pytest.approx(1000.0 / LIGHT_M_PER_NS)
    assert across == pytest.approx(1000.0**2 / 24_000.0 / LIGHT_M_PER_NS)


def test_the_front_is_that_of_the_simulated_array() -> None:
    axes = Axes(*(np.array([value]) for value in (0.7, 2.0, 120.0, -60.0)))
    positions = station_positions(Detector().spacing_m, 2)
    upstream, sideways = (values[0] for values in axes.shower_plane(positions))
    azimuth = np.degrees(np.arctan2(sideways, upstream)) % 360.0
    front = front_time_ns(np.hypot(upstream, sideways), azimuth, np.full(len(positions), np.degrees(0.7)))
    assert front == pytest.approx(axes.front_ns(positions)[0])
