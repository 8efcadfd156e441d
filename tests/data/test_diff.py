"""What changed between two snapshots is told: rows, schema, distributions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from intakes import intake, simulated, take, text_dataset
from scipy import stats

from cascada.data import diff
from cascada.data.diff import SnapshotDiff, compare
from cascada.data.ingest import take_snapshot
from cascada.data.snapshots import SnapshotRef

FRAME = simulated(2000)


def snapshot(folder: Path, name: str, frame: pl.DataFrame) -> SnapshotRef:
    files = folder / name
    return take_snapshot(
        intake(folder / "data", text_dataset(files, frame), name=name, directory=files, allow_invalid=True)
    )


def difference(folder: Path, after: pl.DataFrame) -> SnapshotDiff:
    return compare(snapshot(folder, "one", FRAME), snapshot(folder, "other", after))


def test_a_snapshot_is_itself(tmp_path: Path) -> None:
    ref = take(tmp_path / "data")
    found = compare(ref, ref)
    assert found.same_content
    assert found.same_rows
    assert (found.only_before, found.only_after, found.common) == (0, 0, ref.rows_kept)
    assert all(column.distance == 0 and column.p_value == 1 and not column.differs for column in found.columns)


def test_rows_that_went_and_came_are_counted(tmp_path: Path) -> None:
    kept = FRAME.filter(pl.col("shower_id") >= 30)
    new = FRAME.head(7).with_columns(pl.col("energy_eev") * 1.01, pl.col("shower_id") + 10**6)
    one, other = snapshot(tmp_path, "one", FRAME), snapshot(tmp_path, "other", pl.concat([kept, new]))
    found = compare(one, other)
    gone = one.rows_kept - (found.common or 0)
    assert found.only_before == gone
    assert 25 <= gone <= 30, "thirty less those in quarantine"
    assert found.only_after == 7
    assert not found.same_rows
    for primary, (before, after) in found.rows_per_primary.items():
        assert (before, after) == (one.rows_per_primary[primary], other.rows_per_primary[primary])


def test_the_order_is_no_change_of_rows(tmp_path: Path) -> None:
    found = difference(tmp_path, FRAME.sample(fraction=1, shuffle=True, seed=1))
    assert (found.same_content, found.same_rows, found.only_before) == (False, True, 0)


def test_the_distance_is_that_of_kolmogorov_and_smirnov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "CHUNK_ROWS", 300)
    one, other = snapshot(tmp_path, "one", FRAME), snapshot(tmp_path, "other", FRAME.with_columns(pl.col("n_mu") * 1.1))
    found = {column.name: column for column in compare(one, other).columns}
    before, after = (pl.read_parquet(ref.path / "showers.parquet")["n_mu"].to_numpy() for ref in (one, other))
    exact = stats.ks_2samp(before, after)
    assert found["n_mu"].distance == pytest.approx(exact.statistic, abs=2e-3)
    assert found["n_mu"].p_value == pytest.approx(
        stats.kstwobign.sf(found["n_mu"].distance * math.sqrt(1000)), rel=0.05
    )
    assert found["n_mu"].mean_after == pytest.approx(after.astype(np.float64).mean())
    assert found["n_mu"].std_before == pytest.approx(before.astype(np.float64).std(), rel=1e-6)
    assert found["energy_eev"].distance == 0


def test_a_shift_is_called_one(tmp_path: Path) -> None:
    found = {c.name: c for c in difference(tmp_path, FRAME.with_columns(pl.col("n_mu") * 2)).columns}
    assert found["n_mu"].differs
    assert not found["zenith_deg"].differs


def test_columns_that_went_and_came_are_named(tmp_path: Path) -> None:
    one = snapshot(tmp_path, "one", FRAME)
    less = one.model_copy(update={"columns": tuple(name for name in one.columns if name != "xmax_g_cm2")})
    assert compare(one, less).removed_columns == ("xmax_g_cm2",)
    assert compare(less, one).added_columns == ("xmax_g_cm2",)
    assert compare(less, one).common is None
