"""A group is never on two sides of a split, and a manifest is what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascada.config import Split
from cascada.data.splits import PARTITIONS, SplitRef, assign, read_split, write_split
from cascada.errors import ArtifactError, ConfigError

FRACTIONS = {"test": 0.2, "calibration": 0.1, "validation": 0.1, "train": 0.6}


def showers(sizes: list[int], primaries: tuple[str, ...] = ("p",)) -> pl.DataFrame:
    """Groups of the given sizes, numbered with gaps, the rows of each scattered over the table."""
    groups = np.repeat(7 * np.arange(len(sizes)), sizes)
    labels = np.resize(np.array(primaries), groups.size)
    frame = pl.DataFrame({"shower_id": np.arange(groups.size), "group_id": groups, "primary": labels})
    return frame.sample(fraction=1, shuffle=True, seed=3)


def sides(manifest: pl.DataFrame) -> dict[int, str]:
    return dict(manifest.select("group_id", "partition").unique().iter_rows())


@given(st.lists(st.integers(1, 6), min_size=20, max_size=80), st.integers(0, 2**31))
def test_a_group_is_on_one_side(sizes: list[int], seed: int) -> None:
    frame = showers(sizes)
    manifest = assign(frame, Split(), seed)
    assert manifest.group_by("group_id").agg(pl.col("partition").n_unique())["partition"].max() == 1
    assert manifest.drop("partition").equals(frame)
    assert set(manifest["partition"]) == set(PARTITIONS)


@given(st.lists(st.integers(1, 6), min_size=20, max_size=200))
def test_fractions_are_those_of_the_groups(sizes: list[int]) -> None:
    held = list(sides(assign(showers(sizes), Split(), 1)).values())
    for partition, fraction in FRACTIONS.items():
        assert abs(held.count(partition) - fraction * len(sizes)) <= 1


@pytest.mark.parametrize("fractions", [(0.1, 0.1, 0.1), (0.05, 0.25, 0.5), (0.3, 0.3, 0.3)])
def test_fractions_are_those_of_the_settings(fractions: tuple[float, float, float]) -> None:
    validation, calibration, test = fractions
    split = Split(validation=validation, calibration=calibration, test=test)
    held = list(sides(assign(showers([1] * 1000), split, 1)).values())
    wanted = {"validation": validation, "calibration": calibration, "test": test, "train": 1 - sum(fractions)}
    assert {name: held.count(name) for name in wanted} == {name: round(1000 * f) for name, f in wanted.items()}


def test_a_seed_decides_and_nothing_else() -> None:
    frame = showers([2] * 100)
    assert assign(frame, Split(), 5).equals(assign(frame, Split(), 5))
    assert sides(assign(frame, Split(), 5)) != sides(assign(frame, Split(), 6))


def test_the_order_of_the_rows_is_no_part_of_the_split() -> None:
    frame = showers([1, 2, 3] * 40)
    assert sides(assign(frame, Split(), 5)) == sides(assign(frame.sort("shower_id", descending=True), Split(), 5))


def test_sides_do_not_follow_the_numbers_of_the_groups() -> None:
    manifest = assign(showers([1] * 2000), Split(), 5)
    middles = manifest.group_by("partition").agg(pl.col("group_id").mean())["group_id"]
    # uniform ids of range R: means of 200 or more vary by less than R / sqrt(12 * 200)
    assert (middles - 7 * 1000).abs().max() < 5 * 7 * 2000 / (12 * 200) ** 0.5


def test_every_side_has_its_share_of_every_primary() -> None:
    frame = showers([1] * 1000).with_columns(
        primary=pl.when(pl.col("group_id") % 50 == 0).then(pl.lit("Fe")).otherwise(pl.lit("p"))
    )
    manifest = assign(frame, Split(), 5)
    iron = manifest.filter(pl.col("primary") == "Fe")["partition"].value_counts()
    assert dict(iron.iter_rows()) == {"test": 4, "calibration": 2, "validation": 2, "train": 12}


def test_groups_of_several_primaries_are_a_stratum_of_their_own() -> None:
    pairs = showers([2] * 100, ("p", "Fe")).with_columns(
        primary=pl.when(pl.col("shower_id") % 2 == 0).then(pl.lit("p")).otherwise(pl.lit("Fe"))
    )
    manifest = assign(pairs, Split(), 5)
    shares = manifest.group_by("partition", "primary").len()
    assert shares.group_by("partition").agg(pl.col("len").n_unique())["len"].to_list() == [1] * 4


def test_a_table_without_labels_is_split_all_the_same() -> None:
    manifest = assign(showers([1] * 100).drop("primary"), Split(), 5)
    assert manifest.columns == ["shower_id", "group_id", "partition"]
    assert dict(manifest["partition"].value_counts().iter_rows()) == {k: round(100 * f) for k, f in FRACTIONS.items()}


def test_a_partition_must_hold_every_primary() -> None:
    label = pl.when(pl.col("group_id") < 21).then(pl.lit("Fe")).otherwise(pl.lit("p"))
    with pytest.raises(ConfigError, match="the validation partition holds no Fe") as caught:
        assign(showers([1] * 100).with_columns(primary=label), Split(), 5)
    assert "100 showers in 100 groups" in caught.value.got
    assert "split" in caught.value.hint


@pytest.mark.parametrize("partition", ["validation", "calibration", "test"])
def test_a_partition_without_a_share_is_refused(partition: str) -> None:
    with pytest.raises(ConfigError, match=f"the {partition} partition holds no Fe, p"):
        assign(showers([2] * 100, ("p", "Fe")), Split.model_validate({partition: 0}), 5)


@pytest.fixture
def written(tmp_path: Path) -> tuple[SplitRef, pl.DataFrame]:
    manifest = assign(showers([3] * 100, ("p", "Fe")), Split(), 5)
    return write_split(manifest, tmp_path / "splits"), manifest


def test_a_manifest_comes_back_as_it_was(written: tuple[SplitRef, pl.DataFrame]) -> None:
    ref, manifest = written
    assert read_split(ref).equals(manifest)
    assert read_split(SplitRef.model_validate_json(ref.model_dump_json())).equals(manifest)
    assert ref.groups == {"test": 20, "calibration": 10, "validation": 10, "train": 60}
    assert ref.rows == {name: 3 * groups for name, groups in ref.groups.items()}
    assert [path.suffix for path in ref.path.parent.iterdir()] == [".parquet"]


def test_the_same_manifest_has_the_same_name(written: tuple[SplitRef, pl.DataFrame]) -> None:
    ref, manifest = written
    assert write_split(manifest, ref.path.parent) == ref
    other = write_split(assign(showers([3] * 100, ("p", "Fe")), Split(), 6), ref.path.parent)
    assert other.path != ref.path
    assert read_split(ref).equals(manifest)


def test_an_altered_manifest_is_refused(written: tuple[SplitRef, pl.DataFrame]) -> None:
    ref, manifest = written
    moved = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("none")).otherwise("partition").alias("partition")
    manifest.with_columns(moved).write_parquet(ref.path)
    with pytest.raises(ArtifactError, match="altered") as caught:
        read_split(ref)
    assert caught.value.expected == ref.content_sha256
    assert str(ref.path) in caught.value.where


def test_a_missing_manifest_is_refused(written: tuple[SplitRef, pl.DataFrame]) -> None:
    ref, _ = written
    ref.path.unlink()
    with pytest.raises(ArtifactError, match="missing") as caught:
        read_split(ref)
    assert "--refresh" in caught.value.hint


def test_a_truncated_manifest_is_refused(written: tuple[SplitRef, pl.DataFrame]) -> None:
    ref, _ = written
    ref.path.write_bytes(ref.path.read_bytes()[:100])
    with pytest.raises(ArtifactError):
        read_split(ref)
