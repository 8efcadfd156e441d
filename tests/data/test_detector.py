"""Events of the simulated detector: bytes that depend on the seed alone, physics, anomalies, truth in its own table."""

from __future__ import annotations

import functools

import numpy as np
import polars as pl
import pytest

from cascada.config import SimulatorSource
from cascada.config.simulator import DETECTOR_ANOMALIES
from cascada.data.sources.detector import (
    BLOCK_EVENTS,
    EVENT_COLUMNS,
    STATIONS,
    TRUTH_COLUMNS,
    Table,
    event_chunks,
    event_table,
    station_table,
    truth_table,
)
from cascada.data.sources.simulator import BLOCK_SHOWERS, simulate
from cascada.physics.columns import COLUMNS
from cascada.physics.traces import SATURATION_VEM

SEED = 11
SHOWERS = 2 * BLOCK_EVENTS + 100
TABLES = {"events": event_table, "stations": station_table, "truth": truth_table}


def source(**settings: object) -> SimulatorSource:
    defaults = {"kind": "simulator", "level": "detector", "showers": SHOWERS, "primaries": ("p", "Fe")}
    return SimulatorSource.model_validate(defaults | settings)


@functools.cache
def whole(name: str) -> pl.DataFrame:
    table = simulate(source(), SEED, threads=1)
    return (table.frame if name == "events" else table.tables[name]).collect()


