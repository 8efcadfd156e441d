"""Crates run again where the project is gone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from travel import rewrite, travelling_project

from cascada.errors import ArtifactError
from cascada.jobs.export import export_run
from cascada.jobs.locate import Located
from cascada.jobs.reproduction import reproduce
from cascada.jobs.verify import Request
from cascada.repro.compare import Verdict
from cascada.repro.fingerprint import file_sha256
from cascada.repro.record import RunRecord
from cascada.repro.verification import Verification, read_verifications
from cascada.settings import Settings


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is left of a project that was deleted: crates with and without its data, altered ones, and the data."""
    home = tmp_path_factory.mktemp("home")
    located = travelling_project(home)
    left = tmp_path_factory.mktemp("left")
    settings = Settings(root=home / "work")
    export_run(located, settings, left / "whole.zip", with_data=True)
    export_run(located, settings, left / "bare.zip")
    for name, change in ALTERED.items():
        other = RunRecord(Path(shutil.copytree(located.record.folder, left / name / "one")))
        change(other)
        export_run(Located(other, ""), settings, left / f"{name}.zip")
    shutil.move(home / "work" / "data", left / "data")
    shutil.move(home / "far", left / "data" / "far")
    shutil.rmtree(home)
    return left


def package(record: RunRecord) -> None:
    """Let the run have had one more package, and its lock say so."""
    lock = record.folder / "lock.txt"
    lock.write_text(f"{lock.read_text()}zz-toy==1.0\n")
    sha256 = file_sha256(lock)
    rewrite(
        record,
        lambda m: (m["software"]["packages"].update({"zz-toy": "1.0"}), m["software"].update(lock_sha256=sha256)),
    )


def fields(aspect: str, **values: Any) -> Callable[[RunRecord], None]:
    return lambda record: rewrite(record, lambda manifest: manifest[aspect].update(values))


ALTERED: dict[str, Callable[[RunRecord], None]] = {
    "metric": fields("assessment", metrics={"draw": 1.0, "sum": 11.0}),
    "name": lambda record: rewrite(record, lambda manifest: manifest.update(run_id="../../outside")),
    "place": fields("dataset", inputs=[{"path": "../../outside", "sha256": "0" * 64}]),
    "end": lambda record: rewrite(record, lambda manifest: manifest.update(status="killed", exit_code=137)),
    "package": package,
}


def again(crate: Path, there: Path, **request: Any) -> tuple[Verification, Path]:
    there.mkdir(exist_ok=True)
    return reproduce(crate, Request(**request), Settings(root=there), report=lambda _: None, prepare=lambda: None)


def test_a_crate_with_its_data_comes_out_identical(left: Path, tmp_path: Path) -> None:
    found, kept = again(left / "whole.zip", tmp_path / "there")
    assert found.verdict is Verdict.IDENTICAL, found.comparison.reasons
    assert found.comparison.reasons == ("2 metrics bit-equal, 1 output file with equal hash",)
    assert {c.aspect for c in found.aspects if c.outcome == "same"} >= {"dataset", "training", "randomness"}
    assert kept.parent == tmp_path / "there" / ".cascada" / "reproduced"
    assert read_verifications(kept, trusted=kept.parents[1] / "keys") == (found,)
    again(left / "whole.zip", tmp_path / "there", level="hashes")
    assert len(read_verifications(kept, trusted=kept.parents[1] / "keys")) == 2
    assert list(kept.parent.iterdir()) == [kept]
    assert {path.name for path in (tmp_path / "there").iterdir()} == {".cascada"}


def test_data_that_come_another_way(left: Path, tmp_path: Path) -> None:
    found, _ = again(left / "bare.zip", tmp_path / "there")
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "the input data/values.txt is gone" in found.comparison.reasons[0]
    assert "the crate holds no data, only their hashes" in found.comparison.reasons[-1]
    found, _ = again(left / "bare.zip", tmp_path / "there", data=left / "data", level="hashes")
    assert found.verdict is Verdict.IDENTICAL, found.comparison.reasons
    other = Path(shutil.copytree(left / "data", tmp_path / "data"))
    (other / "values.txt").write_text("1\n3\n")
    found, _ = again(left / "bare.zip", tmp_path / "there", data=other)
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "data/values.txt has other content than the run read" in found.comparison.reasons[0]


def test_a_metric_that_was_altered(left: Path, tmp_path: Path) -> None:
    found, _ = again(left / "metric.zip", tmp_path / "there", data=left / "data", level="hashes")
    assert found.verdict is Verdict.DIVERGED
    assert "manifest.json and metrics.jsonl hold other metrics" in found.comparison.reasons[0]


def test_a_run_that_was_killed(left: Path, tmp_path: Path) -> None:
    found, _ = again(left / "end.zip", tmp_path / "there", data=left / "data")
    assert found.verdict is Verdict.UNVERIFIABLE
    assert found.comparison.reasons == (
        "the recorded run did not end by itself (killed), so there is no result to earn again",
    )


@pytest.mark.slow
def test_a_package_that_cannot_be_had(left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("UV_OFFLINE", "1"), ("UV_NO_INDEX", "1"), ("UV_FIND_LINKS", str(tmp_path))):
        monkeypatch.setenv(name, value)
    found, _ = again(left / "package.zip", tmp_path / "there", data=left / "data")
    assert found.verdict is Verdict.UNVERIFIABLE
    assert "zz-toy 1.0 → not installed" in found.comparison.reasons[0]
    assert list((tmp_path / "there" / ".cascada" / "environments").iterdir()), "built where they are found again"


@pytest.mark.parametrize(
    ("crate", "told"),
    [("name", "an id that no run of cascada has"), ("place", "a file of the name '../../outside'")],
)
def test_names_that_lead_elsewhere(left: Path, tmp_path: Path, crate: str, told: str) -> None:
    with pytest.raises(ArtifactError, match=told):
        again(left / f"{crate}.zip", tmp_path / "there", level="hashes")
    assert json.dumps([path.name for path in (tmp_path / "there" / ".cascada").iterdir()]) == '[".gitignore"]'
