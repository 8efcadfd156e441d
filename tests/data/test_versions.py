"""Snapshots versioned by a real DVC in a real git repository."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
import yaml
from intakes import take

from cascada.data.snapshots import SnapshotRef
from cascada.data.versions import ensure, read_showers, track
from cascada.errors import ArtifactError

FILES = [
    "DATASHEET.md", "croissant.json", "quarantine.parquet", "showers.parquet", "snapshot.json", "validation.html",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project: a git repository in which DVC has a cache and a remote of its own."""
    for name, value in {
        "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.org", "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org", "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path / "site"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    root.mkdir()
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "start"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def tracked(root: Path, seed: int = 1) -> SnapshotRef:
    return track(take(root / "data", seed=seed), root)


def rows(folder: Path, seed: int = 1) -> pl.DataFrame:
    return pl.read_parquet(take(folder / f"again-{seed}" / "data", seed=seed).path / "showers.parquet")


def remote(root: Path, md5: str) -> Path:
    return root / ".cascada" / "dvc-remote" / "files" / "md5" / md5[:2] / md5[2:]


@pytest.mark.parametrize("valid", [True, False])
def test_the_mark_of_invalid_data_survives(root: Path, valid: bool) -> None:
    taken = take(root / "data")
    card = json.loads((taken.path / "snapshot.json").read_text()) | {"valid": valid}
    (taken.path / "snapshot.json").write_text(json.dumps(card))
    ref = track(taken.model_copy(update={"valid": valid}), root)
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
    assert read_showers(ref, root).equals(rows(root.parent))
    assert sorted(path.name for path in ref.path.iterdir()) == FILES


def test_it_comes_back_from_the_remote_when_the_cache_is_gone(root: Path) -> None:
    ref = tracked(root)
    shutil.rmtree(ref.path)
    shutil.rmtree(root / ".dvc" / "cache")
    assert read_showers(ref, root).equals(rows(root.parent))


def test_every_version_comes_back_to_its_reference(root: Path) -> None:
    refs = {seed: tracked(root, seed) for seed in (1, 2, 3)}
    assert len({ref.dvc_md5 for ref in refs.values()}) == 3
    for seed in (1, 3, 2, 1):
        assert read_showers(refs[seed], root).equals(rows(root.parent, seed))
        card = json.loads((refs[seed].path / "snapshot.json").read_text())
        assert card["content_sha256"] == refs[seed].content_sha256


def test_two_names_do_not_disturb_each_other(root: Path) -> None:
    mine = tracked(root)
    yours = track(take(root / "data", seed=2, name="yours"), root)
    shutil.rmtree(mine.path)
    assert read_showers(mine, root).equals(rows(root.parent, 1))
    assert read_showers(yours, root).equals(rows(root.parent, 2))


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
    ref = take(root / "data")
    shutil.rmtree(ref.path)
    with pytest.raises(ArtifactError) as caught:
        read_showers(ref, root)
    assert "--refresh" in caught.value.hint


def test_a_failed_restore_leaves_the_pointer_of_the_version_on_disk(root: Path) -> None:
    lost = take(root / "data", seed=2)
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
    assert read_showers(ref, root).equals(rows(root.parent))


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
        truncate,
        rename_column,
        Path.unlink,
    ],
    ids=["truncated", "column renamed", "deleted"],
)
def test_a_damaged_file_is_healed(root: Path, damage: object) -> None:
    ref = tracked(root)
    assert callable(damage)
    damage(ref.path / "showers.parquet")
    assert read_showers(ref, root).equals(rows(root.parent))
