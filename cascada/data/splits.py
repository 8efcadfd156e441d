"""Splits: which rows train, validate, calibrate and test, whole groups at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from cascada.config import Split
from cascada.errors import ArtifactError, ConfigError
from cascada.repro.fingerprint import table_sha256
from cascada.repro.seeds import generator

Partition = Literal["train", "validation", "calibration", "test"]
PARTITIONS: tuple[Partition, ...] = get_args(Partition)


class SplitRef(BaseModel):
    """A reference to the manifest of a split: a parquet file with ``shower_id, group_id, primary, partition``."""

    model_config = ConfigDict(frozen=True)

    path: Path
    content_sha256: str
    rows: dict[str, int]
    groups: dict[str, int]


def assign(frame: pl.DataFrame, config: Split, seed: int) -> pl.DataFrame:
    """Assign every row to a partition, so that a group is never on two sides.

    Returns
    -------
    polars.DataFrame
        ``shower_id, group_id, primary, partition`` in the order of `frame`.

    Raises
    ------
    ConfigError
        If a partition lacks a primary.
    """
    groups = np.unique(frame["group_id"].to_numpy())
    order = generator(seed, "split").permutation(groups.size)
    held_out = np.round(np.cumsum([config.test, config.calibration, config.validation]) * groups.size).astype(int)
    names = np.full(groups.size, "train", dtype=object)
    for name, start, stop in zip(("test", "calibration", "validation"), (0, *held_out), held_out, strict=False):
        names[order[start:stop]] = name
    partition = names[np.searchsorted(groups, frame["group_id"].to_numpy())]
    manifest = frame.select("shower_id", "group_id", "primary").with_columns(
        pl.Series("partition", partition, dtype=pl.String)
    )
    _check(manifest)
    return manifest


def _check(manifest: pl.DataFrame) -> None:
    primaries = set(manifest["primary"].unique())
    for partition in PARTITIONS:
        lacking = primaries - set(manifest.filter(pl.col("partition") == partition)["primary"].unique())
        if lacking:
            raise ConfigError(
                f"the {partition} partition holds no {', '.join(sorted(lacking))}",
                expected="every primary in every partition",
                got=f"{manifest.height} showers in {manifest['group_id'].n_unique()} groups",
                hint="bring more showers, or larger fractions in `split`",
            )


def write_split(manifest: pl.DataFrame, folder: Path) -> SplitRef:
    """Write the manifest of a split under its own hash."""
    digest = table_sha256({name: manifest[name].to_numpy() for name in manifest.columns}, {})
    path = folder / f"{digest[:16]}.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".writing")
    manifest.write_parquet(partial)
    partial.rename(path)
    counts = (
        manifest.group_by("partition").agg(pl.len(), pl.col("group_id").n_unique().alias("groups")).sort("partition")
    )
    return SplitRef(
        path=path,
        content_sha256=digest,
        rows=dict(counts.select("partition", "len").iter_rows()),
        groups=dict(counts.select("partition", "groups").iter_rows()),
    )


def read_split(ref: SplitRef) -> pl.DataFrame:
    """Read a manifest and check its hash.

    Raises
    ------
    ArtifactError
        If the file is missing or was altered.
    """
    if not ref.path.exists():
        raise ArtifactError("the split manifest is missing", where=str(ref.path), hint="train again with --refresh")
    manifest = pl.read_parquet(ref.path)
    found = table_sha256({name: manifest[name].to_numpy() for name in manifest.columns}, {})
    if found != ref.content_sha256:
        raise ArtifactError(
            "the split manifest was altered", where=str(ref.path), expected=ref.content_sha256, got=found
        )
    return manifest
