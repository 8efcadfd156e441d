"""What every source returns: a shower table, read lazily in chunks, and where its rows came from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl
from polars.io.plugins import register_io_source

from cascada.errors import SourceError
from cascada.physics.columns import COLUMNS

_READ_AS = {"int64": pl.Int64, "float32": pl.Float64, "str": pl.String, "bool": pl.Boolean}
_ROWS_PER_CHUNK = 4096


@dataclass(frozen=True)
class SourceTable:
    """A table in file order, in canonical units, not yet judged.

    Attributes
    ----------
    frame
        Columns of `cascada.physics.columns.COLUMNS` in their order, numbers in float64; those that the source does
        not have are absent. Lazy: nothing is read before it is collected or sunk, and then chunk by chunk.
    files
        Primary to the file (or generator) that its rows came from, for messages; "" for rows without a label.
    origin
        Facts for the manifest: origin, licence, citation, hashes of the files, or generator and seed.
    tables
        Further tables that belong to the same showers (``truth``, ``stations``), stored beside the first one; nothing
        trains on them.
    """

    frame: pl.LazyFrame
    files: Mapping[str, str]
    origin: Mapping[str, object]
    tables: Mapping[str, pl.LazyFrame] = field(default_factory=dict)


def from_chunks(chunks: Callable[[], Iterator[pl.DataFrame]], columns: Sequence[str]) -> pl.LazyFrame:
    """Make a lazy table of a reader that yields it in pieces.

    Parameters
    ----------
    chunks
        Starts the reading anew; yields frames with exactly `columns`. What it raises reaches the caller of `collect`.
    columns
        Names from `COLUMNS`, in the order of the table.
    """
    return from_typed_chunks(chunks, schema_of(columns))


def from_rows(rows: Callable[[], Iterator[Mapping[str, object]]], columns: Sequence[str]) -> pl.LazyFrame:
    """Make a lazy table of a reader that yields it row by row.

    Parameters
    ----------
    rows
        Starts the reading anew; yields mappings with all of `columns`.
    columns
        Names from `COLUMNS`, in the order of the table.
    """

    def chunks() -> Iterator[pl.DataFrame]:
        left = rows()
        while chunk := list(itertools.islice(left, _ROWS_PER_CHUNK)):
            yield pl.DataFrame(chunk, schema=schema_of(columns))

    return from_chunks(chunks, columns)


def from_typed_chunks(chunks: Callable[[], Iterator[pl.DataFrame]], schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Make a lazy table, with columns of its own, of a reader that yields it in pieces.

    Parameters
    ----------
    chunks
        Starts the reading anew; yields frames with exactly the columns of `schema`.
    schema
        Column to its type, in order.
    """

    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for chunk in chunks():
            # A frame without columns has no rows either: who asks for their number alone gets all columns.
            frame = chunk.select(with_columns) if with_columns else chunk
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    return register_io_source(read, schema=dict(schema), is_pure=True)


@contextmanager
def reading(where: str, kind: str = "a whole table") -> Iterator[None]:
    """Tell what polars finds wrong with a file, while it plans or collects, in the words of the house.

    Parameters
    ----------
    where
        The file, or what else is read.
    kind
        What it should be: "a Parquet file".

    Raises
    ------
    SourceError
        If polars cannot read what it should.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"an input file is not {kind}, or not a whole one", where=where, got=str(error)[:300]) from (
            error
        )


def schema_of(columns: Sequence[str]) -> dict[str, pl.DataType]:
    """List the types that a source gives its columns in."""
    return {name: _READ_AS[COLUMNS[name].dtype]() for name in columns}


def in_order(names: Sequence[str]) -> list[str]:
    """Put names of columns into the order of the shower table; others are left out."""
    return [name for name in COLUMNS if name in names]
