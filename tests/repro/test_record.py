"""Records are found, read and judged; a kill never leaves half a file."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cascada.errors import ArtifactError
from cascada.repro.environment import CodeState, Hardware, Software
from cascada.repro.manifest import Manifest
from cascada.repro.record import RunRecord, list_records, new_record, open_record, summarise_metrics, supervisor

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "manifest.schema.json"


def manifest(run_id: str, **changes: object) -> Manifest:
    aspects = ("dataset", "preprocessing", "partitions", "training", "assessment", "randomness")
    facts: dict[str, object] = {aspect: {} for aspect in aspects}
    facts |= {
        "run_id": run_id, "experiment": "e", "code": CodeState(commit="c", dirty=False, changes=(), changes_sha256=""),
        "software": Software(python="3", system="s", packages={}),
        "hardware": Hardware(machine="m", processor="p", cores=1, memory_gib=1.0, gpus=()),
    }  # fmt: skip
    return Manifest.model_validate(facts | changes)


def made(home: Path, run_id: str, **changes: object) -> RunRecord:
    record = RunRecord(home / "runs" / run_id)
    record.write(manifest(run_id, **changes))
    return record


def test_the_published_schema_is_the_manifests() -> None:
    assert json.loads(SCHEMA.read_text()) == Manifest.model_json_schema()


def test_a_record_is_found_by_a_beginning_of_its_id(tmp_path: Path) -> None:
    made(tmp_path, "abc123"), made(tmp_path, "abd456"), made(tmp_path, "abc")
    assert open_record(tmp_path, "abd").run_id == "abd456"
    assert open_record(tmp_path, "abc").run_id == "abc"
    with pytest.raises(ArtifactError, match="3 runs begin with 'ab'") as caught:
        open_record(tmp_path, "ab")
    assert caught.value.got == "abc, abc123, abd456"
    with pytest.raises(ArtifactError, match="no run 'abc124'") as caught:
        open_record(tmp_path, "abc124")
    assert "did you mean abc123" in caught.value.hint
    with pytest.raises(ArtifactError, match="no run"):
        open_record(tmp_path, "")


def test_without_any_run_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        open_record(tmp_path, "abc")
    assert "cascada run" in caught.value.hint


def test_records_are_listed_newest_first(tmp_path: Path) -> None:
    for run_id, started in (("a", "2026-01-02"), ("b", "2026-01-03"), ("c", "2026-01-01")):
        made(tmp_path, run_id, started=started)
    assert [record.run_id for record in list_records(tmp_path)] == ["b", "a", "c"]


def test_a_record_that_cannot_be_read_hides_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path, "good"), made(tmp_path, "bad")
    (tmp_path / "runs" / "bad" / "manifest.json").write_text("{")
    assert [record.run_id for record in list_records(tmp_path)] == ["good"]
    assert "a run is left out: this is not a manifest" in caplog.text


def test_new_records_have_their_own_folders_and_git_ignores_them(tmp_path: Path) -> None:
    folders = {new_record(tmp_path).folder for _ in range(50)}
    assert len(folders) == 50
    assert (tmp_path / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(("text", "words"), [("{", "not a manifest"), ('{"run_id": "a"}', "not a manifest")])
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=words):
        _ = RunRecord(tmp_path).manifest


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no readable manifest"):
        _ = RunRecord(tmp_path).manifest


def test_a_running_record_without_its_supervisor_is_interrupted(tmp_path: Path) -> None:
    here = supervisor()
    assert made(tmp_path, "a", status="running", process=here).state == "running"
    reused = here | {"pid_started": here["pid_started"] - 100}
    assert made(tmp_path, "b", status="running", process=reused).state == "interrupted"
    assert made(tmp_path, "c", status="running", process=here | {"pid": 2**22 + 1}).state == "interrupted"
    assert made(tmp_path, "d", status="running", process=reused | {"host": "elsewhere"}).state == "running"
    assert made(tmp_path, "e", status="finished", process=reused).state == "finished"


def test_metrics_survive_a_kill_in_the_middle_of_a_line(tmp_path: Path) -> None:
    text = """{"name": "loss", "value": 1.5, "step": 0, "time": 1.0}
{"name": "loss", "value": "nan", "step": 1, "time": 2.0}
{"name": "loss", "va"""
    (tmp_path / "metrics.jsonl").write_text(text)
    first, second = RunRecord(tmp_path).metrics()
    assert first == ("loss", 1.5, 0, 1.0)
    assert math.isnan(second.value)


def test_the_hash_of_metrics_counts_values_and_steps_and_no_times(tmp_path: Path) -> None:
    def summary(*points: tuple[str, float, int, float]) -> dict[str, object]:
        keys = ("name", "value", "step", "time")
        text = "".join(json.dumps(dict(zip(keys, point, strict=True))) + "\n" for point in points)
        (tmp_path / "metrics.jsonl").write_text(text)
        return summarise_metrics(RunRecord(tmp_path))

    first = summary(("loss", 0.5, 0, 1.0), ("loss", 0.25, 1, 2.0))
    assert first["metrics"] == {"loss": 0.25}
    assert summary(("loss", 0.5, 0, 7.0), ("loss", 0.25, 1, 8.0)) == first
    assert summary(("loss", 0.5, 0, 1.0), ("loss", 0.25, 2, 2.0)) != first
    assert summary(("loss", 0.5, 0, 1.0), ("loss", 0.25000001, 1, 2.0)) != first
    assert summary() == {"metrics": {}, "metrics_sha256": ""}
