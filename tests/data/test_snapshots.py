"""A snapshot appears whole or not at all, and every row that came in is in it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from intakes import intake, simulated, take, text_dataset

from cascada.config import Dataset, SimulatorSource
from cascada.data import ingest, quality
from cascada.data.ingest import take_snapshot
from cascada.data.snapshots import SnapshotRef, content_sha256, is_intact, open_snapshot, scan_showers
from cascada.data.validation import ValidationReport
from cascada.errors import ArtifactError, InvalidDataError, SourceError

FILES = [
    "DATASHEET.md", "croissant.json", "quarantine.parquet", "showers.parquet", "snapshot.json", "validation.html",
]  # fmt: skip


def test_rows_add_up(tmp_path: Path) -> None:
    ref = take(tmp_path / "data")
    card = json.loads((ref.path / "snapshot.json").read_text())
    kept, refused = (pl.read_parquet(ref.path / name) for name in ("showers.parquet", "quarantine.parquet"))
    assert sorted(path.name for path in ref.path.iterdir()) == FILES
    assert (card["rows_in"], card["rows_kept"], card["rows_quarantined"]) == (400, 398, 2)
    assert (kept.height, refused.height) == (398, 2)
    assert card["rows_per_primary"] == dict(kept["primary"].value_counts().iter_rows())
    assert card["reasons"] == {"n_mu outside [1, 1e+12] 1": 2}
    assert refused["n_mu"].to_list() == [0.0, 0.0]
    came_in = simulated(400)
    assert sorted(kept["shower_id"].to_list() + refused["shower_id"].to_list()) == came_in["shower_id"].to_list()
    kept_ids = kept["shower_id"]
    energies = dict(came_in.select("shower_id", pl.col("energy_eev").cast(pl.Float32)).iter_rows())
    assert kept["energy_eev"].to_list() == [energies[shower] for shower in kept_ids]


def test_the_card_on_disk_is_the_reference(tmp_path: Path) -> None:
    ref = take(tmp_path / "data")
    assert open_snapshot(ref.path) == ref
    assert SnapshotRef.model_validate_json(ref.model_dump_json()) == ref
    assert str(tmp_path) not in (ref.path / "snapshot.json").read_text()


def test_a_folder_without_a_card_is_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no snapshot"):
        open_snapshot(tmp_path)
    (tmp_path / "snapshot.json").write_text("{")
    with pytest.raises(ArtifactError, match="holds no snapshot"):
        open_snapshot(tmp_path)


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    one, other = take(tmp_path / "a" / "data"), take(tmp_path / "b" / "data")
    assert one.content_sha256 == other.content_sha256
    assert [(one.path / name).read_bytes() for name in FILES] == [(other.path / name).read_bytes() for name in FILES]


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.reverse(),
        lambda frame: frame.head(-1),
        lambda frame: frame.drop("xmax_g_cm2"),
        lambda frame: frame.with_columns(pl.col("n_mu").cast(pl.Float64)),
        lambda frame: frame.with_columns(primary=pl.col("primary").replace("p", "He")),
        lambda frame: frame.with_columns(n_em=pl.col("n_mu"), n_mu=pl.col("n_em")),
        lambda frame: frame.with_columns(
            n_mu=pl.when(pl.int_range(pl.len()) == pl.len() - 1).then(7.0).otherwise("n_mu").cast(pl.Float32)
        ),
    ],
    ids=["order", "a row less", "a column less", "type", "label", "swapped columns", "last value"],
)
def test_the_hash_sees_every_change(tmp_path: Path, change: object) -> None:
    kept = scan_showers(take(tmp_path / "data")).collect()
    assert callable(change)
    assert content_sha256(change(kept).lazy()) != content_sha256(kept.lazy())


def test_rows_in_another_order_are_the_same_rows(tmp_path: Path) -> None:
    frame = simulated(400)
    refs = []
    for name, table in (("one", frame), ("other", frame.sample(fraction=1, shuffle=True, seed=2))):
        files = tmp_path / name
        refs.append(take_snapshot(
            intake(tmp_path / "data", text_dataset(files, table), name=name, directory=files)
        ))  # fmt: skip
    assert refs[0].content_sha256 != refs[1].content_sha256
    assert refs[0].unordered_sha256 == refs[1].unordered_sha256


def test_chunks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = take(tmp_path / "a" / "data")
    for module in (quality, ingest):
        monkeypatch.setattr(f"{module.__name__}.CHUNK_ROWS", 61, raising=False)
    monkeypatch.setattr("cascada.data.snapshots.CHUNK_ROWS", 61)
    monkeypatch.setattr("cascada.data.validation.CHUNK_ROWS", 61)
    cut = take(tmp_path / "b" / "data")
    assert cut.card == whole.card
    assert (cut.path / "validation.html").read_text() == (whole.path / "validation.html").read_text()


def test_a_refused_table_leaves_nothing(tmp_path: Path) -> None:
    summed = simulated(400).with_columns(pl.col("n_mu").cum_sum().over("primary"))
    dataset = text_dataset(tmp_path / "files", summed)
    reports: list[ValidationReport] = []
    with pytest.raises(InvalidDataError, match="raw_showers"):
        take_snapshot(intake(tmp_path / "data", dataset, directory=tmp_path / "files"), on_report=reports.append)
    assert [report.passed for report in reports] == [False]
    assert list((tmp_path / "data").iterdir()) == []


def test_what_is_allowed_in_spite_of_its_suite_is_marked(tmp_path: Path) -> None:
    summed = simulated(400).with_columns(pl.col("n_mu").cum_sum().over("primary"))
    dataset = text_dataset(tmp_path / "files", summed)
    ref = take_snapshot(intake(tmp_path / "data", dataset, directory=tmp_path / "files", allow_invalid=True))
    assert not ref.valid
    assert not open_snapshot(ref.path).valid
    assert "a suite refused these data" in (ref.path / "validation.html").read_text()


def test_the_page_shows_every_rule_and_every_reason(tmp_path: Path) -> None:
    reports: list[ValidationReport] = []
    frame = simulated(400)
    bad = pl.int_range(pl.len()) < 2
    dataset = text_dataset(tmp_path / "files", frame.with_columns(n_mu=pl.when(bad).then(0.0).otherwise("n_mu")))
    ref = take_snapshot(
        intake(tmp_path / "data", dataset, directory=tmp_path / "files"), on_report=reports.append
    )  # fmt: skip
    page = (ref.path / "validation.html").read_text()
    assert [report.suite for report in reports] == ["raw_showers", "training_showers"]
    for outcome in (outcome for report in reports for outcome in report.outcomes):
        assert outcome.subject in page
    assert "n_mu outside [1, 1e+12] 1" in page
    assert "http" not in page, "readable offline"


def test_a_table_with_no_good_row_is_refused(tmp_path: Path) -> None:
    dataset = text_dataset(tmp_path / "files", simulated(400).with_columns(n_mu=pl.lit(0.0)))
    with pytest.raises(SourceError, match="no row is left") as caught:
        take_snapshot(intake(tmp_path / "data", dataset, directory=tmp_path / "files", allow_invalid=True))
    assert "'n_mu outside [1, 1e+12] 1': 400" in caught.value.got
    assert list((tmp_path / "data").iterdir()) == []


def test_progress_counts_every_row_of_every_stage(tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int | None]] = {}
    dataset = Dataset(source=SimulatorSource(kind="simulator", showers=20_000))
    take_snapshot(
        intake(tmp_path / "data", dataset),
        on_progress=lambda stage, rows, total: seen.update({stage: (rows, total)}),
    )
    reading, validating, writing = seen["reading"], seen["validating by raw_showers"], seen["writing"]
    assert reading == validating == (20_000, 20_000)
    assert writing == (open_snapshot(tmp_path / "data" / "mine").rows_kept, 20_000)


@contextmanager
def small_disk(folder: Path, options: str = "size=1m") -> Iterator[None]:
    folder.mkdir(parents=True)
    answer = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if answer.returncode != 0:
        pytest.skip(f"mounting a small disk is not permitted here: {answer.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def take_many(folder: Path) -> SnapshotRef:
    dataset = Dataset(source=SimulatorSource(kind="simulator", showers=60_000))
    return take_snapshot(intake(folder, dataset))


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with small_disk(folder):
        with pytest.raises(SourceError, match="cannot be written") as caught:
            take_many(folder)
        assert "disk" in caught.value.hint
        assert list(folder.iterdir()) == []


def test_a_full_disk_leaves_the_last_snapshot_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with small_disk(folder):
        ref = take(folder)
        with pytest.raises(SourceError):
            take_many(folder)
        assert [path.name for path in folder.iterdir()] == ["mine"]
        assert is_intact(ref)


def test_a_disk_without_room_for_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with small_disk(folder, "nr_inodes=1"), pytest.raises(SourceError, match="cannot be written"):
        take(folder)


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for leftover in (data / ".mine.writing-abc", data / ".yours.writing-abc"):
        leftover.mkdir(parents=True)
        (leftover / "showers.parquet").write_bytes(b"half")
    take(data)
    assert sorted(path.name for path in data.iterdir()) == [".yours.writing-abc", "mine"]


def test_a_run_killed_while_it_replaced_a_snapshot_loses_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    ref = take(data)
    ref.path.rename(data / ".mine.replaced-abc")
    with pytest.raises(InvalidDataError):
        take(data, showers=30)
    assert is_intact(ref)


def test_a_new_snapshot_replaces_the_old_one_whole(tmp_path: Path) -> None:
    ref = take(tmp_path / "data")
    (ref.path / "notes.txt").write_text("mine")
    other = take(tmp_path / "data", seed=2)
    assert sorted(path.name for path in ref.path.iterdir()) == FILES
    assert is_intact(other)
    assert not is_intact(ref)
    shutil.rmtree(ref.path)
    assert not is_intact(other)
