"""The pull step of deployments: the commit that was pushed, from there the code, and one state for all commits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import git, repository, write

from cascada.errors import PlatformError
from flows.checkout import _clone

WHERE = """
import flows.checkout
print(flows.checkout.take_commit()["directory"])
from cascada.settings import load_settings
print(load_settings().home)
import cascada.probe
print(cascada.probe.WORD)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The checkout of a worker, with state, whose remote has a commit more."""
    packages = {"cascada/__init__.py": "", "cascada/settings.py": SETTINGS, "cascada/probe.py": "WORD = 'old'\n"}
    remote = repository(tmp_path / "remote", packages)
    git(tmp_path, "clone", "--quiet", str(remote), "checkout")
    (tmp_path / "checkout" / ".cascada").mkdir()
    write(remote, "cascada/probe.py", "WORD = 'pushed'\n")
    git(remote, "commit", "--quiet", "--all", "--message", "pushed")
    return tmp_path / "checkout"


SETTINGS = """
from pathlib import Path


class Settings:
    home = Path(".cascada").resolve()


def load_settings():
    return Settings()
"""


def test_a_pushed_commit_is_fetched_cloned_and_imported_with_the_state_of_the_checkout(checkout: Path) -> None:
    pushed = git(checkout.parent / "remote", "rev-parse", "HEAD").strip()
    environment = os.environ | {"CASCADA_CHECKOUT": str(checkout), "CASCADA_COMMIT": pushed}
    answer = subprocess.run([sys.executable, "-c", WHERE], env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    clone = checkout / ".cascada" / "commits" / pushed
    assert answer.stdout.split() == [str(clone), str(checkout / ".cascada"), "pushed"]
    assert git(clone, "status", "--porcelain") == "", "the link to the state is no change of the code"
    assert (checkout / "cascada" / "probe.py").read_text() == "WORD = 'old'\n"


def test_a_second_run_of_a_commit_uses_the_clone(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD").strip()
    assert _clone(checkout, commit) == _clone(checkout, commit)
    assert [path.name for path in (checkout / ".cascada" / "commits").iterdir()] == [commit]


def test_a_commit_that_nobody_has_is_told(checkout: Path) -> None:
    with pytest.raises(PlatformError, match="cannot get the commit") as refused:
        _clone(checkout, "f" * 40)
    assert "a remote named origin" in str(refused.value)
