"""Showers from text tables, one file a primary, through a column map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from cascada.config import ColumnMap, TextSource
from cascada.data.sources.files import describe_origin, find_files, names_for_messages
from cascada.data.sources.table import SourceTable, in_order
from cascada.errors import ConfigError, SourceError, nearest
from cascada.physics.columns import COLUMNS, to_canonical

_REQUIRED = ("shower_id", "energy_eev", "zenith_deg")


def read_text(config: TextSource, directory: Path) -> SourceTable:
    """Read all files of a text source.

    Parameters
    ----------
    config
        Files, column map and units.
    directory
        Folder that holds the files.

    Raises
    ------
    SourceError
        If a file is missing, empty or not a table of numbers, or a column or unit is unknown.
    ConfigError
        If the column map names a column that the shower table does not have.
    """
    _check_map(config)
    files = find_files(config, directory)
    frames = [_read_file(file.path, config).with_columns(pl.lit(file.primary).alias("primary")) for file in files]
    whole = pl.concat(frames)
    return SourceTable(
        whole.select(in_order(whole.columns)).lazy(), names_for_messages(files), describe_origin(config, files)
    )


def _check_map(config: TextSource) -> None:
    mappable = [name for name, column in COLUMNS.items() if column.role != "label"]
    for name in config.columns:
        if name not in mappable:
            raise ConfigError(
                f"source.columns: {name!r} is no column of the shower table", hint=nearest(name, mappable)
            )
    missing = [name for name in _REQUIRED if name not in config.columns]
    if missing:
        raise ConfigError(f"source.columns: no entry for {', '.join(missing)}", hint="add its position or name")


def _read_file(path: Path, config: TextSource) -> pl.DataFrame:
    raw = _parse(path, config)
    numbers = {name: _numbers(raw, name, entry, path) for name, entry in config.columns.items()}
    zenith = to_canonical(
        "zenith_deg", numbers["zenith_deg"], config.columns["zenith_deg"].unit, zenith_deg=np.empty(0)
    )
    table: dict[str, pl.Series] = {}
    for name, values in numbers.items():
        entry = config.columns[name]
        if COLUMNS[name].dtype == "int64":
            table[name] = pl.Series(_integers(values, name, path) // entry.floor_divide)
        else:
            table[name] = pl.Series(to_canonical(name, values, entry.unit, zenith_deg=zenith))
    table.setdefault("group_id", table["shower_id"])
    return pl.DataFrame(table)


def _parse(path: Path, config: TextSource) -> pd.DataFrame:
    separator = r"\s+" if config.separator == "whitespace" else config.separator
    try:
        raw = pd.read_csv(path, sep=separator, header=0 if config.header else None)
    except pd.errors.EmptyDataError as error:
        raise SourceError("an input file is empty", where=str(path), hint="download it again") from error
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise SourceError("an input file is not a text table", where=str(path), got=str(error)) from error
    if raw.empty:
        raise SourceError("an input file holds a header but no rows", where=str(path), hint="download it again")
    return raw


def _numbers(raw: pd.DataFrame, name: str, entry: ColumnMap, path: Path) -> NDArray[np.float64]:
    if entry.column not in raw.columns:
        names = [str(column) for column in raw.columns]
        raise SourceError(
            f"column {entry.column!r}, mapped to {name}, is not in the file",
            where=str(path),
            got=f"{len(names)} columns",
            hint=nearest(str(entry.column), names),
        )
    values = pd.to_numeric(raw[entry.column], errors="coerce")
    bad = values.isna() & raw[entry.column].notna() & (raw[entry.column].astype(str).str.lower() != "nan")
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise SourceError(
            f"column {entry.column!r}, mapped to {name}, holds text where a number belongs",
            where=f"{path}, data row {row + 1}",
            got=repr(raw[entry.column].iloc[row])[:80],
        )
    return np.asarray(values, np.float64)


def _integers(values: NDArray[np.float64], name: str, path: Path) -> NDArray[np.int64]:
    if not np.all(np.isfinite(values) & (values == np.floor(values))):
        row = int(np.flatnonzero(~(np.isfinite(values) & (values == np.floor(values))))[0])
        raise SourceError(f"{name} must be whole numbers", where=f"{path}, data row {row + 1}", got=str(values[row]))
    return values.astype(np.int64)
