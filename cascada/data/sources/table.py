"""What every source returns: a shower table, read lazily in chunks, and where its rows came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from polars.io.plugins import register_io_source

from cascada.physics.columns import COLUMNS

_READ_AS: dict[str, pl.DataType] = {
    "int64": pl.Int64(), "float32": pl.Float64(), "str": pl.String(), "bool": pl.Boolean(),
    "float32[]": pl.List(pl.Float32),
}  # fmt: skip


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

    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for chunk in chunks():
            frame = chunk if with_columns is None else chunk.select(with_columns)
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    return register_io_source(read, schema=schema_of(columns), is_pure=True)


def schema_of(columns: Sequence[str]) -> dict[str, pl.DataType]:
    """List the types that a source gives its columns in."""
    return {name: _READ_AS[COLUMNS[name].dtype] for name in columns}


def in_order(names: Sequence[str]) -> list[str]:
    """Put names of columns into the order of the shower table; others are left out."""
    return [name for name in COLUMNS if name in names]
