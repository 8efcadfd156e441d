"""Verdicts move aliases in a real MLflow registry, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from mlflow import MlflowClient

from cascada.errors import ArtifactError
from cascada.evaluation.gates import Check, Verdict
from cascada.registry.promotion import promote, register
from cascada.tracking import models, runs
from cascada.tracking.models import CHALLENGER, CHAMPION, ModelVersion, find_alias

NUMBERS = count()
GOOD = Check(name="accuracy", passed=True, required="lower end >= 0.7", measured="0.750 [0.740, 0.760]")
BAD = Check(name="anomaly AUC", passed=False, required="lower end >= 0.9", measured="0.850 [0.840, 0.860]")
WORSE = Check(name="valid data", passed=False, required="every suite passed", measured="refused")
PASSED, FAILED = Verdict(checks=(GOOD,)), Verdict(checks=(GOOD, BAD, WORSE))


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield folder


@pytest.fixture
def name() -> str:
    """A model of the test's own."""
    return f"model-{next(NUMBERS)}"


@pytest.fixture(scope="module")
def run_id(store: Path) -> str:
    run_id = runs.start_run("test", name="fit", artifacts=store / "artifacts", params={}, tags={})
    (store / "bundle.json").write_text("{}")
    runs.log_files(run_id, store / "bundle.json", "bundle")
    return run_id


def version_of(name: str, run_id: str, sha256: str, *, data_valid: str = "true") -> ModelVersion:
    return register(name, run_id=run_id, bundle_sha256=sha256, tags={"data_valid": data_valid})


def numbers(name: str) -> dict[str, int | None]:
    found = {alias: find_alias(name, alias) for alias in (CHAMPION, CHALLENGER)}
    return {alias: version and version.version for alias, version in found.items()}


def test_registering_records_run_hash_and_tags(name: str, run_id: str) -> None:
    version = version_of(name, run_id, "a" * 64)
    assert (version.version, version.run_id, version.aliases) == (1, run_id, ())
    assert version.tags == {"data_valid": "true", "bundle_sha256": "a" * 64}
    assert MlflowClient().get_model_version(name, "1").source.endswith("/bundle")
    assert name in models.list_models()


def test_the_same_bundle_is_registered_once(name: str, run_id: str) -> None:
    first = version_of(name, run_id, "a" * 64)
    assert version_of(name, run_id, "b" * 64).version == 2
    assert version_of(name, run_id, "a" * 64) == first
    assert len(MlflowClient().search_model_versions(f"name = '{name}'")) == 2


def test_the_same_bundle_under_another_name_is_another_version(name: str, run_id: str) -> None:
    version_of(name, run_id, "a" * 64)
    assert version_of(f"{name}-other", run_id, "a" * 64).name == f"{name}-other"


def test_registering_promotes_nothing(name: str, run_id: str) -> None:
    version_of(name, run_id, "a" * 64)
    assert numbers(name) == {CHAMPION: None, CHALLENGER: None}


def test_the_first_version_that_passes_becomes_champion(name: str, run_id: str) -> None:
    promoted = promote(version_of(name, run_id, "a" * 64), PASSED)
    assert promoted.aliases == (CHAMPION,)
    assert promoted.tags["verdict"] == "passed"
    assert promoted.tags["verdict_reasons"] == ""
    assert numbers(name) == {CHAMPION: 1, CHALLENGER: None}


def test_the_next_version_that_passes_takes_over(name: str, run_id: str) -> None:
    promote(version_of(name, run_id, "a" * 64), PASSED)
    promote(version_of(name, run_id, "b" * 64), PASSED)
    assert numbers(name) == {CHAMPION: 2, CHALLENGER: None}
    assert models.get_version(name, 1).aliases == ()


