"""Snapshots as a user takes them: from files, through the suites of the repository."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from projects import REPOSITORY

from cascada.config import ColumnMap, Dataset, SimulatorSource, TextSource
from cascada.data.ingest import Intake, take_snapshot
from cascada.data.snapshots import SnapshotRef
from cascada.data.sources import read_source

SUITES = REPOSITORY / "expectations"
COLUMNS = ("shower_id", "primary", "energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2")
UNITS = {"energy_eev": "EeV", "zenith_deg": "deg", "xmax_g_cm2": "g/cm2"}
PRIMARIES = ("photon", "p", "He", "N", "Fe")


def simulated(showers: int, seed: int = 1) -> pl.DataFrame:
    """Simulated showers, in memory; the deepest photons are lifted into the range that suites let pass."""
    source = SimulatorSource(kind="simulator", showers=showers)
    frame = read_source(source, directory=None, seed=seed, threads=2).frame.collect()
    return frame.with_columns(pl.col("xmax_g_cm2").clip(upper_bound=1590.0))


def text_dataset(folder: Path, frame: pl.DataFrame) -> Dataset:
    """Write a table as text files, one a primary, and return what reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PRIMARIES:
        part = frame.filter(pl.col("primary") == name).select(c for c in COLUMNS if c != "primary")
        part.write_csv(folder / f"{name}.txt", separator=" ", include_header=False)
    names = [name for name in COLUMNS if name != "primary"]
    columns = {name: ColumnMap(column=i, unit=UNITS.get(name, "1")) for i, name in enumerate(names)}
    files = {name: f"{name}.txt" for name in PRIMARIES}
    return Dataset(source=TextSource(kind="text", origin="a test", files=files, columns=columns))


def intake(
    data: Path, dataset: Dataset, *, name: str = "mine", directory: Path | None = None, **more: object
) -> Intake:
    settings = {"seed": 1, "threads": 2, "suites": SUITES} | more
    return Intake(dataset, name=name, data=data, directory=directory, **settings)  # type: ignore[arg-type]


def take(data: Path, *, showers: int = 400, seed: int = 1, name: str = "mine", **more: object) -> SnapshotRef:
    """Take a snapshot of simulated showers of which two are refused, read from text files beside it."""
    frame = simulated(showers, seed)
    bad = pl.int_range(pl.len()) < 2
    files = data.parent / "files"
    dataset = text_dataset(files, frame.with_columns(n_mu=pl.when(bad).then(0.0).otherwise("n_mu")))
    return take_snapshot(intake(data, dataset, name=name, directory=files, **more))
