"""Splits: which rows train, validate, calibrate and test, whole groups at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from cascada.config import Split
from cascada.errors import ArtifactError, ConfigError
from cascada.repro.seeds import generator
from cascada.repro.tables import table_sha256

Partition = Literal["train", "validation", "calibration", "test"]
PARTITIONS: tuple[Partition, ...] = get_args(Partition)


_ANEW = "train again with --refresh"


class SplitRef(BaseModel):
    """A reference to the manifest of a split: a parquet file with ``shower_id, group_id, primary, partition``."""

    model_config = ConfigDict(frozen=True)

    path: Path
    content_sha256: str
    rows: dict[str, int]
    groups: dict[str, int]


def assign(frame: pl.DataFrame, config: Split, seed: int) -> pl.DataFrame:
    """Assign every row to a partition: a group is never on two sides, and every side has its share of every stratum.

    A stratum is all groups that hold the same primaries; a table without labels is one stratum.

    Returns
    -------
    polars.DataFrame
        ``shower_id, group_id, partition``, and ``primary`` where the table has it, in the order of `frame`.

    Raises
    ------
    ConfigError
        If a partition lacks a primary.
    """
    groups = _strata(frame)
    rng = generator(seed, "split")
    sides = np.full(groups.height, PARTITIONS.index("train"), np.uint8)
    for (_,), stratum in groups.with_row_index("row").group_by("stratum", maintain_order=True):
        rows = rng.permutation(stratum["row"].to_numpy())
        held_out = np.round(np.cumsum([config.test, config.calibration, config.validation]) * rows.size).astype(int)
        for name, start, stop in zip(_HELD_OUT, (0, *held_out), held_out, strict=False):
            sides[rows[start:stop]] = PARTITIONS.index(name)
    side = sides[np.searchsorted(groups["group_id"].to_numpy(), frame["group_id"].to_numpy())]
    names = pl.Series("partition", side).replace_strict(range(len(PARTITIONS)), PARTITIONS, return_dtype=pl.String)
    manifest = frame.select(c for c in ("shower_id", "group_id", "primary") if c in frame.columns).with_columns(names)
    if "primary" in manifest.columns:
        _check(manifest)
    return manifest


_HELD_OUT: tuple[Partition, ...] = ("test", "calibration", "validation")


def _strata(frame: pl.DataFrame) -> pl.DataFrame:
    """List the groups, sorted, each with the primaries that it holds."""
    if "primary" not in frame.columns:
        return frame.select(pl.col("group_id").unique().sort(), stratum=pl.lit(""))
    held = pl.col("primary").unique().sort().str.join(" ").alias("stratum")
    return frame.lazy().group_by("group_id").agg(held).sort("group_id").collect(engine="streaming")


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
    digest = table_sha256(manifest, {})
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
        raise ArtifactError("the split manifest is missing", where=str(ref.path), hint=_ANEW)
    try:
        manifest = pl.read_parquet(ref.path)
        found = table_sha256(manifest, {})
    except pl.exceptions.PolarsError as error:
        raise ArtifactError("the split manifest is damaged", where=str(ref.path), got=str(error), hint=_ANEW) from error
    if found != ref.content_sha256:
        raise ArtifactError(
            "the split manifest was altered", where=str(ref.path), expected=ref.content_sha256, got=found, hint=_ANEW
        )
    return manifest