def test_a_failed_verdict_leaves_the_champion_and_says_why(name: str, run_id: str) -> None:
    promote(version_of(name, run_id, "a" * 64), PASSED)
    judged = promote(version_of(name, run_id, "b" * 64), FAILED)
    assert numbers(name) == {CHAMPION: 1, CHALLENGER: 2}
    assert judged.tags["verdict"] == "failed"
    description = MlflowClient().get_model_version(name, "2").description
    for check in (BAD, WORSE):
        assert f"{check.name}: {check.measured}, required {check.required}" in judged.tags["verdict_reasons"]
        assert f"| FAIL | {check.name} | {check.required} | {check.measured} |" in description
    assert GOOD.name not in judged.tags["verdict_reasons"]
    assert f"| ok | {GOOD.name} |" in description


def test_a_first_version_that_fails_is_no_champion(name: str, run_id: str) -> None:
    promote(version_of(name, run_id, "a" * 64), FAILED)
    assert numbers(name) == {CHAMPION: None, CHALLENGER: 1}


@pytest.mark.parametrize("data_valid", ["false", "", "True"])
def test_a_version_of_invalid_data_is_never_promoted(name: str, run_id: str, data_valid: str) -> None:
    promote(version_of(name, run_id, "a" * 64), PASSED)
    tainted = version_of(name, run_id, "b" * 64, data_valid=data_valid)
    with pytest.raises(ArtifactError, match="never promoted") as caught:
        promote(tainted, PASSED)
    assert f"{name} version 2" in caught.value.what
    assert numbers(name) == {CHAMPION: 1, CHALLENGER: None}
    assert "verdict" not in models.get_version(name, 2).tags


def test_a_version_without_the_mark_is_never_promoted(name: str, run_id: str) -> None:
    unmarked = register(name, run_id=run_id, bundle_sha256="a" * 64, tags={})
    with pytest.raises(ArtifactError, match="never promoted"):
        promote(unmarked, PASSED)


def test_a_version_of_invalid_data_may_be_challenger(name: str, run_id: str) -> None:
    promote(version_of(name, run_id, "a" * 64, data_valid="false"), FAILED)
    assert numbers(name) == {CHAMPION: None, CHALLENGER: 1}


def test_many_reasons_are_cut_to_what_a_tag_holds(name: str, run_id: str) -> None:
    checks = tuple(BAD.model_copy(update={"name": f"check {i}"}) for i in range(200))
    judged = promote(version_of(name, run_id, "a" * 64), Verdict(checks=checks))
    assert len(judged.tags["verdict_reasons"]) == 4000
    assert "check 199" in MlflowClient().get_model_version(name, "1").description


def test_a_challenger_that_becomes_champion_is_challenger_no_more(name: str, run_id: str) -> None:
    version = version_of(name, run_id, "a" * 64)
    promote(version, FAILED)
    promote(version, PASSED)
    assert numbers(name) == {CHAMPION: 1, CHALLENGER: None}


def test_a_champion_that_is_judged_again_and_fails_is_champion_no_more(name: str, run_id: str) -> None:
    version = version_of(name, run_id, "a" * 64)
    promote(version, PASSED)
    assert promote(version, FAILED).aliases == (CHALLENGER,)
    assert numbers(name) == {CHAMPION: None, CHALLENGER: 1}


def test_another_versions_alias_is_left_alone(name: str, run_id: str) -> None:
    promote(version_of(name, run_id, "a" * 64), FAILED)
    promote(version_of(name, run_id, "b" * 64), PASSED)
    assert numbers(name) == {CHAMPION: 2, CHALLENGER: 1}


def test_what_is_not_there_is_none(name: str, run_id: str) -> None:
    assert find_alias("no-such-model", CHAMPION) is None
    assert models.find_by_tag("no-such-model", "bundle_sha256", "a" * 64) is None
    version_of(name, run_id, "a" * 64)
    assert find_alias(name, "no-such-alias") is None
    assert models.find_by_tag(name, "bundle_sha256", "b" * 64) is None
    assert models.find_by_tag(name, "no-such-tag", "a" * 64) is None


def test_a_tag_finds_the_newest_version(name: str, run_id: str) -> None:
    for sha256 in "abc":
        version_of(name, run_id, sha256 * 64)
    found = models.find_by_tag(name, "data_valid", "true")
    assert found is not None
    assert found.version == 3
