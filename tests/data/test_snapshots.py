"""Snapshots on a real disk, versioned by a real DVC in a real git repository."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
import yaml

from cascada.config import SimulatorSource
from cascada.data.etl import Sieved, sieve
from cascada.data.snapshots import SnapshotRef, content_sha256, ensure, read_showers, track, write_snapshot
from cascada.data.sources.simulator import simulate
from cascada.errors import ArtifactError, SourceError

FILES = ["quarantine.parquet", "showers.parquet", "snapshot.json"]


def sieved(seed: int = 1, showers: int = 200) -> Sieved:
    """Simulated showers, of which five rows are refused."""
    frame = simulate(SimulatorSource(kind="simulator", showers=showers), seed).frame.collect()
    bad = pl.int_range(pl.len()) < 5
    return sieve(frame.with_columns(n_mu=pl.when(bad).then(0.0).otherwise("n_mu")))


def write(folder: Path, rows: Sieved, *, name: str = "mine", valid: bool = True) -> SnapshotRef:
    return write_snapshot(name, rows, folder=folder, origin={"origin": "a test"}, valid=valid)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project: a git repository in which DVC has a cache and a remote of its own."""
    for name, value in {
        "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.org", "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org", "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    root.mkdir()
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "start"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def tracked(root: Path, seed: int = 1) -> SnapshotRef:
    return track(write(root / "data", sieved(seed)), root)


def remote(root: Path, md5: str) -> Path:
    return root / ".cascada" / "dvc-remote" / "files" / "md5" / md5[:2] / md5[2:]


def test_rows_add_up(tmp_path: Path) -> None:
    rows = sieved()
    ref = write(tmp_path, rows)
    card = json.loads((ref.path / "snapshot.json").read_text())
    kept, refused = (pl.read_parquet(ref.path / name) for name in ("showers.parquet", "quarantine.parquet"))
    assert sorted(path.name for path in ref.path.iterdir()) == FILES
    assert (card["rows_in"], card["rows_kept"], card["rows_quarantined"]) == (200, 195, 5)
    assert (kept.height, refused.height) == (195, 5)
    assert card["rows_per_primary"] == dict(kept["primary"].value_counts().iter_rows())
    assert card["reasons"] == {"n_mu outside [1, 1e+12] 1": 5}
    assert kept.equals(rows.kept)
    assert refused.equals(rows.quarantined)


def test_the_card_on_disk_is_the_reference(tmp_path: Path) -> None:
    ref = write(tmp_path, sieved())
    card = json.loads((ref.path / "snapshot.json").read_text())
    assert SnapshotRef.model_validate(card | {"path": ref.path}) == ref
    assert str(tmp_path) not in (ref.path / "snapshot.json").read_text()


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", sieved()), write(tmp_path / "b", sieved())
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
            n_mu=pl.when(pl.int_range(pl.len()) == 194).then(7.0).otherwise("n_mu").cast(pl.Float32)
        ),
    ],
    ids=["order", "a row less", "a column less", "type", "label", "swapped columns", "last value"],
)
def test_the_hash_sees_every_change(change: object) -> None:
    kept = sieved().kept
    assert callable(change)
    assert content_sha256(change(kept)) != content_sha256(kept)


@pytest.mark.parametrize("valid", [True, False])
def test_the_mark_of_invalid_data_survives(root: Path, valid: bool) -> None:
    ref = track(write(root / "data", sieved(), valid=valid), root)
    assert ref.valid is valid
    assert SnapshotRef.model_validate_json(ref.model_dump_json()).valid is valid
    shutil.rmtree(ref.path)
    assert ensure(ref, root).valid is valid
    assert json.loads((ref.path / "snapshot.json").read_text())["valid"] is valid


def test_tracking_pushes_and_returns_the_hash_of_dvc(root: Path) -> None:
    ref = tracked(root)
    (out,) = yaml.safe_load((root / "data" / "mine.dvc").read_text())["outs"]
    assert ref.dvc_md5 == out["md5"]
    listed = json.loads(remote(root, ref.dvc_md5).read_text())
    assert sorted(entry["relpath"] for entry in listed) == FILES
    for entry in listed:
        assert remote(root, entry["md5"]).read_bytes() == (ref.path / entry["relpath"]).read_bytes()


def test_git_sees_the_pointer_and_not_the_data(root: Path) -> None:
    tracked(root)
    status = ["git", "status", "--short", "--untracked-files=all", "data"]
    answer = subprocess.run(status, cwd=root, check=True, capture_output=True, text=True)
    assert answer.stdout.split() == ["??", "data/.gitignore", "??", "data/mine.dvc"]


def test_a_deleted_folder_comes_back(root: Path) -> None:
    ref = tracked(root)
    shutil.rmtree(ref.path)
    assert read_showers(ref, root).equals(sieved().kept)
    assert sorted(path.name for path in ref.path.iterdir()) == FILES


def test_it_comes_back_from_the_remote_when_the_cache_is_gone(root: Path) -> None:
    ref = tracked(root)
    shutil.rmtree(ref.path)
    shutil.rmtree(root / ".dvc" / "cache")
    assert read_showers(ref, root).equals(sieved().kept)


def test_every_version_comes_back_to_its_reference(root: Path) -> None:
    refs = {seed: tracked(root, seed) for seed in (1, 2, 3)}
    assert len({ref.dvc_md5 for ref in refs.values()}) == 3
    for seed in (1, 3, 2, 1):
        assert read_showers(refs[seed], root).equals(sieved(seed).kept)
        card = json.loads((refs[seed].path / "snapshot.json").read_text())
        assert card["content_sha256"] == refs[seed].content_sha256


