"""`cascada export`, `reproduce` and `import` as a user calls them, from a project to an empty folder and another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from projects import Project

SCRIPT = """
import random
from pathlib import Path
from cascada.jobs.active import log_metrics
log_metrics({"draw": random.random() + len(Path("data/values.txt").read_text())})
"""
HIDDEN = "hunter22-is-no-password"


@pytest.fixture(scope="module")
def travelled(new_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """An empty folder on "another machine", with a crate; the project that made it is gone."""
    project = new_project(MY_API_TOKEN=HIDDEN, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    (project.root / "draw.py").write_text(SCRIPT)
    (project.root / "data" / "values.txt").write_text("1 2 3\n")
    answer = project.cascada("run", "--data", "data/values.txt", "draw.py", "--", "--token", HIDDEN)
    assert answer.returncode == 0, answer.stderr
    (run,) = json.loads(project.cascada("runs", "--json").stdout)
    there = tmp_path_factory.mktemp("there")
    answer = project.cascada("export", run["run_id"][:6], "--crate", str(there / "run.zip"), "--with-data", "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["run_id"] == run["run_id"]
    again = project.cascada("export", run["run_id"], "--crate", str(there / "run.zip"))
    assert (again.returncode, "there is a file of this name" in again.stderr) == (6, True)
    shutil.rmtree(project.root / ".git")
    shutil.move(project.root / ".cascada", there / "hpc")
    return replace(project, root=there), there / "run.zip"


def test_a_secret_argument_stays_at_home(travelled: tuple[Project, Path], tmp_path: Path) -> None:
    there, crate = travelled
    shutil.unpack_archive(crate, tmp_path / "out")
    held = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert HIDDEN.encode() not in held
    answer = there.cascada("reproduce", "run.zip")
    assert answer.returncode == 2, answer.stderr
    assert "an argument of the run was a secret" in " ".join(answer.stdout.split())


def test_a_verdict_with_its_files(travelled: tuple[Project, Path]) -> None:
    there, _ = travelled
    answer = there.cascada("reproduce", "run.zip", "--level", "hashes", "--json", "--junit", "verify.xml")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["comparison"]["verdict"] == "IDENTICAL"
    suite = ElementTree.parse(there.root / "verify.xml").find("testsuite")  # noqa: S314
    assert suite is not None
    assert suite.get("name") == f"cascada verify {found['run_id']}"
    told = " ".join(answer.stderr.split())
    kept = Path(told.partition("are kept in ")[2])
    assert kept.parent == there.root / ".cascada" / "reproduced"
    assert list((kept / "verifications").glob("*.json"))


def test_a_tampered_crate_is_refused(travelled: tuple[Project, Path]) -> None:
    there, crate = travelled
    content = bytearray(crate.read_bytes())
    content[content.index(b"data/data/values.txt") + len("data/data/values.txt") + 3] ^= 1
    (there.root / "tampered.zip").write_bytes(content)
    answer = there.cascada("reproduce", "tampered.zip")
    assert answer.returncode == 6, answer.stderr
    assert "data/data/values.txt of the crate was altered" in answer.stderr


def test_records_of_a_machine_without_server(travelled: tuple[Project, Path]) -> None:
    there, crate = travelled
    there.git("init", "--quiet")
    answer = there.cascada("import", "hpc", str(crate), "--json")
    assert answer.returncode == 0, answer.stderr
    assert [one["outcome"] for one in json.loads(answer.stdout)] == ["imported", "here already"]
    (run,) = json.loads(there.cascada("runs", "--json").stdout)
    (manifest,) = (there.root / "hpc" / "runs").glob("*/manifest.json")
    manifest.write_text(manifest.read_text().replace('"experiment": "draw"', '"experiment": "other"'))
    answer = there.cascada("import", "hpc")
    assert answer.returncode == 6
    assert "1 of 1 runs are refused" in answer.stderr
    assert "another run of this id is here" in answer.stderr
    assert json.loads(there.cascada("runs", "--json").stdout) == [run]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["export", "nothing", "--crate", "x.zip"], 6, "there is no run 'nothing'"),
        (["reproduce", "nothing.zip"], 4, "there is no such file"),
    ],
)
def test_refusals(travelled: tuple[Project, Path], arguments: list[str], code: int, told: str) -> None:
    there, _ = travelled
    if not (there.root / ".git").exists():
        there.git("init", "--quiet")
    answer = there.cascada(*arguments)
    assert answer.returncode == code, answer.stderr
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
