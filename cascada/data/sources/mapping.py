"""The column map: raw columns of any format become the canonical table, by polars expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import polars as pl

from cascada.config import ColumnMap, LabelMap, MappedSource
from cascada.data.sources.files import InputFile, describe_origin, names_for_messages
from cascada.data.sources.table import SourceTable, from_chunks, in_order
from cascada.errors import ConfigError, SourceError, nearest
from cascada.physics.columns import COLUMNS
from cascada.physics.primaries import find_primary
from cascada.physics.units import to_canonical

Chunk = tuple[int, pl.DataFrame]
"""Number of the first row, and raw columns under the names of the map (`raw_name`)."""


def check_map(config: MappedSource) -> None:
    """Check a column map before any file is opened.

    Raises
    ------
    ConfigError
        If it names an unknown canonical column or primary, divides what is no whole number, or a vertical depth has
        no zenith angle.
    SourceError
        If a unit is unknown.
    """
    mappable = [name for name, column in COLUMNS.items() if column.role != "label"]
    for name, entry in config.columns.items():
        if name not in mappable:
            raise ConfigError(
                f"source.columns: {name!r} is no column of the shower table", hint=nearest(name, mappable)
            )
        if entry.floor_divide > 1 and COLUMNS[name].dtype != "int64":
            raise ConfigError(f"source.columns.{name}: floor_divide is for whole numbers, such as group_id")
    for primary in (config.label.values if config.label else {}).values():
        find_primary(primary)
    _expressions(config, "")


def raw_columns(config: MappedSource) -> dict[str, int | str]:
    """Canonical name ("" for the label) to the raw column that it is made of."""
    columns: dict[str, int | str] = {name: entry.column for name, entry in config.columns.items()}
    return columns | ({"": config.label.column} if config.label else {})


def raw_name(column: int | str) -> str:
    """Name a raw column in a chunk, so that position 1 and a column called "1" differ."""
    return f"#{column}" if isinstance(column, int) else column


def find_raw(column: int | str, names: Sequence[str], *, mapped_to: str, where: str, what: str = "columns") -> str:
    """Find a raw column by name or position.

    Raises
    ------
    SourceError
        If the file has none; names the nearest and says how many columns (or branches, by `what`) there are.
    """
    if isinstance(column, int) and 0 <= column < len(names):
        return names[column]
    if column in names:
        return str(column)
    raise SourceError(
        f"column {column!r}, mapped to {mapped_to or 'the label'}, is not in the file",
        where=where,
        got=f"{len(names)} {what}",
        hint=nearest(str(column), names),
    )


def read_mapped(
    config: MappedSource, files: Sequence[InputFile], chunks: Callable[[InputFile], Iterator[Chunk]]
) -> SourceTable:
    """Make the table of a format that is read in chunks.

    Parameters
    ----------
    chunks
        Reads a file from its start, anew at every call.
    """

    def canonical(file: InputFile) -> Iterator[pl.DataFrame]:
        for first_row, raw in chunks(file):
            yield map_raw(config, raw.lazy(), file, first_row=first_row).collect()

    columns = _canonical_columns(config)
    parts = [from_chunks(partial(canonical, file), columns) for file in files]
    return join_files(config, files, parts)


def map_raw(config: MappedSource, raw: pl.LazyFrame, file: InputFile, *, first_row: int = 0) -> pl.LazyFrame:
    """Turn raw columns of one file into canonical ones, lazily but for the checks of ids and labels.

    Parameters
    ----------
    raw
        Columns under the names of the map (`raw_name`).
    first_row
        Number of the first row in the file, for messages.

    Raises
    ------
    SourceError
        If a column has no numbers, an id is no whole number, or a label is not in the map.
    """
    schema = raw.collect_schema()
    for name, entry in config.columns.items():
        _check_type(schema[raw_name(entry.column)], name, entry, file)
        if COLUMNS[name].dtype == "int64":
            _check_whole(raw, schema[raw_name(entry.column)], name, entry, (file, first_row))
    if config.label:
        _check_labels(raw, schema[raw_name(config.label.column)], config.label, (file, first_row))
    return raw.select(_expressions(config, file.primary, schema))


def join_files(config: MappedSource, files: Sequence[InputFile], parts: Sequence[pl.LazyFrame]) -> SourceTable:
    """Put the files below each other, number the showers where no column does, and say where they came from."""
    whole = pl.concat(parts)
    if "shower_id" not in config.columns:
        whole = whole.with_row_index("shower_id").with_columns(pl.col("shower_id").cast(pl.Int64))
    if "group_id" not in config.columns:
        whole = whole.with_columns(pl.col("shower_id").alias("group_id"))
    named = names_for_messages(files)
    if config.label:
        named = dict.fromkeys(config.label.values.values(), named[""])
    return SourceTable(whole.select(in_order(whole.collect_schema().names())), named, describe_origin(config, files))


def _canonical_columns(config: MappedSource) -> list[str]:
    labelled = config.label is not None or isinstance(config.files, Mapping)
    return in_order([*config.columns, *(["primary"] if labelled else [])])


def _expressions(config: MappedSource, primary: str, schema: Mapping[str, pl.DataType] | None = None) -> list[pl.Expr]:
    zenith = None
    if "zenith_deg" in config.columns:
        entry = config.columns["zenith_deg"]
        zenith = to_canonical("zenith_deg", _numbers(entry), entry.unit)
    made = {name: _expression(name, entry, zenith) for name, entry in config.columns.items()}
    if config.label:
        column = raw_name(config.label.column)
        text = _label_text(pl.col(column), schema[column] if schema else pl.String())
        # Not replace_strict, which holds the whole column in memory.
        made["primary"] = pl.coalesce(
            pl.when(text == value).then(pl.lit(name)) for value, name in config.label.values.items()
        )
    elif primary:
        made["primary"] = pl.lit(primary)
    return [made[name].alias(name) for name in in_order(list(made))]


def _expression(name: str, entry: ColumnMap, zenith: pl.Expr | None) -> pl.Expr:
    raw = pl.col(raw_name(entry.column))
    if COLUMNS[name].dtype == "str":
        return raw.cast(pl.String)
    if COLUMNS[name].dtype == "bool":
        return raw.cast(pl.Boolean)
    converted = to_canonical(name, _numbers(entry), entry.unit, zenith_deg=zenith)
    return raw.cast(pl.Int64) // entry.floor_divide if COLUMNS[name].dtype == "int64" else converted


def _numbers(entry: ColumnMap) -> pl.Expr:
    return pl.col(raw_name(entry.column)).cast(pl.Float64)


def _check_type(found: pl.DataType, name: str, entry: ColumnMap, file: InputFile) -> None:
    if COLUMNS[name].dtype == "str" or found.is_numeric() or found in (pl.Boolean, pl.Null):
        return
    raise SourceError(
        f"column {entry.column!r}, mapped to {name}, holds {_in_words(found)} where a number belongs",
        where=str(file.path),
        got=str(found),
    )


def _in_words(found: pl.DataType) -> str:
    return "text" if found in (pl.String, pl.Categorical, pl.Enum, pl.Binary) else "no single numbers"


def _check_whole(
    raw: pl.LazyFrame, found: pl.DataType, name: str, entry: ColumnMap, where: tuple[InputFile, int]
) -> None:
    value = pl.col(raw_name(entry.column))
    if found.is_float() or found.is_decimal():
        # Beyond 2^53 float64 does not tell neighbouring ids apart.
        number = value.cast(pl.Float64)
        bad = ~(number.is_finite() & (number == number.floor()) & (number.abs() < 2**53)).fill_null(False)
    else:
        bad = value.cast(pl.Int64, strict=False).is_null()
    _refuse_first(raw, value, bad, where, f"{name} must be whole numbers", f"integers below 2^63 in {entry.column!r}")


def _check_labels(raw: pl.LazyFrame, found: pl.DataType, label: LabelMap, where: tuple[InputFile, int]) -> None:
    value = pl.col(raw_name(label.column))
    bad = ~_label_text(value, found).is_in(list(label.values)).fill_null(False)
    what = f"column {label.column!r} holds a label that source.label.values does not name"
    _refuse_first(raw, value, bad, where, what, ", ".join(label.values))


def _label_text(value: pl.Expr, found: pl.DataType) -> pl.Expr:
    """Write a label as it stands in a column map: 1.0 as "1", and without the spaces around it."""
    if found.is_float():
        return pl.coalesce(
            pl.when(value == value.floor()).then(value.cast(pl.Int64, strict=False).cast(pl.String)),
            value.cast(pl.String),
        )
    return value.cast(pl.String).str.strip_chars()


def _refuse_first(
    raw: pl.LazyFrame, value: pl.Expr, bad: pl.Expr, where: tuple[InputFile, int], what: str, expected: str
) -> None:
    file, first_row = where
    found = raw.select(value.alias("value"), bad.alias("bad")).with_row_index("row").filter("bad").head(1)
    for row, got, _ in found.collect(engine="streaming").iter_rows():
        raise SourceError(
            what, where=f"{file.path}, data row {first_row + row + 1}", expected=expected, got=repr(got)[:80]
        )
