"""Which pushes train what: known answers on a toy repository, and the same through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from projects import DEMO, REPOSITORY
from repositories import git, repository, write

from cascada.ci.changes import find_changes, is_ancestor
from cascada.errors import ConfigError, PlatformError

EXPERIMENTS = ("demo", "composition", "other")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two experiments that simulate, one of the catalogue, and code."""
    demo = yaml.safe_load((REPOSITORY / DEMO).read_text())
    folder = REPOSITORY / "flows" / "experiments"
    return repository(
        tmp_path / "project",
        {
            "flows/experiments/demo.yaml": yaml.safe_dump(demo),
            "flows/experiments/other.yaml": yaml.safe_dump(demo | {"name": "other"}),
            "flows/experiments/composition.yaml": (folder / "composition.yaml").read_text(),
            "data/catalog.yaml": (REPOSITORY / "data" / "catalog.yaml").read_text(),
            "data/demo.dvc": "1",
        }
        | dict.fromkeys(("flows/training.py", "cascada/a.py", "cascada/cli/a.py", "README.md", "serving/a.py"), ""),
    )


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        ("README.md", ()),
        ("docs/new.md", ()),
        ("cascada/cli/a.py", ()),
        ("serving/a.py", ()),
        ("cascada/a.py", EXPERIMENTS),
        ("flows/training.py", EXPERIMENTS),
        ("expectations/new.yaml", EXPERIMENTS),
        ("models/new.py", EXPERIMENTS),
        ("requirements/dev.txt", EXPERIMENTS),
        ("data/demo.dvc", ("demo",)),
        ("data/catalog.yaml", ("composition",)),
        ("flows/experiments/other.yaml", ("other",)),
    ],
)
def test_what_a_change_touches(root: Path, changed: str, touched: tuple[str, ...]) -> None:
    path = root / changed
    write(root, changed, (path.read_text() if path.exists() else "") + "\n# changed\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "change")
    found = find_changes(root, "HEAD~1")
    assert sorted(path.stem for path in found.experiments) == sorted(touched)
    assert found.matter == ((changed,) if touched else ())


def test_a_new_branch_trains_everything_among_those_that_may_be(root: Path) -> None:
    assert [path.stem for path in find_changes(root, "0" * 40, among=("d*", "oth?r")).experiments] == ["demo", "other"]


def test_a_pull_request_is_compared_with_where_it_left_its_target(root: Path) -> None:
    git(root, "checkout", "--quiet", "-b", "topic")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "topic")
    git(root, "checkout", "--quiet", "-")
    write(root, "cascada/a.py", "changed = 1\n")
    git(root, "commit", "--quiet", "--all", "--message", "target went on")
    target = git(root, "rev-parse", "HEAD").strip()
    git(root, "checkout", "--quiet", "topic")
    assert find_changes(root, target).experiments == ()
    assert not is_ancestor(root)(target, "HEAD")
    assert is_ancestor(root)("HEAD~1", target)


def test_a_deleted_experiment_is_not_trained(root: Path) -> None:
    git(root, "rm", "--quiet", "flows/experiments/other.yaml")
    git(root, "commit", "--quiet", "--message", "gone")
    assert find_changes(root, "HEAD~1").experiments == ()


def test_an_unknown_commit_and_an_unknown_experiment_are_refused(root: Path) -> None:
    with pytest.raises(PlatformError, match="git knows no commit"):
        find_changes(root, "f" * 40)
    with pytest.raises(PlatformError, match="git knows no commit"):
        find_changes(root, "--output=/tmp/x")
    with pytest.raises(ConfigError, match="did you mean demo"):
        find_changes(root, "HEAD", among=("deno",))


def test_the_command_writes_outputs_and_says_when_nothing_is_to_be_trained(root: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    environment = os.environ | {"GITHUB_OUTPUT": str(outputs), "CASCADA_CI_BASE": "HEAD~1"}
    cascada = str(Path(sys.executable).with_name("cascada"))

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [cascada, "ci", "changes", *more]
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)

    write(root, "README.md", "changed\n")
    git(root, "commit", "--quiet", "--all", "--message", "documents")
    idle = run()
    assert (idle.returncode, "nothing that training depends on has changed" in idle.stdout) == (0, True)
    write(root, "data/demo.dvc", "2\n")
    git(root, "commit", "--quiet", "--all", "--message", "data")
    told = json.loads(run("--json").stdout)
    assert told["experiments"] == [DEMO]
    write(root, "flows/experiments/x\ntrain=true.yaml", (root / DEMO).read_text())
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "forged")
    assert "would forge an output" in run().stderr
    assert outputs.read_text().splitlines() == ["train=false", "experiments=", "train=true", f"experiments={DEMO}"]
