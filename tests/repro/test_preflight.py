"""Machine and repository before a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from repositories import git, repository, write

from cascada.repro.preflight import check_machine, check_repository, variables


def rules(root: Path) -> list[str]:
    return [one.rule for one in check_repository(root).findings]


def test_a_clean_repository(tmp_path: Path) -> None:
    assert rules(repository(tmp_path / "work", {"a.py": "x = 1\n"})) == []


def test_no_repository_and_no_commit(tmp_path: Path) -> None:
    (one,) = check_repository(tmp_path).findings
    assert (one.rule, one.severity.name) == ("P301", "error")
    git(tmp_path, "init", "--quiet")
    assert rules(tmp_path) == ["P301"]


def test_uncommitted_changes(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"a.py": "x = 1\n"})
    write(root, "b.py", "")
    (one,) = check_repository(root).findings
    assert (one.rule, one.message) == ("P302", "1 uncommitted changes: ?? b.py")


def test_submodules(tmp_path: Path) -> None:
    other = repository(tmp_path / "other", {"b.py": ""})
    root = repository(tmp_path / "work", {"a.py": ""})
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(other), "sub")
    git(root, "commit", "--quiet", "--message", "sub")
    (one,) = check_repository(root).findings
    assert (one.rule, one.message) == ("P303", "submodules: sub")


def test_a_pointer_in_place_of_data(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
    (one,) = check_repository(repository(tmp_path / "work", {"data.bin": pointer, "a.py": ""})).findings
    assert (one.rule, one.where) == ("P304", "data.bin")


def test_a_commit_from_the_future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2099-01-01T00:00:00Z")
    assert rules(repository(tmp_path / "work", {"a.py": ""})) == ["P305"]


@pytest.mark.parametrize(
    ("environment", "gpus", "expected"),
    [
        ({}, (), ["P201"]),
        ({"PYTHONHASHSEED": "random"}, (), ["P201"]),
        ({"PYTHONHASHSEED": "0"}, (), []),
        ({"PYTHONHASHSEED": "0"}, ("H100, 570",), ["P202"]),
        ({"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}, ("H100, 570",), []),
    ],
)
def test_variables(environment: dict[str, str], gpus: tuple[str, ...], expected: list[str]) -> None:
    assert [one.rule for one in variables(environment, gpus)] == expected


def test_the_language_of_text() -> None:
    """In a process whose language is not UTF-8."""
    code = "from cascada.repro.preflight import check_machine as c; print([f.rule for f in c().findings])"
    latin = {
        "LC_ALL": "en_US.ISO-8859-1",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONHASHSEED": "0",
        "PATH": "",
    }
    answer = subprocess.run([sys.executable, "-c", code], env=latin, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "['P203']"
    assert "P203" not in [one.rule for one in check_machine().findings]
