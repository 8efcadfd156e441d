"""Events of a request as arrays: the same as from a snapshot, and refused with what is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bentoml.exceptions import InvalidArgument
from pydantic import ValidationError

from cascada.config import SimulatorSource
from cascada.data.sources.simulator import simulate
from cascada.physics.columns import OBSERVABLES
from cascada.physics.footprint import StationShape
from cascada.training.traces import StationTable, take_stations
from serving.inputs import columns_of, stations_of
from serving.schemas import ShowerEvent, Station

SHAPE = StationShape(stations=4, bins=3)
STATION = {
    "distance_m": 1000.0, "plane_azimuth_deg": 30.0, "time_ns": 50.0, "signal_vem": 9.0, "trace_vem": [4, 3, 2, 0],
}  # fmt: skip


def event(**values: Any) -> ShowerEvent:
    return ShowerEvent.model_validate(values)


def test_a_request_and_a_snapshot_give_the_same_array() -> None:
    source = SimulatorSource(
        kind="simulator", level="detector", showers=40, primaries=("p", "Fe"), lg_energy_ev_min=19.0
    )
    simulated = simulate(source, 1, threads=1)
    frame, stations = simulated.frame.collect(), simulated.tables["stations"].collect()
    shape = StationShape(stations=6, bins=50)
    expected = take_stations(StationTable(stations.lazy(), shape), frame)
    listed = [
        event(
            zenith_reco_deg=zenith,
            stations=stations.filter(shower_id=shower).sample(fraction=1.0, shuffle=True, seed=shower)
            .select(*Station.model_fields).to_dicts(),
        )
        for shower, zenith in frame.select("shower_id", "zenith_reco_deg").iter_rows()
    ]  # fmt: skip
    zenith = columns_of(listed, ["zenith_reco_deg"])["zenith_reco_deg"]
    assert np.array_equal(stations_of(listed, zenith, shape), expected)


def test_columns_come_in_the_order_of_the_events() -> None:
    taken = columns_of([event(n_mu=5e7), event(n_mu=3e7, energy_eev=2.0)], ["n_mu"])
    assert {name: values.tolist() for name, values in taken.items()} == {"n_mu": [5e7, 3e7]}


def test_a_missing_column_is_named_with_its_event() -> None:
    with pytest.raises(InvalidArgument, match="this model needs 'n_mu'; event 1 has none"):
        columns_of([event(n_mu=5e7), event()], ["n_mu"])


def test_missing_stations_are_named_with_what_they_hold() -> None:
    needed = "'stations', with distance_m, plane_azimuth_deg, time_ns, signal_vem, trace_vem; event 1 has none"
    with pytest.raises(InvalidArgument, match=needed):
        stations_of([event(stations=[STATION]), event()], np.zeros(2), SHAPE)


def test_a_short_trace_is_named_with_its_station() -> None:
    short = STATION | {"trace_vem": [1.0, 2.0]}
    with pytest.raises(InvalidArgument, match=r"sees 3 bins .* station 1 of event 0 has 2"):
        stations_of([event(stations=[STATION, short])], np.zeros(1), SHAPE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"distance_m": 0.0}, "distance_m"),
        ({"trace_vem": []}, "trace_vem"),
        ({"trace_vem": [1.0, None]}, "trace_vem.1"),
        ({"trace_vem": [1.0, float("nan")]}, "trace_vem.1"),
        ({"time_ns": float("inf")}, "time_ns"),
        ({"signal_vem": -1.0}, "signal_vem"),
        ({"colour": "blue"}, "colour"),
        ({"plane_azimuth_deg": "north"}, "plane_azimuth_deg"),
    ],
)
def test_a_malformed_station_is_refused_with_its_field(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        event(stations=[STATION, STATION | change])
    (error,) = caught.value.errors()
    assert ".".join(map(str, error["loc"])) == f"stations.1.{told}"


@pytest.mark.parametrize("name", STATION)
def test_every_field_of_a_station_is_needed(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name}\n  Field required"):
        event(stations=[{key: value for key, value in STATION.items() if key != name}])


def test_every_observable_is_a_field_and_nothing_else() -> None:
    assert set(ShowerEvent.model_fields) == {*OBSERVABLES, "stations"}
    with pytest.raises(ValidationError, match="less than or equal to 90"):
        event(zenith_reco_deg=91.0)
    with pytest.raises(ValidationError, match="Extra inputs"):
        event(energy_true_eev=3.0)
