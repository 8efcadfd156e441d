"""The repaired CORSIKA showers of the open five-class benchmark, for fits and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cascada.config import load_experiment
from cascada.data.etl import difference_running_sums
from cascada.data.sources import read_source
from cascada.physics.columns import COLUMNS, OBSERVABLES

REPOSITORY = Path(__file__).resolve().parents[1]
EXPERIMENT = REPOSITORY / "flows/experiments/composition.yaml"


@dataclass(frozen=True)
class Showers:
    """Columns of one primary, each of shape (n,)."""

    group_id: NDArray[np.int64]
    energy_eev: NDArray[np.float64]
    zenith_deg: NDArray[np.float64]
    xmax_g_cm2: NDArray[np.float64]
    n_mu: NDArray[np.float64]
    n_em: NDArray[np.float64]

    def select(self, mask: NDArray[np.bool_]) -> Showers:
        """Take the showers where `mask` holds."""
        return Showers(*(getattr(self, field.name)[mask] for field in fields(self)))


def load_showers(folder: Path) -> dict[str, Showers]:
    """Read the benchmark, undo its running sums and drop the rows outside the ranges of the shower table."""
    source = read_source(
        load_experiment(EXPERIMENT, catalog=REPOSITORY / "data/catalog.yaml").source,
        directory=folder,
        seed=0,
        threads=1,
    )
    frame = difference_running_sums(source.frame.collect())
    present = [COLUMNS[name] for name in OBSERVABLES if name in frame.columns]
    frame = frame.filter(pl.all_horizontal(pl.col(c.name).is_between(c.minimum, c.maximum) for c in present))
    names = [field.name for field in fields(Showers)]
    return {
        str(primary): Showers(*(part[name].to_numpy() for name in names))
        for (primary,), part in frame.group_by("primary", maintain_order=True)
    }