def with_truth(settings: SimulatorSource) -> pl.DataFrame:
    table = simulate(settings, SEED)
    return table.frame.collect().join(table.tables["truth"].collect().drop("primary"), on="shower_id")


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("chunk_blocks", "threads"), [(1, 1), (2, 7), (5, 2)])
def test_chunks_and_threads_are_no_part_of_a_table(name: str, chunk_blocks: int, threads: int) -> None:
    table: Table = TABLES[name]
    chunks = list(event_chunks(source(), SEED, table, chunk_blocks=chunk_blocks, threads=threads))
    assert len(chunks) == -(-3 // chunk_blocks)
    assert pl.concat(chunks).equals(whole(name), null_equal=True)


@pytest.mark.parametrize("name", TABLES)
def test_a_longer_table_begins_with_the_shorter_one(name: str) -> None:
    shorter = pl.concat(event_chunks(source(showers=BLOCK_EVENTS + 9), SEED, TABLES[name]))
    assert shorter.equals(whole(name).filter(pl.col("shower_id") < BLOCK_EVENTS + 9))


def test_the_showers_are_those_of_the_shower_level() -> None:
    showers = simulate(source(level="shower"), SEED).frame.collect()
    truth = whole("truth")
    assert truth["primary"].equals(showers["primary"])
    for name, before in (("energy_true_eev", "energy_eev"), ("xmax_true_g_cm2", "xmax_g_cm2"), ("n_mu_true", "n_mu")):
        assert truth[name].to_numpy() == pytest.approx(showers[before].to_numpy())


def test_blocks_of_showers_follow_each_other() -> None:
    truth = pl.concat(event_chunks(source(showers=BLOCK_SHOWERS + 50), SEED, truth_table))
    assert truth["shower_id"].to_list() == list(range(BLOCK_SHOWERS + 50))
    assert truth["core_x_true_m"].n_unique() == truth.height


def test_another_seed_makes_other_events() -> None:
    other = pl.concat(event_chunks(source(), SEED + 1, truth_table))
    assert (other["azimuth_true_deg"] != whole("truth")["azimuth_true_deg"]).all()


def test_tables_are_lazy_and_typed() -> None:
    table = simulate(source(showers=1_000_000_000), SEED)
    assert table.frame.collect_schema().names() == whole("events").columns
    assert table.frame.head(5).collect().height == 5
    traces = table.tables["stations"].select("trace_vem").head(4).collect()["trace_vem"]
    assert traces.dtype == pl.List(pl.Float32)
    assert traces.list.len().to_list() == [120] * 4


def test_only_the_truth_knows_the_truth() -> None:
    roles = {name: {column: COLUMNS[column].role for column in whole(name).columns} for name in ("events", "truth")}
    assert "truth" not in roles["events"].values()
    assert not {name for name in STATIONS if name in COLUMNS and COLUMNS[name].role == "truth"}
    assert "anomaly" in roles["truth"]
    assert set(roles["events"]) == set(EVENT_COLUMNS)
    assert whole("stations").schema == pl.Schema(STATIONS)
    assert set(roles["truth"]) == set(TRUTH_COLUMNS)
    assert not {"energy_eev", "n_mu", "xmax_g_cm2"} & set(whole("events").columns)


def test_stations_belong_to_events() -> None:
    stations, events = whole("stations"), whole("events")
    counts = stations.group_by("shower_id", maintain_order=True).len()
    assert counts["shower_id"].equals(events["shower_id"])
    assert counts["len"].to_list() == events["n_stations"].to_list()
    assert events["n_stations"].min() >= 3
    assert stations["signal_vem"].min() >= 3.0
    assert stations.select("shower_id", "station_id").is_unique().all()
    assert (stations.group_by("shower_id").agg(pl.col("time_ns").min())["time_ns"] == 0.0).all()
    assert stations["trace_vem"].list.sum().to_numpy() == pytest.approx(stations["signal_vem"].to_numpy(), rel=1e-5)


def test_the_chosen_station_is_the_one_nearest_1000_m() -> None:
    stations = whole("stations").with_columns((pl.col("distance_m") - 1000.0).abs().alias("off"))
    nearest = stations.sort("shower_id", "off").unique("shower_id", keep="first").sort("shower_id")
    for name in ("distance_m", "signal_vem", "rise_time_ns", "area_over_peak_ns"):
        assert nearest[name].to_list() == whole("events")[name].to_list()


def test_the_reconstruction_is_as_sharp_as_such_an_array() -> None:
    events = with_truth(source(lg_energy_ev_min=19.0, lg_energy_ev_max=20.0))
    ln_energy = np.log((events["energy_reco_eev"] / events["energy_true_eev"]).to_numpy())
    assert ln_energy.std() < 0.2
    assert -0.25 < np.median(ln_energy) < 0.1
    assert (events["zenith_reco_deg"] - events["zenith_true_deg"]).std() < 1.0
    core = np.hypot(*(events[f"core_{x}_reco_m"] - events[f"core_{x}_true_m"] for x in "xy"))
    assert np.median(core) < 80.0


def test_iron_has_the_larger_energy_on_the_scale_of_auger() -> None:
    events = with_truth(source(lg_energy_ev_min=19.3, lg_energy_ev_max=19.7, zenith_deg_max=40.0))
    scale = pl.col("energy_reco_eev") / pl.col("energy_true_eev")
    by = dict(events.group_by("primary").agg(scale.median()).iter_rows())
    assert by["Fe"] > by["p"] + 0.05


@pytest.mark.parametrize(("spacing", "energies"), [(750, (17.5, 18.0)), (433, (17.0, 17.5))])
def test_denser_arrays_see_smaller_showers(spacing: int, energies: tuple[float, float]) -> None:
    low, high = energies
    settings = {"lg_energy_ev_min": low, "lg_energy_ev_max": high, "showers": BLOCK_EVENTS}
    dense = with_truth(source(**settings, detector={"spacing_m": spacing, "rings": 3}))
    sparse = with_truth(source(**settings))
    assert dense.height > 2 * sparse.height
    assert dense["n_stations"].max() <= 37
    scale = np.log((dense["energy_reco_eev"] / dense["energy_true_eev"]).to_numpy())
    assert abs(np.median(scale)) < 0.25


def test_the_trigger_threshold_and_the_length_of_the_traces_are_settings() -> None:
    table = simulate(source(detector={"trigger_vem": 10.0, "trace_bins": 60, "min_stations": 5}), SEED)
    stations = table.tables["stations"].collect()
    assert stations["signal_vem"].min() >= 10.0
    assert set(stations["trace_vem"].list.len()) == {60}
    assert table.frame.collect()["n_stations"].min() >= 5


def test_bright_stations_saturate() -> None:
    stations = simulate(source(lg_energy_ev_min=20.0), SEED).tables["stations"].collect()
    peak = stations["trace_vem"].list.max()
    assert (peak <= SATURATION_VEM * 1.0001).all()
    assert stations["saturated"].to_list() == (peak >= SATURATION_VEM * 0.9999).to_list()
    saturated = stations.filter("saturated")
    assert saturated.height > 100
    # Auger: stations saturate from some 600 to 1000 VEM on, within 500 m or so
    assert 500.0 < saturated["signal_vem"].min() < 2000.0
    assert saturated["distance_m"].median() < 600.0


def pairs(kind: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Stations of anomalous events, and those of the same showers in an experiment without anomalies."""
    settings = {"showers": BLOCK_EVENTS, "lg_energy_ev_min": 19.0, "lg_energy_ev_max": 19.5}
    odd, plain = (simulate(source(**settings, anomalies=a), SEED).tables for a in ({kind: 1.0}, {}))
    assert set(odd["truth"].collect()["anomaly"]) == {kind}
    return odd["stations"].collect(), plain["stations"].collect()


@pytest.mark.parametrize("kind", DETECTOR_ANOMALIES)
def test_anomalies_of_the_detector_are_seen_in_the_stations(kind: str) -> None:
    odd, plain = pairs(kind)
    first_odd, first_plain = (frame.filter(pl.col("station_id") == 0) for frame in (odd, plain))
    if kind == "broken_pmt":
        assert first_odd["signal_vem"].mean() / first_plain["signal_vem"].mean() == pytest.approx(2 / 3, abs=0.03)
    elif kind == "saturated_pmt":
        assert first_odd["area_over_peak_ns"].mean() > 1.3 * first_plain["area_over_peak_ns"].mean()
    elif kind == "clock_shift":
        both = first_odd.join(first_plain, on="shower_id")
        assert (both["time_ns"] - both["time_ns_right"]).abs().max() > 900.0
        assert first_odd["signal_vem"].to_list() == first_plain["signal_vem"].to_list()
    elif kind == "lightning":
        assert odd.group_by("shower_id").len()["len"].min() == 19
        assert odd["fall_time_ns"].median() > 1.3 * plain["fall_time_ns"].median()
    else:
        assert first_odd["signal_vem"].median() < 0.85 * first_plain["signal_vem"].median()
