"""Scores of manifests whose level is known."""

from __future__ import annotations

from typing import Any

import pytest

from cascada.repro.compare import Comparison, Verdict
from cascada.repro.environment import CodeState, Hardware, Software
from cascada.repro.manifest import Manifest
from cascada.repro.score import Score, score_run
from cascada.repro.verification import ASPECTS, AspectCheck, Verification

FULL: dict[str, Any] = {
    "dataset": {"inputs": [{"path": "x.csv", "sha256": "a" * 64, "bytes": 3, "files": 1}]},
    "preprocessing": {"code_sha256": "b" * 64},
    "partitions": {"content_sha256": "c" * 64, "rows": {"train": 8, "test": 2}},
    "training": {"parameters": {"rate": 0.1}, "parameters_sha256": "d" * 64, "code_sha256": "e" * 64},
    "assessment": {"metrics": {"loss": 0.5}, "metrics_sha256": "f" * 64, "outputs": {}},
    "randomness": {"root_seed": 1, "seeds": {"numpy": 2}},
    "software": Software(python="3.11.7", system="Linux", packages={"numpy": "2.2"}, lock_sha256="a" * 64),
    "hardware": Hardware(
        machine="x86_64", processor="Cray-1", cores=1, memory_gib=0.1, gpus=(), flags=("vector",)
    ),
}  # fmt: skip


def manifest(**changes: Any) -> Manifest:
    code = CodeState(commit="0" * 40, dirty=False, changes=(), changes_sha256="")
    return Manifest(run_id="one", experiment="x", kind="script", code=code, **(FULL | changes))


def levels(score: Score) -> dict[str, int]:
    return {one.aspect: one.level for one in score.aspects}


def verification(verdict: Verdict = Verdict.IDENTICAL, level: Any = "replay", **outcomes: Any) -> Verification:
    checks = (AspectCheck(aspect=a, outcome=outcomes.get(a, "same"), detail="") for a in ASPECTS)
    return Verification(
        run_id="one", manifest_sha256="", level=level, started="2026-01-02T03:04:05+00:00", ended="",
        comparison=Comparison(verdict=verdict, reasons=()), aspects=tuple(checks),
    )  # fmt: skip


def test_everything_captured_is_two() -> None:
    score = score_run(manifest())
    assert levels(score) == dict.fromkeys(ASPECTS, 2)
    assert (score.total, score.lowest) == (16, 2)
    assert all("cascada verify one" in one.next_step for one in score.aspects)


@pytest.mark.parametrize(
    ("aspect", "value", "level", "told"),
    [
        ("dataset", {}, 0, "cascada run --data"),
        ("dataset", {"inputs": []}, 0, "cascada run --data"),
        ("dataset", {"name": "showers"}, 1, "hashed"),
        ("dataset", FULL["dataset"] | {"changed_during_run": ["x.csv"]}, 1, "nothing writes to"),
        ("dataset", {"content_sha256": "a" * 64, "rows_kept": 7}, 2, "cascada verify"),
        ("preprocessing", {}, 0, "git"),
        ("preprocessing", {"repair": "none"}, 1, "code_sha256"),
        ("partitions", {}, 0, "declare"),
        ("partitions", {"train": "first 80 %"}, 1, "hash"),
        ("training", {"parameters": {}}, 1, "parameters"),
        ("assessment", {}, 0, "log a metric"),
        ("assessment", {"metrics": {"loss": 1.0}}, 1, "record again"),
        ("assessment", {"outputs": {"model": "a" * 64}}, 2, "cascada verify"),
        ("randomness", {}, 0, "--seed"),
        ("randomness", {"root_seed": 0}, 1, "every library"),
        ("randomness", {"root_seed": 0, "streams": ["split"]}, 2, "cascada verify"),
    ],
)
def test_levels_by_content(aspect: str, value: dict[str, Any], level: int, told: str) -> None:
    score = score_run(manifest(**{aspect: value}))
    (found,) = [one for one in score.aspects if one.aspect == aspect]
    assert found.level == level
    assert told in found.next_step
    assert score.lowest == level


def test_older_manifests_declare_software_and_hardware() -> None:
    software = Software(python="3.11.7", system="Linux", packages={})
    hardware = Hardware(machine="x86_64", processor="Cray-1", cores=1, memory_gib=0.1, gpus=())
    found = levels(score_run(manifest(software=software, hardware=hardware)))
    assert (found["software"], found["hardware"]) == (1, 1)


def test_a_replay_verifies_what_did_not_change() -> None:
    found = levels(score_run(manifest(), [verification(Verdict.EQUIVALENT, software="different", hardware="unknown")]))
    assert found == dict.fromkeys(ASPECTS, 3) | {"software": 2, "hardware": 2}


@pytest.mark.parametrize(
    "found",
    [verification(Verdict.DIVERGED), verification(Verdict.UNVERIFIABLE), verification(level="hashes")],
)
def test_nothing_else_verifies(found: Verification) -> None:
    assert levels(score_run(manifest(), [found])) == dict.fromkeys(ASPECTS, 2)


def test_what_is_only_declared_is_not_verified() -> None:
    assert levels(score_run(manifest(partitions={"train": "80 %"}), [verification()]))["partitions"] == 1
