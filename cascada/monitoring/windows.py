"""Windows of the prediction log: the latest events that a model has answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.errors import SourceError
from cascada.registry.bundle import Bundle

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """Events that followed one another.

    Attributes
    ----------
    observables
        Column name to values of shape (n,).
    p_value, in_domain
        What was answered, shape (n,).
    first, last
        When, ISO 8601, UTC.
    """

    observables: dict[str, Floats]
    p_value: Floats
    in_domain: NDArray[np.bool_]
    first: str
    last: str


def read_windows(log: Path, bundle: Bundle, *, size: int, count: int) -> tuple[Window, ...]:
    """Read the latest windows that a bundle has answered, oldest first; fewer where the log holds fewer events.

    Parameters
    ----------
    log
        Folder of the prediction log.
    size
        Events of a window.
    count
        Most windows.

    Raises
    ------
    SourceError
        If a file of the log cannot be read.
    """
    parts: list[pl.DataFrame] = []
    for path in sorted(log.glob("*.parquet"), reverse=True):
        if sum(part.height for part in parts) >= size * count:
            break
        parts.append(_read(path, bundle))
    parts = [part for part in parts if part.height]
    if not parts:
        return ()
    events = pl.concat(parts).sort("time", maintain_order=True)
    number = min(events.height // size, count)
    return tuple(_window(events[-size * i :][:size], bundle) for i in range(number, 0, -1))


def _read(path: Path, bundle: Bundle) -> pl.DataFrame:
    """Read the events of a file; a file of another model has none, and may have other columns."""
    wanted = ("time", *bundle.columns, "p_value", "in_domain")
    try:
        by = pl.read_parquet(path, columns=["model_bundle_sha256"], n_rows=1)["model_bundle_sha256"].cast(pl.String)
        return pl.read_parquet(path, columns=list(wanted)) if bundle.sha256 in by else pl.DataFrame()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError("a file of the prediction log cannot be read", where=str(path), got=str(error)) from error


def _window(events: pl.DataFrame, bundle: Bundle) -> Window:
    first, last = (events["time"][i].isoformat() for i in (0, -1))
    return Window(
        {name: events[name].to_numpy() for name in bundle.columns}, events["p_value"].to_numpy(),
        events["in_domain"].to_numpy(), first, last,
    )  # fmt: skip
