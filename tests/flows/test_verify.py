"""An experiment's run verified: trained again from its recorded commit, compared to the bit."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from projects import DEMO, REPOSITORY, Project

from cascada.repro.results import metrics_sha256

pytestmark = pytest.mark.slow

TINY = (
    *(DEMO, "--set", "source.showers=4000", "--set", "training.epochs=2", "--set", "training.batch_size=64"),
    *("--set", "gate.min_accuracy=0.2", "--set", "gate.min_anomaly_auc=0.2", "--set", "seed=11"),
)


@pytest.fixture(scope="module")
def trained(new_project: Callable[..., Project], prefect_api: str) -> tuple[Project, dict[str, Any]]:
    """A project that holds all of its code, as this repository does, with a champion; its code is broken afterwards."""
    project = new_project(PREFECT_API_URL=prefect_api)
    for name in ("cascada", "models", "serving", "requirements"):
        shutil.copytree(REPOSITORY / name, project.root / name, ignore=shutil.ignore_patterns("__pycache__"))
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "all of the code")
    path = f"{project.root}{os.pathsep}{project.environment['PYTHONPATH']}"
    project = replace(project, environment=project.environment | {"PYTHONPATH": path})
    outcome = project.train(*TINY)
    assert outcome["released"]["champion"]
    (project.root / "models" / "__init__.py").open("a").write("raise RuntimeError('not the recorded code')\n")
    project.git("commit", "--quiet", "--all", "--message", "a change after the run")
    return project, outcome


def artifacts(project: Project, outcome: dict[str, Any]) -> Path:
    return project.root / ".cascada" / "mlartifacts" / outcome["run_id"] / "artifacts"


def test_the_champion_is_earned_again_to_the_bit(trained: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = trained
    before = project.git("status", "--porcelain")
    answer = project.cascada("verify", "demo@champion", "--json", "--junit", "verify.xml", timeout=280)
    assert answer.returncode == 0, answer.stderr + answer.stdout
    found = json.loads(answer.stdout)
    assert found["comparison"]["verdict"] == "IDENTICAL"
    assert found["run_id"] == outcome["run_id"]
    assert {m["name"] for m in found["comparison"]["metrics"]} >= {"accuracy", "accuracy_low", "accuracy_n"}
    assert {f["path"] for f in found["comparison"]["files"]} == {
        "bundle/model.onnx", "bundle/weights.safetensors", "bundle/reference_scores.npy",
        "bundle/bundle.json, lineage aside",
    }  # fmt: skip
    assert {check["aspect"]: check["outcome"] for check in found["aspects"]} == dict.fromkeys(
        ("dataset", "preprocessing", "partitions", "training", "randomness", "software", "hardware", "assessment"),
        "same",
    )
    suite = ElementTree.fromstring((project.root / "verify.xml").read_text()).find("testsuite")  # noqa: S314
    assert suite is not None
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    (project.root / "verify.xml").unlink()
    assert project.git("status", "--porcelain") == before


def test_the_verification_stays_with_run_and_version(trained: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = trained
    (kept,) = (artifacts(project, outcome) / "verifications").glob("*.json")
    assert json.loads(kept.read_text())["comparison"]["verdict"] == "IDENTICAL"
    with sqlite3.connect(project.root / ".cascada" / "mlflow.db") as database:
        for table in ("tags", "model_version_tags"):
            assert dict(database.execute(f"select key, value from {table}"))["verification"] == "IDENTICAL"  # noqa: S608
    answer = project.cascada("score", outcome["run_id"], "--json", "--require", "3")
    assert answer.returncode == 0, answer.stdout
    assert {one["level"] for one in json.loads(answer.stdout)["aspects"]} == {3}


@pytest.mark.timeout(900)
def test_the_champion_is_earned_again_from_its_crate(trained: tuple[Project, dict[str, Any]], tmp_path: Path) -> None:
    project, outcome = trained
    answer = project.cascada("export", "demo@champion", "--crate", str(tmp_path / "demo.zip"), "--json")
    assert answer.returncode == 0, answer.stderr
    paths = project.environment["PYTHONPATH"].removeprefix(f"{project.root}{os.pathsep}")
    elsewhere = replace(project, root=tmp_path / "there", environment=project.environment | {"PYTHONPATH": paths})
    elsewhere.root.mkdir()
    answer = elsewhere.cascada("reproduce", "../demo.zip", "--json", "--timeout", "500", timeout=520)
    assert answer.returncode == 0, answer.stderr + answer.stdout
    found = json.loads(answer.stdout)
    assert (found["comparison"]["verdict"], found["run_id"]) == ("IDENTICAL", outcome["run_id"])
    elsewhere.git("init", "--quiet")
    assert elsewhere.cascada("import", "../demo.zip").returncode == 0
    answer = elsewhere.cascada("runs", "sync", "--json")
    assert json.loads(answer.stdout)["pending"] == {}, answer.stdout
    with sqlite3.connect(elsewhere.root / ".cascada" / "mlflow.db") as database:
        copied = dict(database.execute("select key, value from latest_metrics"))
    recorded = json.loads((artifacts(project, outcome) / "manifest.json").read_text())["assessment"]["metrics"]
    assert copied["accuracy"] == next(m["value"] for m in recorded if (m["name"], m["region"]) == ("accuracy", "all"))
    again = project.cascada("import", str(tmp_path / "demo.zip"), "--json")
    assert json.loads(again.stdout)[0]["outcome"] == "here already", "MLflow has it"


def test_a_metric_altered_in_the_store(trained: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = trained
    path = artifacts(project, outcome) / "manifest.json"
    manifest = json.loads(path.read_text())
    metrics = manifest["assessment"]["metrics"]
    metrics[0]["value"] += 0.01
    manifest["assessment"]["metrics_sha256"] = metrics_sha256(metrics)
    path.write_text(json.dumps(manifest))
    answer = project.cascada("verify", "demo@champion", "--level", "hashes")
    assert answer.returncode == 1, answer.stderr
    assert "not the one that the registry of models names" in " ".join(answer.stdout.split())
    scored = project.cascada("score", "demo@champion", "--require", "3")
    assert scored.returncode == 1, "what was verified was another manifest"
