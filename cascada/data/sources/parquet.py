"""Showers from Parquet files, through a column map: a plan that polars optimises and streams, nothing more."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from cascada.config import ParquetSource
from cascada.data.sources.files import InputFile, find_files
from cascada.data.sources.mapping import check_map, find_raw, join_files, map_raw, raw_columns, raw_name
from cascada.data.sources.table import SourceTable, reading


def read_parquet(config: ParquetSource, directory: Path) -> SourceTable:
    """Open the files of a Parquet source.

    Only the footers are read, and once the columns of ids and labels that need a check. What is wrong with the values
    further in is told by polars when the table is collected: see `reading`.

    Raises
    ------
    SourceError
        If a file is missing or is no whole Parquet file, a column or unit is unknown, a column holds no numbers, an id
        is no whole number or a label is not in the map.
    ConfigError
        If the column map names a column that the shower table does not have.
    """
    check_map(config)
    files = find_files(config, directory)
    return join_files(config, files, [_open(file, config) for file in files])


def _open(file: InputFile, config: ParquetSource) -> pl.LazyFrame:
    with reading(str(file.path), "a Parquet file"):
        scan = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
        names = scan.collect_schema().names()
        found = {
            raw_name(column): find_raw(column, names, mapped_to=name, where=str(file.path))
            for name, column in raw_columns(config).items()
        }
        return map_raw(config, scan.select(pl.col(name).alias(column) for column, name in found.items()), file)
