"""Events of the simulated surface detector: observables, stations with traces, and the truth in a table of its own.

The showers are those of the simulator at shower level with the same seed. Random numbers of the detector belong to
blocks of `BLOCK_EVENTS` showers, so that bytes depend on the seed alone. Showers that do not trigger have a truth but
no event.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.config import SimulatorSource
from cascada.data.sources.simulator import BLOCK_SHOWERS, Strings, draw_block
from cascada.data.sources.table import from_typed_chunks, in_order, schema_of
from cascada.physics.anomalies import NONE
from cascada.physics.array import Axes, draw_axes, station_positions
from cascada.physics.events import Events, observe
from cascada.physics.showers import Flux, Showers, simulated_primaries
from cascada.repro.seeds import generator

BLOCK_EVENTS = 256
"""Showers per random stream of the detector; divides `BLOCK_SHOWERS`, and never changes within a schema version."""

CHUNK_BLOCKS = 8
"""Blocks that are held at a time: 2048 showers, with some 10 MB of traces."""

EVENT_COLUMNS = (
    "shower_id", "group_id", "primary", "hadronic_model", "energy_reco_eev", "zenith_reco_deg", "azimuth_reco_deg",
    "core_x_reco_m", "core_y_reco_m", "s1000_vem", "s38_vem", "n_stations", "distance_m", "signal_vem",
    "rise_time_ns", "fall_time_ns", "area_over_peak_ns",
)  # fmt: skip
STATIONS: dict[str, pl.DataType] = {
    "shower_id": pl.Int64(),
    "station_id": pl.Int64(),
    "station_x_m": pl.Float64(),
    "station_y_m": pl.Float64(),
    "distance_m": pl.Float64(),
    "plane_azimuth_deg": pl.Float64(),
    "time_ns": pl.Float64(),
    "signal_vem": pl.Float64(),
    "rise_time_ns": pl.Float64(),
    "fall_time_ns": pl.Float64(),
    "area_over_peak_ns": pl.Float64(),
    "saturated": pl.Boolean(),
    "trace_vem": pl.List(pl.Float32()),
}
"""Columns of the table ``stations``: number and place from the hottest station (0), distance and azimuth (0 upstream)
in the fitted shower plane, start time from the first station of the event, signal, its shape, whether a bin reached the
end of the scale, and the signal per 25 ns."""
TRUTH_COLUMNS = (
    "shower_id", "primary", "anomaly", "energy_true_eev", "zenith_true_deg", "azimuth_true_deg", "core_x_true_m",
    "core_y_true_m", "xmax_true_g_cm2", "n_mu_true", "n_em_true",
)  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """The showers of one random stream of the detector; every array has shape (`BLOCK_EVENTS`,)."""

    ids: NDArray[np.int64]
    class_index: NDArray[np.int64]
    energy_eev: NDArray[np.float64]
    kinds: Strings
    showers: Showers
    axes: Axes


Table = Callable[[SimulatorSource, Batch, np.random.Generator], pl.DataFrame]


def event_tables(config: SimulatorSource, seed: int, *, threads: int) -> tuple[pl.LazyFrame, dict[str, pl.LazyFrame]]:
    """Open the table of events, and the tables ``stations`` and ``truth``."""

    def open_table(table: Table, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
        return from_typed_chunks(functools.partial(event_chunks, config, seed, table, threads=threads), schema)

    events = open_table(event_table, schema_of(in_order(EVENT_COLUMNS)))
    truth = open_table(truth_table, schema_of(in_order(TRUTH_COLUMNS)))
    return events, {"stations": open_table(station_table, STATIONS), "truth": truth}


def event_chunks(
    config: SimulatorSource, seed: int, table: Table, *, chunk_blocks: int = CHUNK_BLOCKS, threads: int = 2
) -> Iterator[pl.DataFrame]:
    """Simulate one of the tables in chunks of `chunk_blocks` times `BLOCK_EVENTS` showers.

    Parameters
    ----------
    table
        `event_table`, `station_table` or `truth_table`.
    """
    per_block = BLOCK_SHOWERS // BLOCK_EVENTS
    drawn = functools.lru_cache(maxsize=2)(functools.partial(draw_block, config, seed))

    def make(number: int) -> pl.DataFrame:
        rng = generator(seed, "simulator.detector", block=number)
        flux, kinds = drawn(number // per_block)
        rows = table(config, _batch(config, flux, kinds, number, rng), rng)
        return rows.filter(pl.col("shower_id") < config.showers)

    blocks = range(-(-config.showers // BLOCK_EVENTS))
    with ThreadPoolExecutor(threads) as pool:
        for start in blocks[::chunk_blocks]:
            yield pl.concat(pool.map(make, blocks[start : start + chunk_blocks]))


def event_table(config: SimulatorSource, batch: Batch, rng: np.random.Generator) -> pl.DataFrame:
    """Make the table of recorded events: what was reconstructed, and the station nearest the reference distance."""
    events = observe(batch.showers, batch.axes, batch.kinds, config.detector, rng)
    fitted, axes = events.reconstruction, events.reconstruction.axes
    nearest = events.reference_stations(config.detector.spacing_m)
    frame = pl.DataFrame({
        "shower_id": batch.ids[events.shower], "group_id": batch.ids[events.shower],
        "primary": _labels(config, batch.class_index[events.shower]),
        "energy_reco_eev": fitted.energy_eev,
        "zenith_reco_deg": np.degrees(axes.zenith), "azimuth_reco_deg": np.degrees(axes.azimuth),
        "core_x_reco_m": axes.core_x_m, "core_y_reco_m": axes.core_y_m,
        "s1000_vem": fitted.s1000_vem, "s38_vem": fitted.s38_vem,
        "n_stations": np.bincount(events.row, minlength=events.shower.size).astype(np.float64),
        **{name: values[nearest] for name, values in _measured(events).items()},
    })  # fmt: skip
    return _ordered(frame.with_columns(pl.lit(config.hadronic_model).alias("hadronic_model")), EVENT_COLUMNS)


def station_table(config: SimulatorSource, batch: Batch, rng: np.random.Generator) -> pl.DataFrame:
    """Make the table of the triggered stations of recorded events."""
    events = observe(batch.showers, batch.axes, batch.kinds, config.detector, rng)
    stations = events.stations
    positions = station_positions(config.detector.spacing_m, config.detector.rings)[stations.station]
    traces = pl.Series(stations.trace_vem).cast(pl.List(pl.Float32))
    frame = pl.DataFrame({
        "shower_id": batch.ids[stations.event], "station_id": stations.station,
        "station_x_m": positions[:, 0], "station_y_m": positions[:, 1],
        "plane_azimuth_deg": events.plane_azimuth_deg, "time_ns": stations.time_ns,
        "saturated": stations.saturated, "trace_vem": traces, **_measured(events),
    })  # fmt: skip
    return frame.select(*STATIONS)


def truth_table(config: SimulatorSource, batch: Batch, rng: np.random.Generator) -> pl.DataFrame:  # noqa: ARG001
    """Make the table of what only the simulation knows, of every shower."""
    axes = batch.axes
    frame = pl.DataFrame({
        "shower_id": batch.ids, "primary": _labels(config, batch.class_index), "anomaly": batch.kinds,
        "energy_true_eev": batch.energy_eev,
        "zenith_true_deg": np.degrees(axes.zenith), "azimuth_true_deg": np.degrees(axes.azimuth),
        "core_x_true_m": axes.core_x_m, "core_y_true_m": axes.core_y_m,
        "xmax_true_g_cm2": batch.showers.xmax_g_cm2,
        "n_mu_true": batch.showers.n_mu, "n_em_true": batch.showers.n_em,
    })  # fmt: skip
    return _ordered(frame, TRUTH_COLUMNS)


def _batch(config: SimulatorSource, flux: Flux, kinds: Strings | None, number: int, rng: np.random.Generator) -> Batch:
    first = number * BLOCK_EVENTS
    part = slice(first % BLOCK_SHOWERS, first % BLOCK_SHOWERS + BLOCK_EVENTS)
    return Batch(
        ids=np.arange(first, first + BLOCK_EVENTS),
        class_index=flux.class_index[part],
        energy_eev=flux.energy_eev[part],
        kinds=np.full(BLOCK_EVENTS, NONE) if kinds is None else kinds[part],
        showers=Showers(*(values[part] for values in vars(flux.showers).values())),
        axes=draw_axes(flux.zenith_deg[part], config.detector.spacing_m, rng),
    )


def _labels(config: SimulatorSource, class_index: NDArray[np.int64]) -> pl.Series:
    return pl.Series(simulated_primaries(config.primaries)).gather(class_index)


def _measured(events: Events) -> dict[str, NDArray[np.float64]]:
    return {"distance_m": events.distance_m, "signal_vem": events.stations.signal_vem, **vars(events.shape)}


def _ordered(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return frame.select(in_order(columns))
