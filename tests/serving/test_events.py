"""Events of a request as arrays: the same as from a snapshot, and refused with field and allowed range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from services import EVENT

from cascada.config import SimulatorSource
from cascada.data.sources.simulator import simulate
from cascada.physics.columns import OBSERVABLES
from cascada.physics.footprint import StationShape
from cascada.registry.bundle import Bundle
from cascada.training.traces import StationTable, take_stations
from serving.events import EventReader, stations_of
from serving.refusals import Refusal, Trouble
from serving.schemas import ShowerEvent, Station

STATION = {
    "distance_m": 1000.0, "plane_azimuth_deg": 30.0, "time_ns": 50.0, "signal_vem": 9.0, "trace_vem": [4, 3, 2, 0],
}  # fmt: skip


class _SeesTraces:
    """What a reader asks of a bundle of a model of traces."""

    columns = ("zenith_reco_deg",)

    class spec:  # noqa: N801
        stations = StationShape(stations=4, bins=3)


@pytest.fixture(scope="module")
def reader(bundle: Bundle) -> EventReader:
    return EventReader(bundle)


@pytest.fixture(scope="module")
def traces() -> EventReader:
    return EventReader(_SeesTraces())  # type: ignore[arg-type]


def trouble(reader: EventReader, event: Any) -> Trouble:
    """What is told about an event beside a good one."""
    good = EVENT if reader.shape is None else {"zenith_reco_deg": 30.0, "stations": [STATION]}
    return reader.read([good, event]).troubles[1]


def test_a_request_and_a_snapshot_give_the_same_array() -> None:
    source = SimulatorSource(
        kind="simulator", level="detector", showers=40, primaries=("p", "Fe"), lg_energy_ev_min=19.0
    )
    simulated = simulate(source, 1, threads=1)
    frame, stations = simulated.frame.collect(), simulated.tables["stations"].collect()
    shape = StationShape(stations=6, bins=50)
    expected = take_stations(StationTable(stations.lazy(), shape), frame)
    listed = [
        stations.filter(shower_id=shower).sample(fraction=1.0, shuffle=True, seed=shower)
        .select(*Station.model_fields).to_dicts()
        for shower in frame["shower_id"]
    ]  # fmt: skip
    zenith = frame["zenith_reco_deg"].cast(float).to_numpy()
    assert np.array_equal(stations_of(listed, zenith, shape), expected)


@pytest.mark.parametrize("more", [{}, {"s1000_vem": 40.0}, {"s1000_vem": None}])
def test_columns_come_in_the_order_of_the_events(reader: EventReader, more: dict[str, Any]) -> None:
    read = reader.read([EVENT | more, EVENT | {"n_mu": 3, "energy_eev": 2.0}])
    assert read.columns["n_mu"].tolist() == [5.5e7, 3.0]
    assert (read.good, read.troubles, set(read.columns)) == (None, {}, set(EVENT))


@pytest.mark.parametrize(
    ("event", "field", "allowed", "got"),
    [
        (EVENT | {"zenith_deg": -1.0}, "zenith_deg", "0 to 60.001 deg", "-1.0"),
        (EVENT | {"zenith_deg": float("nan")}, "zenith_deg", "0 to 60.001 deg", "nan"),
        (EVENT | {"n_em": float("inf")}, "n_em", "1 to 1e+14", "inf"),
        (EVENT | {"n_mu": 10**400}, "n_mu", "1 to 1e+12", "1000"),
        (EVENT | {"zenith_deg": "12"}, "zenith_deg", "0 to 60.001 deg", "'12'"),
        (EVENT | {"zenith_deg": True}, "zenith_deg", "0 to 60.001 deg", "True"),
        (EVENT | {"zenith_deg": [1.0]}, "zenith_deg", "0 to 60.001 deg", "[1.0]"),
        (EVENT | {"n_mu": None}, "n_mu", "1 to 1e+12", "nothing"),
        ({"n_mu": 1.0}, "energy_eev", "0.99 to 320 EeV", "nothing"),
        (EVENT | {"s1000_vem": -1.0}, "s1000_vem", "0 to 100000 VEM", "-1.0"),
        (EVENT | {"zenit_deg": 1.0}, "zenit_deg", "did you mean zenith_deg", "1.0"),
        ([1.0, 2.0], "", "an object of fields", "[1.0, 2.0]"),
        ("energy", "", "an object of fields", "'energy'"),
    ],
)
def test_a_bad_event_is_told_by_field_and_range(
    reader: EventReader, event: Any, field: str, allowed: str, got: str
) -> None:
    told = trouble(reader, event)
    assert (told.field, told.allowed[: len(allowed)], told.got[: len(got)]) == (field, allowed, got)


def test_when_every_event_is_bad_the_request_is(reader: EventReader) -> None:
    with pytest.raises(Refusal, match="this model needs 'n_mu'") as caught:
        reader.read([EVENT | {"n_mu": None}, 3])
    assert caught.value.status == 422
    assert caught.value.body["refused"] == 2
    assert [each["event"] for each in caught.value.body["errors"]] == [0, 1]  # type: ignore[attr-defined]


def test_a_table_is_read_as_events_are(reader: EventReader) -> None:
    good = {name: np.full(4, value) for name, value in EVENT.items()}
    spoiled = good | {"n_mu": np.array([1e7, np.nan, 1e13, 1e6]), "s1000_vem": np.array([np.nan, 1.0, 1.0, -1.0])}
    read = reader.read_table(spoiled, None)
    assert read.good is not None
    assert (read.good.tolist(), read.columns["n_mu"].tolist()) == ([0], [1e7])
    assert {row: (each.field, each.got) for row, each in read.troubles.items()} == {
        1: ("n_mu", "nothing or NaN"), 2: ("n_mu", "10000000000000.0"), 3: ("s1000_vem", "-1.0"),
    }  # fmt: skip


def test_every_field_of_a_station_is_needed(traces: EventReader) -> None:
    for name in STATION:
        station = {key: value for key, value in STATION.items() if key != name}
        told = trouble(traces, {"zenith_reco_deg": 30.0, "stations": [STATION, station]})
        assert (told.field, told.allowed) == (f"stations.1.{name}", "Field required")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"distance_m": 0.0}, "distance_m"),
        ({"trace_vem": []}, "trace_vem"),
        ({"trace_vem": [1.0, 2.0]}, "trace_vem"),
        ({"trace_vem": [1.0, None]}, "trace_vem.1"),
        ({"trace_vem": [1.0, float("nan")]}, "trace_vem.1"),
        ({"time_ns": float("inf")}, "time_ns"),
        ({"signal_vem": -1.0}, "signal_vem"),
        ({"colour": "blue"}, "colour"),
        ({"plane_azimuth_deg": "north"}, "plane_azimuth_deg"),
    ],
)
def test_a_malformed_station_is_told_with_its_field(traces: EventReader, change: dict[str, Any], told: str) -> None:
    event = {"zenith_reco_deg": 30.0, "stations": [STATION, STATION | change]}
    assert trouble(traces, event).field == f"stations.1.{told}"


def test_missing_stations_are_told_with_what_they_hold(traces: EventReader) -> None:
    told = trouble(traces, {"zenith_reco_deg": 30.0})
    assert told.allowed == "stations with distance_m, plane_azimuth_deg, time_ns, signal_vem, trace_vem"
    assert trouble(traces, {"zenith_reco_deg": 30.0, "stations": []}).field == "stations"


def test_every_observable_is_a_field_and_nothing_else() -> None:
    assert set(ShowerEvent.model_fields) == {*OBSERVABLES, "stations"}
