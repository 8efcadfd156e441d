"""What a crate of a run holds and says, read back with rocrate and held against the profile."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import git
from rocrate.rocrate import ROCrate
from travel import rewrite, travelling_project

from cascada.errors import ArtifactError, ConfigError, SourceError
from cascada.jobs.export import Exported, export_run
from cascada.jobs.locate import Located
from cascada.repro.record import RunRecord
from cascada.settings import Settings


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Located:
    located = travelling_project(tmp_path_factory.mktemp("exported"))
    assert located.record.manifest.status == "finished", located.record.log.read_text()
    return located


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Located:
    return travelling_project(tmp_path_factory.mktemp("failed"), fail=True)


def settings_of(located: Located) -> Settings:
    return Settings(root=located.record.folder.parents[2])


def export(located: Located, target: Path, **options: Any) -> Exported:
    return export_run(located, settings_of(located), target, **options)


def entities(crate: Path) -> dict[str, dict[str, Any]]:
    with zipfile.ZipFile(crate) as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    return {one["@id"]: one for one in graph}


def references(value: Any) -> list[str]:
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


def check_process_run_crate(crate: Path) -> None:
    """Hold a crate against the table of requirements of Process Run Crate 0.5, and of RO-Crate 1.1 below it."""
    graph = entities(crate)
    described, root = graph["ro-crate-metadata.json"], graph["./"]
    assert described["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert described["about"] == {"@id": "./"}
    assert root["@type"] == "Dataset"
    assert all(root[name] for name in ("name", "description", "datePublished", "license"))
    profile = graph[root["conformsTo"]["@id"]]
    assert (profile["@id"], profile["@type"]) == ("https://w3id.org/ro/wfrun/process/0.5", "CreativeWork")
    (action,) = (one for one in graph.values() if one["@type"] == "CreateAction")
    assert references(root["mentions"]) == [action["@id"]]
    assert all(action[name] for name in ("name", "description", "endTime", "instrument", "agent", "object", "result"))
    assert graph[action["agent"]["@id"]]["@type"] == "Person"
    tool = graph[action["instrument"]["@id"]]
    assert tool["@type"] == "SoftwareApplication"
    assert all(tool[name] for name in ("name", "url", "softwareVersion"))
    assert "version" not in tool, "not both"
    allowed = {"File", "Dataset", "CreativeWork", "PropertyValue"}
    for identifier in references(action["object"]) + references(action["result"]):
        assert graph[identifier]["@type"] in allowed
    failed = action["actionStatus"]["@id"] == "http://schema.org/FailedActionStatus"
    assert failed or action["actionStatus"]["@id"] == "http://schema.org/CompletedActionStatus"
    assert ("error" in action) == failed
    parts = set(references(root["hasPart"]))
    with zipfile.ZipFile(crate) as archive:
        assert parts >= {one["@id"] for one in graph.values() if one["@type"] in {"File", "Dataset"}} - {"./"}
        files = {one for one in parts if not one.endswith("/")}
        assert files | {"ro-crate-metadata.json"} == set(archive.namelist())


def test_the_crate_keeps_the_profile(recorded: Located, tmp_path: Path) -> None:
    made = export(recorded, tmp_path / "run.zip", with_data=True)
    check_process_run_crate(made.path)
    assert made.data == ("data/values.txt", str(recorded.record.folder.parents[3] / "far"))


def test_rocrate_reads_it_back(recorded: Located, tmp_path: Path) -> None:
    export(recorded, tmp_path / "run.zip", with_data=True)
    crate = ROCrate(tmp_path / "run.zip")
    assert [one["name"] for one in crate.root_dataset["author"]] == ["Marie Curie", "The sums group"]
    assert [one.id for one in crate.license] == ["https://spdx.org/licenses/MIT"]
    action = crate.get("#one")
    manifest = recorded.record.manifest
    assert (action["startTime"], action["endTime"]) == (manifest.started, manifest.ended)
    assert action["agent"]["name"] == "test"
    assert action["instrument"]["softwareVersion"] == manifest.code.commit
    assert "record/lock.txt" in [one.id for one in action["instrument"]["softwareRequirements"]]
    objects = {one.id: one for one in action["object"]}
    assert objects["data/data/values.txt"]["alternateName"] == "data/values.txt"
    assert {one["name"]: one["value"] for one in objects.values() if one.type == "PropertyValue"} == {
        "seed": 3, "scale": 2.0, "project folder": str(settings_of(recorded).root),
    }  # fmt: skip
    (folder,) = (one for one in objects.values() if one.type == "Dataset")
    assert sorted(file["contentSize"] for file in folder["hasPart"]) == ["2", "2"]
    (in_git,) = (one for one in objects.values() if one.type == "CreativeWork")
    assert in_git["alternateName"] == "settings.json"
    results = {one.id: one for one in action["result"]}
    assert results["#metric-sum"]["value"] == 10.0
    recorded_hash = manifest.assessment["outputs"]["result.txt"]
    assert results["record/outputs/result.txt"]["sha256"] == recorded_hash
    assert (Path(crate.source) / "record" / "outputs" / "result.txt").read_text() == "3.0\n"


def test_the_same_run_gives_the_same_bytes(recorded: Located, tmp_path: Path) -> None:
    one = export(recorded, tmp_path / "one.zip", with_data=True)
    (recorded.record.folder / "mlflow.json").write_text('{"status": "done", "run_id": "abc", "error": ""}\n')
    git(settings_of(recorded).root, "gc", "--quiet")
    other = export(recorded, tmp_path / "other.zip", with_data=True)
    assert one.sha256 == other.sha256
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()


def test_data_that_are_only_named(recorded: Located, tmp_path: Path) -> None:
    made = export(recorded, tmp_path / "run.zip")
    check_process_run_crate(made.path)
    assert made.data == ()
    named = {one["alternateName"]: one for one in entities(made.path).values() if "alternateName" in one}
    values = recorded.record.manifest.dataset["inputs"][0]
    assert (named["data/values.txt"]["sha256"], named["data/values.txt"]["contentSize"]) == (values["sha256"], "4")
    with zipfile.ZipFile(made.path) as archive:
        assert not [name for name in archive.namelist() if name.startswith("data/")]


def test_a_failed_run(failed: Located, tmp_path: Path) -> None:
    made = export(failed, tmp_path / "run.zip", with_data=True)
    check_process_run_crate(made.path)
    action = entities(made.path)["#one"]
    assert action["actionStatus"] == {"@id": "http://schema.org/FailedActionStatus"}
    assert "as the settings say" in action["error"]


def test_a_licence_without_an_identifier(failed: Located, tmp_path: Path) -> None:
    root = settings_of(failed).root
    before = failed.record.manifest.code.commit
    (root / "LICENSE").write_text("Do what you like.\n")
    git(root, "rm", "--quiet", "CITATION.cff")
    git(root, "add", "LICENSE")
    git(root, "commit", "--quiet", "--message", "a licence", "LICENSE", "CITATION.cff")
    commit = git(root, "rev-parse", "HEAD").strip()
    rewrite(failed.record, lambda manifest: manifest["code"].update(commit=commit))
    export(failed, tmp_path / "run.zip")
    rewrite(failed.record, lambda manifest: manifest["code"].update(commit=before))
    graph = entities(tmp_path / "run.zip")
    assert graph["./"]["license"] == {"@id": "LICENSE"}
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        assert archive.read("LICENSE") == b"Do what you like.\n"
    assert "author" not in graph["./"]


def test_data_that_changed_do_not_travel(recorded: Located, tmp_path: Path) -> None:
    values = settings_of(recorded).root / "data" / "values.txt"
    values.write_text("1\n3\n")
    with pytest.raises(SourceError, match=r"data/values\.txt has other content than the run read"):
        export(recorded, tmp_path / "run.zip", with_data=True)
    values.write_text("1\n2\n")
    far = recorded.record.folder.parents[3] / "far"
    moved = shutil.move(far, tmp_path / "elsewhere" / "far")
    with pytest.raises(SourceError, match="far is gone"):
        export(recorded, tmp_path / "run.zip", with_data=True)
    shutil.copy(values, tmp_path / "elsewhere")
    made = export(recorded, tmp_path / "run.zip", with_data=True, data=tmp_path / "elsewhere")
    assert len(made.data) == 2
    shutil.move(moved, far)


def test_what_cannot_be_exported(recorded: Located, tmp_path: Path) -> None:
    altered = replace(recorded, mlflow_id="abc", registered_sha256="0" * 64)
    with pytest.raises(ArtifactError, match="not the one that the registry of models names"):
        export(altered, tmp_path / "run.zip")
    other = RunRecord(Path(shutil.copytree(recorded.record.folder, tmp_path / "one")))
    rewrite(other, lambda m: m.update(status="running", process={"host": "elsewhere", "pid": 1}))
    with pytest.raises(ConfigError, match="the run has not ended"):
        export_run(Located(other, ""), settings_of(recorded), tmp_path / "run.zip")
    rewrite(other, lambda m: m.update(status="finished", code=m["code"] | {"commit": "1" * 40}))
    with pytest.raises(ArtifactError, match="the commit 111111111111 is not in the repository"):
        export_run(Located(other, ""), settings_of(recorded), tmp_path / "run.zip")
    assert not (tmp_path / "run.zip").exists()
