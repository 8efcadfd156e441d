"""The state of the code, read from real git repositories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cascada.errors import PlatformError
from cascada.repro.environment import code_state
from cascada.settings import load_settings


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's git configuration, no repository around the folder, no root from outside."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.resolve().parent))
    for name in ("CASCADA_ROOT", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    git(root, "init", "--quiet")
    write(root, "train.py", "epochs = 3\n")
    write(root, ".gitignore", "build/\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    return root


def test_a_clean_work_tree(repository: Path) -> None:
    state = code_state(repository)
    assert state.commit == git(repository, "rev-parse", "HEAD").strip()
    assert (state.dirty, state.changes, state.changes_sha256) == (False, (), "")


def test_a_changed_tracked_file(repository: Path) -> None:
    hashes = []
    for text in ("epochs = 4\n", "epochs = 5\n"):
        write(repository, "train.py", text)
        state = code_state(repository)
        assert (state.dirty, state.changes) == (True, (" M train.py",))
        hashes.append(state.changes_sha256)
    assert hashes[0] != hashes[1]
    assert all(len(digest) == 64 for digest in hashes)
    write(repository, "train.py", "epochs = 3\n")
    assert not code_state(repository).dirty


def test_staging_changes_nothing(repository: Path) -> None:
    write(repository, "train.py", "epochs = 4\n")
    before = code_state(repository)
    git(repository, "add", "--all")
    after = code_state(repository)
    assert (after.dirty, after.changes_sha256) == (True, before.changes_sha256)
    assert after.changes == ("M  train.py",)


def test_untracked_files_count_by_name_and_content(repository: Path) -> None:
    hashes = set()
    for name, text in (("new.py", "1"), ("new.py", "2"), ("newer.py", "2"), ("deep/new.py", "2")):
        write(repository, name, text)
        state = code_state(repository)
        assert (state.dirty, state.changes) == (True, (f"?? {name}",))
        hashes.add(state.changes_sha256)
        (repository / name).unlink()
    assert len(hashes) == 4


def test_untracked_files_count_beside_changed_ones(repository: Path) -> None:
    write(repository, "train.py", "epochs = 4\n")
    before = code_state(repository)
    write(repository, "new.py", "1")
    assert code_state(repository).changes_sha256 != before.changes_sha256


def test_borders_between_untracked_files_count(repository: Path) -> None:
    write(repository, "a", "1")
    write(repository, "b", "2")
    two = code_state(repository).changes_sha256
    (repository / "b").unlink()
    write(repository, "a", "1b\x002")
    assert code_state(repository).changes_sha256 != two


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse names that are not UTF-8")
def test_a_name_that_is_no_text_counts(repository: Path) -> None:
    Path(os.fsdecode(bytes(repository) + b"/\xff.bin")).write_text("1")
    state = code_state(repository)
    assert state.changes == ("?? \\xff.bin",)
    assert len(state.changes_sha256) == 64


def test_ignored_files_do_not_count(repository: Path) -> None:
    write(repository, "build/cache.bin", "1")
    assert not code_state(repository).dirty


def test_fifty_changes_are_listed_and_all_are_hashed(repository: Path) -> None:
    for number in range(60):
        write(repository, f"new{number:02d}.py", "1")
    before = code_state(repository)
    write(repository, "new59.py", "2")
    after = code_state(repository)
    assert len(after.changes) == 50
    assert after.changes == before.changes
    assert after.changes_sha256 != before.changes_sha256


def test_a_new_commit_is_another_state(repository: Path) -> None:
    write(repository, "train.py", "epochs = 4\n")
    before = code_state(repository)
    git(repository, "commit", "--quiet", "--all", "--message", "longer")
    after = code_state(repository)
    assert after.commit != before.commit
    assert not after.dirty


def test_no_commit_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(PlatformError, match="git rev-parse failed") as caught:
        code_state(tmp_path)
    assert "git commit" in caught.value.hint
    assert caught.value.where == str(tmp_path)


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as caught:
        code_state(tmp_path)
    assert "not a git repository" in caught.value.got


def test_settings_find_the_root_from_below(repository: Path) -> None:
    (repository / "deep/down").mkdir(parents=True)
    assert load_settings(repository / "deep/down").root == repository.resolve()
    assert load_settings(repository).home == repository.resolve() / ".cascada"


def test_settings_outside_a_repository(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="not in a git repository") as caught:
        load_settings(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert "git init" in caught.value.hint


def test_the_environment_may_name_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADA_ROOT", str(tmp_path / "elsewhere"))
    assert load_settings(tmp_path).root == tmp_path / "elsewhere"
