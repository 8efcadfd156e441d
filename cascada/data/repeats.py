"""Rows that say the same as an earlier row, found in tables that do not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

_ROW = "_row"


def repeated_rows(frame: pl.LazyFrame, columns: Sequence[str]) -> NDArray[np.uint32]:
    """Find the rows whose values in some columns are those of an earlier row.

    A 64-bit hash a row finds the candidates, their values decide; memory is 16 bytes a row and the candidates.

    Parameters
    ----------
    columns
        Columns that are compared; NaN equals NaN, null equals null.

    Returns
    -------
    numpy.ndarray
        Positions in the table, ascending.
    """
    key = pl.struct(*columns).hash()
    hashes = frame.select(key.alias("hash")).collect(engine="streaming")["hash"].to_numpy()
    ordered = np.sort(hashes)
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if shared.size == 0:
        return np.empty(0, np.uint32)
    suspects = np.flatnonzero(np.isin(hashes, shared)).astype(np.uint32)
    listed = frame.with_row_index(_ROW).filter(pl.col(_ROW).is_in(pl.Series(suspects).implode()))
    rows = listed.select(_ROW, *columns).collect(engine="streaming").sort(_ROW)
    return rows.filter(~pl.struct(*columns).is_first_distinct())[_ROW].to_numpy()
