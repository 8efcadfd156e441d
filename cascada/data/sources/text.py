"""Showers from text tables, through a column map."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from cascada.config import TextSource
from cascada.data.sources.files import InputFile, find_files
from cascada.data.sources.mapping import Chunk, check_map, find_raw, raw_columns, raw_name, read_mapped
from cascada.data.sources.table import SourceTable
from cascada.errors import SourceError
from cascada.physics.columns import COLUMNS

CHUNK_ROWS = 100_000
_LOOK_ROWS = 1000
_MISSING = ["nan", "NaN", "NAN", "-nan", "NA", "N/A", "null", "NULL", "None"]
_UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError, pd.errors.ParserError, OverflowError)


def read_text(config: TextSource, directory: Path) -> SourceTable:
    """Open the files of a text source; ``.gz`` files are unpacked while they are read.

    Parameters
    ----------
    config
        Files, column map and units.
    directory
        Folder that holds the files.

    Raises
    ------
    SourceError
        If a file is missing, empty or not a table, or a column or unit is unknown; while the table is collected, if a
        number or an id is none.
    ConfigError
        If the column map names a column that the shower table does not have.
    """
    check_map(config)
    files = find_files(config, directory)
    for file in files:
        next(_pieces(file.path, config, _LOOK_ROWS))
    return read_mapped(config, files, partial(_chunks, config))


def _chunks(config: TextSource, file: InputFile) -> Iterator[Chunk]:
    first_row = 0
    for raw in _pieces(file.path, config, CHUNK_ROWS):
        yield first_row, _typed(raw, config, f"{file.path}", first_row)
        first_row += len(raw)


def _pieces(path: Path, config: TextSource, rows: int) -> Iterator[pd.DataFrame]:
    """Parse a file in pieces of `rows`, the columns that the map names only, under the names of the map."""
    whitespace = config.separator == "whitespace"
    layout: dict[str, Any] = {
        "sep": r"\s+" if whitespace else config.separator,
        "compression": "gzip" if path.suffix == ".gz" else None,
        # Between separators nothing is a missing value; white space cannot hold one, so there the row is too short.
        "na_values": _MISSING if whitespace else [*_MISSING, ""],
        "keep_default_na": False,
    }
    try:
        if config.header:
            # With a header, pandas takes surplus columns for an index and shifts the others; without, it refuses them.
            pd.read_csv(path, header=None, nrows=2, **layout)
        with pd.read_csv(path, header=0 if config.header else None, chunksize=rows, **layout) as reader:
            for raw in reader:
                yield _picked(raw, config, path)
    except pd.errors.EmptyDataError as error:
        raise SourceError("an input file is empty", where=str(path), hint="download it again") from error
    except _UNREADABLE as error:
        raise SourceError("an input file is not a text table", where=str(path), got=str(error)) from error


def _picked(raw: pd.DataFrame, config: TextSource, path: Path) -> pd.DataFrame:
    names = [str(column) for column in raw.columns]
    if raw.empty:
        raise SourceError("an input file holds a header but no rows", where=str(path), hint="download it again")
    if len(names) == 1 and len(raw_columns(config)) > 1:
        raise SourceError(
            "the rows of an input file hold one column",
            where=str(path),
            expected=f"columns separated by {config.separator!r}",
            got=repr(raw.iloc[0, 0])[:80],
            hint="set source.separator",
        )
    raw.columns = pd.Index(names)
    found = {
        raw_name(column): find_raw(column, names, mapped_to=name, where=str(path))
        for name, column in raw_columns(config).items()
    }
    return pd.DataFrame({column: raw[name] for column, name in found.items()})


def _typed(raw: pd.DataFrame, config: TextSource, path: str, first_row: int) -> pl.DataFrame:
    texts = {raw_name(config.label.column)} if config.label else set()
    texts |= {raw_name(entry.column) for name, entry in config.columns.items() if COLUMNS[name].dtype == "str"}
    typed: dict[str, Any] = {}
    for name, column in raw_columns(config).items():
        values = raw[raw_name(column)]
        if raw_name(column) in texts:
            typed[raw_name(column)] = pl.Series(values=values.astype(object).tolist(), strict=False)
        else:
            typed[raw_name(column)] = _numbers(values, f"column {column!r}, mapped to {name},", path, first_row)
    return pl.DataFrame(typed)


def _numbers(values: pd.Series[Any], what: str, path: str, first_row: int) -> pl.Series:
    if pd.api.types.is_numeric_dtype(values):
        return pl.Series(values=values.to_numpy())
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() & values.notna() & (values.astype(str).str.lower() != "nan")
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise SourceError(
            f"{what} holds text where a number belongs",
            where=f"{path}, data row {first_row + row + 1}",
            got=repr(values.iloc[row])[:80],
        )
    return pl.Series(values=numbers.to_numpy(np.float64))
