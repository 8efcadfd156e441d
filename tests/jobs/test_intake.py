"""Runs of elsewhere taken into a project: whole ones once, altered ones not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from travel import rewrite, travelling_project

from cascada.errors import SourceError
from cascada.jobs.export import export_run
from cascada.jobs.intake import Intake, import_runs
from cascada.repro.record import RunRecord, list_records
from cascada.settings import Settings


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on a machine without a server: one run, and its crate."""
    home = tmp_path_factory.mktemp("elsewhere")
    located = travelling_project(home)
    export_run(located, Settings(root=home / "work"), home / "run.zip", with_data=True)
    (located.record.folder / "mlflow.json").write_text('{"status": "done", "run_id": "abc", "error": ""}\n')
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The state folder of the project that takes them."""
    return tmp_path / "mine" / ".cascada"


@pytest.fixture
def copied(elsewhere: Path, tmp_path: Path) -> RunRecord:
    """A copy of the record, to be altered."""
    return RunRecord(Path(shutil.copytree(elsewhere / "work" / ".cascada" / "runs" / "one", tmp_path / "copy" / "one")))


def take(path: Path, home: Path) -> Intake:
    (found,) = import_runs([path], home)
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("place", ["work", "work/.cascada", "work/.cascada/runs", "work/.cascada/runs/one", "run.zip"])
def test_a_run_is_taken_once(elsewhere: Path, home: Path, place: str) -> None:
    assert take(elsewhere / place, home).outcome == "imported"
    (record,) = list_records(home)
    original = files(elsewhere / "work" / ".cascada" / "runs" / "one")
    del original["mlflow.json"]
    assert files(record.folder) == original
    assert record.mirror()["status"] == "pending", "this project's MLflow has no copy yet"
    record.write_mirror("done", run_id="mine")
    before = files(home)
    assert take(elsewhere / place, home).outcome == "here already"
    assert files(home) == before


def lines(name: str) -> Callable[[RunRecord], None]:
    return lambda record: (record.folder / name).write_text((record.folder / name).read_text().replace("2", "3"))


def lost(name: str) -> Callable[[RunRecord], None]:
    return lambda record: (record.folder / name).unlink()


def fields(**values: Any) -> Callable[[RunRecord], None]:
    return lambda record: rewrite(record, lambda manifest: manifest.update(values))


@pytest.mark.parametrize(
    ("alter", "told"),
    [
        (lines("metrics.jsonl"), "manifest.json and metrics.jsonl hold other metrics"),
        (lines("params.jsonl"), "params.jsonl does not have the hash"),
        (lines("lock.txt"), "lock.txt does not have the hash"),
        (lines("code/changes.diff"), "the recorded changes are missing or altered: changes.diff"),
        (lost("outputs/result.txt"), "result.txt is missing"),
        (lost("lock.txt"), "lock.txt is missing"),
        (lost("metrics.jsonl"), "manifest.json and metrics.jsonl hold other metrics"),
        (lambda record: (record.outputs / "more.txt").write_text("x"), "more.txt is no output"),
        (lambda record: (record.outputs / "result.txt").write_text("4"), "the kept copy of result.txt"),
        (lambda record: (record.outputs / "link.txt").symlink_to("/etc/passwd"), "link.txt of the record is a link"),
        (lambda record: (record.folder / "manifest.json").write_text("{}"), "this is not a manifest"),
        (lambda record: (record.folder / "metrics.jsonl").write_text('{"name": "x"}\n'), "the record cannot be read"),
        (fields(run_id="../one"), "an id that no run of cascada has"),
        (fields(working_dir="../.."), "a file of the name '../..'"),
        (fields(status="running", process={"pid": 1, "host": "node7"}), "status running on node7"),
    ],
)  # fmt: skip
def test_a_run_that_contradicts_itself_leaves_nothing(
    copied: RunRecord, home: Path, alter: Callable[[RunRecord], object], told: str
) -> None:
    alter(copied)
    found = take(copied.folder, home)
    assert found.outcome == "refused"
    assert told in found.reason
    assert sorted(path.name for path in home.rglob("*")) == [".gitignore", "runs"]


def test_another_run_of_the_same_id(elsewhere: Path, copied: RunRecord, home: Path) -> None:
    take(elsewhere / "run.zip", home)
    before = files(home)
    rewrite(copied, lambda manifest: manifest.update(experiment="another"))
    found = take(copied.folder, home)
    assert (found.outcome, found.reason) == ("refused", "another run of this id is here: manifest.json differ")
    assert files(home) == before


def test_an_interrupted_run_of_this_machine(copied: RunRecord, home: Path) -> None:
    dead = copied.manifest.process | {"pid": 2**22 + 1}
    rewrite(copied, lambda manifest: manifest.update(status="running", process=dead, assessment={}))
    assert take(copied.folder, home).outcome == "imported"
    assert list_records(home)[0].state == "interrupted"


def test_one_that_is_refused_stops_no_other(elsewhere: Path, copied: RunRecord, home: Path) -> None:
    lines("metrics.jsonl")(copied)
    found = import_runs([copied.folder.parent, elsewhere / "run.zip"], home)
    assert [one.outcome for one in found] == ["refused", "imported"]


def test_no_run_is_no_import(elsewhere: Path, home: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no run is here"):
        import_runs([elsewhere / "run.zip", tmp_path], home)
    assert not home.exists()


def test_the_id_is_that_of_the_manifest(copied: RunRecord, home: Path) -> None:
    renamed = copied.folder.rename(copied.folder.with_name("renamed"))
    assert take(renamed, home).run_id == "one"
    assert json.loads((home / "runs" / "one" / "manifest.json").read_text())["run_id"] == "one"
