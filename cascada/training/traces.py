"""The stations of the showers of a snapshot, for models that see traces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.config import Experiment, Model, SimulatorSource, TraceAutoencoder
from cascada.data.snapshots import SnapshotRef
from cascada.data.versions import scan_table
from cascada.errors import ConfigError, InvalidDataError
from cascada.physics.footprint import ZENITH, StationRows, StationShape, station_array

STATIONS = "stations"
"""Name of the table."""

CHUNK_SHOWERS = 16_384
"""Showers whose stations are read at a time: some 100 MB of traces."""

_NUMBERS = ("distance_m", "plane_azimuth_deg", "time_ns", "signal_vem")
_TRACE = "trace_vem"
_HINT = "take a snapshot with stations: a simulator with `level: detector`, or choose another model.kind"


@dataclass(frozen=True)
class StationTable:
    """The table ``stations`` of a snapshot, and how much of it a model sees."""

    frame: pl.LazyFrame
    shape: StationShape


def shape_of(model: Model) -> StationShape | None:
    """Tell how many stations and bins a model sees; None if it sees none."""
    if isinstance(model, TraceAutoencoder):
        return StationShape(stations=model.stations, bins=model.bins)
    return None


def check_traces(experiment: Experiment) -> None:
    """Check, before anything is simulated, that the events of an experiment bring the traces that its model sees.

    Raises
    ------
    ConfigError
        If the simulator is not asked for a detector, or for shorter traces.
    """
    shape, source = shape_of(experiment.model), experiment.source
    if shape is None or not isinstance(source, SimulatorSource):
        return
    if source.level != "detector":
        raise ConfigError(
            "a model of traces needs stations, and the simulator is not asked for any",
            where="source.level", expected="detector", got=source.level, hint=_HINT,
        )  # fmt: skip
    if source.detector.trace_bins < shape.bins:
        raise _too_short(shape, source.detector.trace_bins, "source.detector.trace_bins")


def open_stations(snapshot: SnapshotRef, shape: StationShape | None, root: Path) -> StationTable | None:
    """Open the stations of a snapshot, checked; None where a model sees none.

    Raises
    ------
    ConfigError
        If the snapshot has no stations.
    ArtifactError
        If the table was altered.
    """
    if shape is None:
        return None
    if STATIONS not in snapshot.tables:
        raise ConfigError(
            f"a model of traces needs the table {STATIONS!r}, and the snapshot {snapshot.name!r} has none",
            where=str(snapshot.path), got=", ".join(snapshot.tables) or "no further table", hint=_HINT,
        )  # fmt: skip
    return StationTable(scan_table(snapshot, STATIONS, root), shape)


def read_stations(
    snapshot: SnapshotRef, shape: StationShape | None, showers: pl.DataFrame, root: Path
) -> NDArray[np.float32] | None:
    """Open the stations of a snapshot and take those of some showers: see `open_stations` and `take_stations`."""
    table = open_stations(snapshot, shape, root)
    return None if table is None else take_stations(table, showers)


def take_stations(table: StationTable, showers: pl.DataFrame) -> NDArray[np.float32]:
    """Take the stations of showers, in bounded memory beside the answer.

    Parameters
    ----------
    showers
        With ``shower_id`` and the fitted zenith angle.

    Returns
    -------
    numpy.ndarray
        Shape (n, stations, width): see `cascada.physics.footprint.station_array`.

    Raises
    ------
    ConfigError
        If a column is missing, or the traces are shorter than the model sees.
    InvalidDataError
        If a shower has no station, or a value is missing.
    """
    lacking = [name for name in ("shower_id", ZENITH) if name not in showers.columns]
    lacking += [name for name in (*_NUMBERS, _TRACE) if name not in table.frame.collect_schema().names()]
    if lacking:
        raise ConfigError(f"a model of traces needs the columns {', '.join(lacking)}", hint=_HINT)
    answer = np.zeros((showers.height, table.shape.stations, table.shape.width), np.float32)
    for start in range(0, showers.height, CHUNK_SHOWERS):
        part = showers.slice(start, CHUNK_SHOWERS)
        answer[start : start + part.height] = _take_chunk(table, part)
    _check(answer)
    return answer


def _take_chunk(table: StationTable, showers: pl.DataFrame) -> NDArray[np.float32]:
    wanted = showers.select("shower_id").with_row_index("event")
    ids = wanted["shower_id"]
    near = table.frame.filter(pl.col("shower_id").is_between(ids.min(), ids.max()))  # skips what Parquet can skip
    rows = near.join(wanted.lazy(), on="shower_id").select("event", *_NUMBERS, _TRACE).collect(engine="streaming")
    zenith = showers[ZENITH].cast(pl.Float64).to_numpy()
    return station_array(_station_rows(rows, table.shape), zenith, table.shape)


def _station_rows(rows: pl.DataFrame, shape: StationShape) -> StationRows:
    shortest = rows[_TRACE].list.len().min()
    if isinstance(shortest, int) and shortest < shape.bins:
        raise _too_short(shape, shortest, f"table {STATIONS!r}, column {_TRACE}")
    traces = rows[_TRACE].list.head(shape.bins).cast(pl.List(pl.Float32)).list.to_array(shape.bins)
    numbers = {name: rows[name].cast(pl.Float64).to_numpy() for name in _NUMBERS}
    trace_vem = traces.to_numpy().reshape(rows.height, shape.bins)
    return StationRows(event=rows["event"].cast(pl.Int64).to_numpy(), trace_vem=trace_vem, **numbers)


def _check(stations: NDArray[np.float32]) -> None:
    empty = int((stations[:, :, 0] <= 0.0).all(axis=1).sum())
    broken = int((~np.isfinite(stations)).any(axis=(1, 2)).sum())
    if empty or broken:
        raise InvalidDataError(
            "the stations of some showers cannot be used",
            expected=f"finite values, and a station with a distance above 0, for each of {len(stations)} showers",
            got=f"{empty} showers without a station, {broken} with a value that is missing or not finite",
            hint="let the training suite refuse such showers",
        )


def _too_short(shape: StationShape, bins: int, where: str) -> ConfigError:
    return ConfigError(
        "the traces are shorter than the model sees", where=where, expected=f"at least {shape.bins} bins",
        got=f"{bins} bins", hint=f"set model.bins to {bins} or less",
    )  # fmt: skip
