"""A work tree, however dirty, comes back from its record: every file, byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import git, repository, write

from cascada.errors import ArtifactError, PlatformError
from cascada.repro.code import capture_code, is_clean_copy, restore_code
from cascada.repro.environment import CodeState, code_state


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return repository(tmp_path / "work", {"train.py": "epochs = 3\n", "old.py": "gone = 1\n", "data.txt": "1\n2\n"})


def contents(root: Path) -> dict[str, bytes]:
    files = (p for p in root.rglob("*") if p.is_file() and ".git/" not in f"{p.relative_to(root)}/")
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


def round_trip(work: Path) -> tuple[CodeState, Path]:
    kept, target = work.parent / "kept", work.parent / "again"
    state = capture_code(work, kept)
    restore_code(kept, state, target, repository=work)
    return state, target


def test_a_clean_tree_comes_back_and_keeps_nothing(work: Path) -> None:
    state, target = round_trip(work)
    assert contents(target) == contents(work)
    assert is_clean_copy(target, state)
    assert not (work.parent / "kept").exists()


def test_every_kind_of_change_comes_back(work: Path) -> None:
    write(work, "train.py", "epochs = 4   \r\n")
    (work / "old.py").unlink()
    write(work, "deep/new.py", "new = 1\n")
    write(work, "added.py", "staged = 1\n")
    git(work, "add", "added.py")
    (work / "bytes.bin").write_bytes(bytes(range(256)))
    git(work, "add", "bytes.bin")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    state, target = round_trip(work)
    assert contents(target) == contents(work)
    assert is_clean_copy(target, state)
    assert set(state.untracked) == {"deep/new.py", "run.sh"}
    assert (target / "run.sh").stat().st_mode & 0o100
    assert not (target / "deep/new.py").stat().st_mode & 0o100


def test_nobodys_configuration_changes_the_kept_difference(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(work, "train.py", "epochs = 4\n")
    plain = capture_code(work, work.parent / "plain").diff_sha256
    settings = {
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "color.diff": "always",
        "diff.external": "false",
    }
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for index, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{index}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{index}", value)
    assert capture_code(work, work.parent / "configured").diff_sha256 == plain


def test_a_commit_that_no_branch_holds_any_more_is_found(work: Path) -> None:
    state = capture_code(work, work.parent / "kept")
    write(work, "train.py", "rewritten\n")
    git(work, "commit", "--quiet", "--all", "--amend", "--message", "another history")
    restore_code(work.parent / "kept", state, work.parent / "again", repository=work)
    assert (work.parent / "again" / "train.py").read_text() == "epochs = 3\n"


def test_a_missing_commit_is_named(work: Path, tmp_path: Path) -> None:
    state = code_state(work).model_copy(update={"commit": "0123456789" * 4})
    with pytest.raises(ArtifactError, match="the commit 012345678901 is not in the repository") as caught:
        restore_code(tmp_path, state, tmp_path / "again", repository=work)
    assert "history was rewritten" in caught.value.hint


@pytest.mark.parametrize("damage", ["altered", "gone"])
@pytest.mark.parametrize("name", ["changes.diff", "untracked.tar.gz"])
def test_damaged_changes_are_refused(work: Path, name: str, damage: str) -> None:
    write(work, "train.py", "epochs = 4\n")
    write(work, "new.py", "new = 1\n")
    state = capture_code(work, work.parent / "kept")
    path = work.parent / "kept" / name
    path.write_bytes(path.read_bytes()[:-20]) if damage == "altered" else path.unlink()
    with pytest.raises(ArtifactError, match=r"missing or altered|cannot be read"):
        restore_code(path.parent, state, work.parent / "again", repository=work)


def test_an_exchanged_archive_is_refused(work: Path) -> None:
    write(work, "new.py", "new = 1\n")
    state = capture_code(work, work.parent / "kept")
    write(work, "new.py", "new = 2\n")
    capture_code(work, work.parent / "kept")
    with pytest.raises(ArtifactError, match="missing or altered"):
        restore_code(work.parent / "kept", state, work.parent / "again", repository=work)


def test_changes_of_another_commit_do_not_apply(work: Path) -> None:
    write(work, "train.py", "epochs = 4\n")
    state = capture_code(work, work.parent / "kept")
    write(work, "train.py", "something = 'else'\n")
    git(work, "commit", "--quiet", "--all", "--message", "else")
    other = state.model_copy(update={"commit": git(work, "rev-parse", "HEAD").strip()})
    with pytest.raises(ArtifactError, match="do not apply") as caught:
        restore_code(work.parent / "kept", other, work.parent / "again", repository=work)
    assert "train.py" in caught.value.got


def test_large_untracked_files_are_named_and_not_kept(work: Path) -> None:
    (work / "weights.bin").write_bytes(bytes(10 * 2**20 + 1))
    state = capture_code(work, work.parent / "kept")
    assert list(state.omitted) == ["weights.bin"]
    assert state.omitted["weights.bin"].startswith("10485761 bytes, sha256 ")
    assert state.untracked == {}


def test_data_and_outputs_are_no_code(work: Path) -> None:
    write(work, "results/new.txt", "1")
    write(work, "results.txt", "1")
    state = capture_code(work, work.parent / "kept", aside=["results"])
    assert set(state.untracked) == {"results.txt"}
    assert state.changes == ("?? results.txt",)


@pytest.mark.parametrize("name", ["train.py", "settings.env"])
def test_a_secret_in_the_changes_is_refused(work: Path, name: str) -> None:
    write(work, name, "key = 'correct-horse'\n")
    with pytest.raises(PlatformError, match=r"hold.* a password, key or token") as caught:
        capture_code(work, work.parent / "kept", secrets=["correct-horse"])
    assert "correct-horse" not in str(caught.value)
    assert not any((work.parent / "kept").iterdir())
