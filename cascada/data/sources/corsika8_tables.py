"""The Parquet tables of a CORSIKA 8 folder, shower by shower in bounded pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascada.errors import SourceError, nearest

_BATCH_ROWS = 65_536


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    """Read columns of a Parquet table shower by shower, each shower in bounded pieces.

    Yields
    ------
    tuple
        Number of the shower, and some of its rows by column. Numbers never decrease.

    Raises
    ------
    SourceError
        While iterating: if the file or a column is missing, or holds what no number is.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, columns, path)
            last = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=["shower", *columns]):
                for shower, rows in _parts(
                    {name: _numbers(batch.column(name), name, path) for name in batch.schema.names}
                ):
                    if shower < last:
                        raise SourceError("the showers of a table are not in order", where=str(path), got=f"{shower}")
                    last = shower
                    yield shower, rows
    except FileNotFoundError as error:
        raise missing_module(path) from error
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise SourceError(
            "a table of CORSIKA 8 cannot be read", where=str(path), got=str(error)[:200], hint="copy it again"
        ) from error


def _check_columns(present: Sequence[str], columns: Sequence[str], path: Path) -> None:
    for name in ("shower", *columns):
        if name not in present:
            raise SourceError(
                f"a table of CORSIKA 8 has no column {name!r}",
                where=str(path),
                got=", ".join(present),
                hint=nearest(name, present),
            )


def _numbers(column: Any, name: str, path: Path) -> NDArray[Any]:
    values = column.to_numpy(zero_copy_only=False)  # nulls become NaN
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise SourceError(f"column {name!r} holds what no number is", where=str(path), hint="copy the folder again")
    return np.asarray(values)


def _parts(table: dict[str, NDArray[Any]]) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    shower = table.pop("shower").astype(np.int64)
    starts = np.flatnonzero(np.diff(shower, prepend=shower[:1] - 1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(shower)], strict=True):
        yield int(shower[start]), {name: values[start:stop] for name, values in table.items()}


def missing_module(path: Path) -> SourceError:
    """Say that a folder lacks the file of a module, and what it has."""
    folder = path.parent.parent
    present = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    return SourceError(
        f"the folder has no {path.parent.name}/{path.name}",
        where=str(folder),
        expected="the output folder of CORSIKA 8 with the modules particles and profile",
        got=f"modules {', '.join(present)}" if present else "no modules",
        hint=nearest(path.parent.name, present) if present else "give the folder that holds particles and profile",
    )
