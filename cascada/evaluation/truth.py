"""What is true of the showers of a test partition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.physics.anomalies import NONE

Floats = NDArray[np.float64]

_ENERGY = ("energy_eev", "energy_true_eev", "energy_reco_eev")
_ZENITH = ("zenith_deg", "zenith_true_deg", "zenith_reco_deg")


@dataclass(frozen=True)
class Truth:
    """The truth of n showers.

    Attributes
    ----------
    labels
        Class index, shape (n,), int64.
    groups
        Group of each row, shape (n,), int64: the unit of resampling.
    energy_eev, zenith_deg
        Shape (n,); of the simulation where the tables have it, else as reconstructed, None where neither is known.
    kinds
        Kind of anomaly of each shower (`cascada.physics.anomalies`), shape (n,), ``none`` for ordinary ones; None where
        nothing is known of anomalies.
    """

    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    energy_eev: Floats | None = None
    zenith_deg: Floats | None = None
    kinds: NDArray[np.str_] | None = None

    def ordinary(self) -> NDArray[np.bool_]:
        """Tell which showers are of no anomalous kind, shape (n,)."""
        return np.ones(self.labels.size, np.bool_) if self.kinds is None else np.asarray(self.kinds == NONE)


def take_truth(rows: pl.DataFrame, classes: tuple[str, ...], told: pl.DataFrame | None = None) -> Truth:
    """Take the truth of showers from the rows of a snapshot.

    Parameters
    ----------
    rows
        Rows of one partition, with ``primary``, ``group_id`` and ``shower_id``.
    classes
        Primaries in the order of class indices.
    told
        The snapshot's table ``truth``, when it has one: more columns of the same showers, by ``shower_id``.
    """
    table = rows
    if told is not None:
        more = [name for name in told.columns if name == "shower_id" or name not in rows.columns]
        table = rows.join(told.select(more), on="shower_id", how="left", maintain_order="left")
    index = {name: position for position, name in enumerate(classes)}
    kinds = table["anomaly"].fill_null(NONE).to_numpy().astype(np.str_) if "anomaly" in table.columns else None
    return Truth(
        labels=rows["primary"].replace_strict(index, return_dtype=pl.Int64).to_numpy(),
        groups=rows["group_id"].to_numpy(),
        energy_eev=_first(table, _ENERGY),
        zenith_deg=_first(table, _ZENITH),
        kinds=kinds,
    )


def _first(table: pl.DataFrame, names: tuple[str, ...]) -> Floats | None:
    known = next((name for name in names if name in table.columns), None)
    return None if known is None else table[known].cast(pl.Float64).to_numpy()
