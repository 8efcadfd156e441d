"""Pierre Auger Open Data (doi:10.5281/zenodo.4487612): summary tables, or one JSON file an event.

Both say the same of an event, the JSON files with the signals of the stations besides. An event that several
fluorescence telescopes saw has a reconstruction for each of them; the one with the least uncertain depth of maximum is
kept. Energy and zenith angle are those of the surface detector, and of the telescopes where there is none: the former
is calibrated with the latter (Phys. Rev. D 102 (2020) 062005).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.config import AugerSource
from cascada.data.sources.files import InputFile, describe_origin, find_files, names_for_messages
from cascada.data.sources.table import SourceTable, from_typed_chunks, in_order, reading
from cascada.errors import ConfigError, SourceError, nearest
from cascada.physics.columns import COLUMNS

# Canonical column to the published names, the first that has a value counts: sd_ is the surface detector, fd_ the
# fluorescence detector. Published units are the canonical ones.
_PUBLISHED = {
    "energy_eev": ("sd_energy", "fd_totalEnergy"),
    "energy_uncertainty_eev": ("sd_denergy", "fd_dtotalEnergy"),
    "zenith_deg": ("sd_theta", "fd_theta"),
    "arrival_azimuth_deg": ("sd_phi", "fd_phi"),
    "calorimetric_energy_eev": ("fd_calEnergy",),
    "xmax_g_cm2": ("fd_xmax",),
    "xmax_uncertainty_g_cm2": ("fd_dxmax",),
    "xmax_height_m": ("fd_heightXmax",),
    "dedx_max_pev_g_cm2": ("fd_dEdXmax",),
    "s1000_vem": ("sd_s1000",),
    "s38_vem": ("sd_s38",),
    "n_stations": ("sd_nbstat",),
    "core_x_m": ("sd_x",),
    "core_y_m": ("sd_y",),
}
_NAMES = tuple(name for names in _PUBLISHED.values() for name in names)
_MISSING = ["", "nan", "NaN", "null"]
_FILES_AT_ONCE = 200

STATIONS: dict[str, pl.DataType] = {
    "shower_id": pl.Int64(),
    "station_id": pl.Int64(),
    "station_x_m": pl.Float64(),
    "station_y_m": pl.Float64(),
    "station_z_m": pl.Float64(),
    "time_ns": pl.Float64(),
    "signal_vem": pl.Float64(),
    "selected": pl.Boolean(),
    "trace_vem": pl.List(pl.Float32()),
}
"""Columns of the table ``stations``: place in the array's frame, start time, integrated signal, whether it is in the
reconstruction, and the signal per 25 ns, averaged over the photomultipliers that have one (null without any)."""


def read_auger(config: AugerSource, directory: Path) -> SourceTable:
    """Open summary tables (``*.csv``) or events (``Auger_*.json``); there are no labels in nature.

    Events are few (some ten thousand): their reconstructions are read at once. The stations of JSON files, in the
    table ``stations``, are read when they are asked for.

    Returns
    -------
    SourceTable
        ``origin`` counts the ``repeated_rows``: reconstructions by further telescopes that were left out.

    Raises
    ------
    ConfigError
        If files are given by primary, or of both kinds.
    SourceError
        If a file is missing, has no such structure, or an event stands in two files.
    """
    if not isinstance(config.files, tuple):
        raise ConfigError("source.files: nature gives no labels", expected="a list of files, without primaries")
    files = find_files(config, directory)
    kinds = {file.path.suffix for file in files}
    if kinds == {".csv"}:
        rows = pl.concat([_read_summary(file.path) for file in files], how="diagonal")
    elif kinds == {".json"}:
        rows = _read_events(files)
    else:
        raise ConfigError("source.files: give *.csv or *.json files, and of one kind", got=", ".join(sorted(kinds)))
    events = _one_row_an_event(_to_canonical(rows))
    origin = describe_origin(config, files) | {"repeated_rows": rows.height - events.height}
    stations = from_typed_chunks(partial(_station_chunks, files), STATIONS)
    return SourceTable(
        events.lazy(), names_for_messages(files), origin, {"stations": stations} if kinds == {".json"} else {}
    )


def _to_canonical(rows: pl.DataFrame) -> pl.DataFrame:
    made = {"shower_id": pl.col("id"), "group_id": pl.col("id")} | {
        name: pl.coalesce(present).cast(pl.Int64 if COLUMNS[name].dtype == "int64" else pl.Float64, strict=False)
        for name, names in _PUBLISHED.items()
        if (present := [published for published in names if published in rows.columns])
    }
    return rows.select(made[name].alias(name) for name in in_order(list(made)))


def _one_row_an_event(rows: pl.DataFrame) -> pl.DataFrame:
    if "xmax_uncertainty_g_cm2" not in rows.columns:
        return rows.unique("shower_id", keep="first", maintain_order=True)
    numbered = rows.with_row_index("_row")
    by_eye = numbered.sort("shower_id", "xmax_uncertainty_g_cm2", "_row", nulls_last=True)
    return by_eye.unique("shower_id", keep="first", maintain_order=True).sort("_row").drop("_row")


def _read_summary(path: Path) -> pl.DataFrame:
    with reading(str(path), "a summary table of the Pierre Auger Open Data"):
        table = pl.read_csv(path, infer_schema=False, null_values=_MISSING)
    if "id" not in table.columns:
        raise SourceError(
            "a summary table has no event ids",
            where=str(path),
            expected="a column id, as published",
            got=f"{len(table.columns)} columns: {', '.join(table.columns)[:200]}",
            hint="read tables of your own through a column map, with kind: text",
        )
    if not set(_NAMES) & set(table.columns):
        raise SourceError(
            "a summary table has no known reconstruction",
            where=str(path),
            got=f"{len(table.columns)} columns",
            hint=nearest("sd_energy", table.columns),
        )
    return table.select(
        _cast(table, name, pl.Int64() if name == "id" else pl.Float64(), path)
        for name in table.columns
        if name in ("id", *_NAMES)
    )


def _cast(table: pl.DataFrame, name: str, kind: pl.DataType, path: Path) -> pl.Series:
    text = table[name].str.strip_chars()
    cast = text.cast(kind, strict=False)
    bad = cast.is_null() & (pl.Series([kind == pl.Int64()] * len(text)) | text.is_not_null())
    if bad.any():
        row = bad.arg_true()[0]
        raise SourceError(
            f"column {name!r} holds {'no event id' if kind == pl.Int64() else 'text where a number belongs'}",
            where=f"{path}, data row {row + 1}",
            got=repr(text[row])[:80],
        )
    return cast


def _read_events(files: Sequence[InputFile]) -> pl.DataFrame:
    seen: dict[int, Path] = {}
    rows: list[dict[str, float | int | None]] = []
    for file in files:
        event = _load(file.path)
        number = _event_id(event, file.path)
        if number in seen:
            raise SourceError(f"event {number} stands in two files", where=str(file.path), got=str(seen[number]))
        seen[number] = file.path
        rows += _reconstructions(event, number, file.path)
    return pl.DataFrame(rows, schema={"id": pl.Int64(), **dict.fromkeys(_NAMES, pl.Float64())})


def _load(path: Path) -> dict[str, Any]:
    try:
        event = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError("an input file is not JSON, or not whole", where=str(path), got=str(error)[:300]) from error
    if not isinstance(event, dict):
        raise _wrong(path, "an event", "an object with sections", event)
    return event


def _event_id(event: dict[str, Any], path: Path) -> int:
    info = event.get("info")
    number = event.get("id", info.get("id") if isinstance(info, dict) else None)
    if isinstance(number, str) and number.isdecimal():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63:
        raise _wrong(path, "id", "a whole number", number)
    return number


def _reconstructions(event: dict[str, Any], number: int, path: Path) -> list[dict[str, float | int | None]]:
    """Flatten an event into rows of the summary table: one for each telescope that reconstructed it, or one."""
    surface = {f"sd_{key}": value for key, value in _section(event, "sdrec", path).items()}
    eyes = event.get("fdrec") or [{}]
    if isinstance(eyes, dict):
        eyes = [eyes]
    if not isinstance(eyes, list) or not all(isinstance(eye, dict) for eye in eyes):
        raise _wrong(path, "fdrec", "a list of objects", eyes)
    rows = [surface | {f"fd_{key}": value for key, value in eye.items()} for eye in eyes]
    return [{"id": number} | {name: _number(row.get(name), name, path) for name in _NAMES} for row in rows]


def _section(event: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = event.get(name) or {}
    if not isinstance(section, dict):
        raise _wrong(path, name, "an object", section)
    return section


def _number(value: object, name: str, path: Path) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(path, name, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise _wrong(path, name, "a number", value) from None


def _station_chunks(files: Sequence[InputFile]) -> Iterator[pl.DataFrame]:
    for start in range(0, len(files), _FILES_AT_ONCE):
        rows = [row for file in files[start : start + _FILES_AT_ONCE] for row in _stations(_load(file.path), file.path)]
        yield pl.DataFrame(rows, schema=STATIONS)


def _stations(event: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    stations = event.get("stations") or []
    if not isinstance(stations, list) or not all(isinstance(station, dict) for station in stations):
        raise _wrong(path, "stations", "a list of objects", stations)
    number = _event_id(event, path)
    return [{"shower_id": number} | _station(station, path) for station in stations]


def _station(station: dict[str, Any], path: Path) -> dict[str, Any]:
    columns = {"station_x_m": "x", "station_y_m": "y", "station_z_m": "z", "time_ns": "t", "signal_vem": "signal"}
    selected = station.get("isSelected")
    return {
        "station_id": _event_id(station, path),
        **{column: _number(station.get(name), f"stations.{name}", path) for column, name in columns.items()},
        "selected": None if selected is None else bool(selected),
        "trace_vem": _mean_trace(station, path),
    }


def _mean_trace(station: dict[str, Any], path: Path) -> NDArray[np.float32] | None:
    traces = [station[name] for name in ("pmt1", "pmt2", "pmt3") if station.get(name)]
    if not traces:
        return None
    try:
        bins = np.asarray(traces)
    except ValueError:
        bins = np.empty(0)
    if bins.ndim != 2 or bins.dtype.kind not in "iuf":
        raise _wrong(path, "stations.pmt1 to pmt3", "lists of numbers, of one length", traces)
    return np.asarray(bins.mean(axis=0), np.float32)


def _wrong(path: Path, what: str, expected: str, got: object) -> SourceError:
    what = f"{what} of an Auger event is not as published"
    return SourceError(what, where=str(path), expected=expected, got=repr(got)[:80])