def test_two_names_do_not_disturb_each_other(root: Path) -> None:
    mine = tracked(root)
    yours = track(write(root / "data", sieved(2), name="yours"), root)
    shutil.rmtree(mine.path)
    assert read_showers(mine, root).equals(sieved(1).kept)
    assert read_showers(yours, root).equals(sieved(2).kept)


def test_a_snapshot_that_is_nowhere_is_refused(root: Path) -> None:
    ref = tracked(root)
    for folder in (ref.path, root / ".dvc" / "cache", root / ".cascada" / "dvc-remote"):
        shutil.rmtree(folder)
    with pytest.raises(ArtifactError, match="neither on disk nor in the DVC cache or remote") as caught:
        read_showers(ref, root)
    assert ref.dvc_md5 in caught.value.where
    assert "--refresh" in caught.value.hint
    assert not ref.path.exists()


def test_a_snapshot_that_was_never_tracked_is_refused(root: Path) -> None:
    ref = write(root / "data", sieved())
    shutil.rmtree(ref.path)
    with pytest.raises(ArtifactError) as caught:
        read_showers(ref, root)
    assert "--refresh" in caught.value.hint


@pytest.mark.xfail(strict=True, reason="the pointer is rewritten before DVC has anything to restore")
def test_a_failed_restore_leaves_the_pointer_of_the_version_on_disk(root: Path) -> None:
    lost = write(root / "data", sieved(2))
    ref = tracked(root)
    pointer = (root / "data" / "mine.dvc").read_text()
    with pytest.raises(ArtifactError):
        read_showers(lost, root)
    assert (root / "data" / "mine.dvc").read_text() == pointer
    assert ref.dvc_md5 in pointer


def poke(file: Path, value: float = 5.0) -> None:
    """Alter one value, as with an editor: in a file of its own that takes the place of the old one."""
    first = pl.int_range(pl.len()) == 0
    altered = pl.read_parquet(file).with_columns(
        n_mu=pl.when(first).then(value).otherwise("n_mu").cast(pl.Float32)
    )  # fmt: skip
    file.unlink()
    altered.write_parquet(file)


def test_an_altered_value_is_healed(root: Path) -> None:
    ref = tracked(root)
    poke(ref.path / "showers.parquet")
    assert read_showers(ref, root).equals(sieved().kept)


def test_an_altered_value_without_a_version_to_go_back_to_is_refused(root: Path) -> None:
    ref = tracked(root)
    poke(ref.path / "showers.parquet")
    for folder in (root / ".dvc" / "cache", root / ".cascada" / "dvc-remote"):
        shutil.rmtree(folder)
    with pytest.raises(ArtifactError):
        read_showers(ref, root)


def test_a_reference_to_other_values_is_refused(root: Path) -> None:
    ref = tracked(root).model_copy(update={"content_sha256": "0" * 64})
    with pytest.raises(ArtifactError, match="the snapshot was altered") as caught:
        read_showers(ref, root)
    assert caught.value.expected == "0" * 64
    assert "--refresh" in caught.value.hint


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def rename_column(file: Path) -> None:
    pl.read_parquet(file).rename({"n_mu": "n_muons"}).write_parquet(file)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(truncate, marks=pytest.mark.xfail(strict=True, raises=pl.exceptions.ComputeError)),
        pytest.param(rename_column, marks=pytest.mark.xfail(strict=True, raises=KeyError)),
        Path.unlink,
    ],
    ids=["truncated", "column renamed", "deleted"],
)
def test_a_damaged_file_is_healed(root: Path, damage: object) -> None:
    ref = tracked(root)
    assert callable(damage)
    damage(ref.path / "showers.parquet")
    assert read_showers(ref, root).equals(sieved().kept)


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


NO_SPACE = (SourceError, pl.exceptions.ComputeError)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with small_disk(folder):
        with pytest.raises(NO_SPACE):
            write(folder, sieved(showers=60_000))
        assert list(folder.iterdir()) == []


def test_a_full_disk_leaves_the_last_snapshot_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with small_disk(folder):
        ref = write(folder, sieved())
        with pytest.raises(NO_SPACE):
            write(folder, sieved(showers=60_000))
        assert [path.name for path in folder.iterdir()] == ["mine"]
        assert read_showers(ref, tmp_path).equals(sieved().kept)


@pytest.mark.xfail(strict=True, raises=pl.exceptions.ComputeError, reason="polars raises ComputeError, not OSError")
def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with small_disk(folder):
        with pytest.raises(SourceError, match="cannot be written") as caught:
            write(folder, sieved(showers=60_000))
        assert "disk" in caught.value.hint


@pytest.mark.xfail(strict=True, raises=OSError, reason="the folders are made outside the try")
def test_a_disk_without_room_for_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with small_disk(folder, "nr_inodes=1"), pytest.raises(SourceError, match="cannot be written"):
        write(folder, sieved())


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path) -> None:
    mine, yours = tmp_path / ".mine.writing-abc", tmp_path / ".yours.writing-abc"
    for leftover in (mine, yours):
        leftover.mkdir()
        (leftover / "showers.parquet").write_bytes(b"half")
    write(tmp_path, sieved())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".yours.writing-abc", "mine"]


def test_a_new_snapshot_replaces_the_old_one_whole(tmp_path: Path) -> None:
    ref = write(tmp_path, sieved())
    (ref.path / "notes.txt").write_text("mine")
    write(tmp_path, sieved(2))
    assert sorted(path.name for path in ref.path.iterdir()) == FILES
