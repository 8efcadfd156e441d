"""The whole path on small simulated experiments, through the command line and a real Prefect server."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from projects import DEMO, SMALL, Project


@pytest.fixture(scope="module")
def trained(new_project: Callable[..., Project], prefect_api: str) -> tuple[Project, dict[str, Any]]:
    """A project with one trained champion."""
    project = new_project(PREFECT_API_URL=prefect_api)
    return project, project.train(*SMALL)


def registry(project: Project, query: str) -> list[tuple[Any, ...]]:
    """Ask the MLflow database."""
    with sqlite3.connect(project.root / ".cascada" / "mlflow.db") as database:
        return database.execute(query).fetchall()


def artifacts(project: Project, outcome: dict[str, Any]) -> Path:
    return project.root / ".cascada" / "mlartifacts" / outcome["run_id"] / "artifacts"


def test_a_passing_verdict_makes_a_champion(trained: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = trained
    released = outcome["released"]
    assert [check for check in released["verdict"]["checks"] if not check["passed"]] == []
    assert released["champion"]
    assert registry(project, "select alias, version from registered_model_aliases") == [("champion", 1)]
    tags = dict(registry(project, "select key, value from model_version_tags"))
    assert tags["verdict"] == "passed"
    assert tags["data_sha256"] == outcome["ingested"]["snapshot"]["content_sha256"]


def test_rows_add_up_and_every_refused_row_has_a_reason(trained: tuple[Project, dict[str, Any]]) -> None:
    import polars as pl

    project, outcome = trained
    snapshot = outcome["ingested"]["snapshot"]
    assert snapshot["rows_in"] == 8000 == snapshot["rows_kept"] + snapshot["rows_quarantined"]
    quarantine = pl.read_parquet(project.root / "data" / "demo" / "quarantine.parquet")
    assert quarantine.height == snapshot["rows_quarantined"]
    assert quarantine["reason"].null_count() == 0


def test_every_metric_has_an_interval_and_a_sample_size(trained: tuple[Project, dict[str, Any]]) -> None:
    evaluation = trained[1]["evaluation"]
    names = {metric["name"] for metric in evaluation["metrics"]}
    assert {"accuracy", "efficiency_Fe", "anomaly_auc", "merit_factor_p_fe"} <= names
    for metric in evaluation["metrics"]:
        assert metric["low"] <= metric["value"] <= metric["high"], metric
        assert metric["n"] > 0
    assert sum(map(sum, evaluation["confusion"])) == trained[1]["ingested"]["split"]["rows"]["test"]


def test_the_run_holds_its_record(trained: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = trained
    folder = artifacts(project, outcome)
    files = {path.name for path in (folder / "bundle").iterdir()}
    assert files == {"bundle.json", "model.onnx", "weights.safetensors", "reference_scores.npy"}
    page = (folder / "report" / "report.html").read_text()
    assert f"{outcome['released']['identity']['name']} version 1 is champion" in page
    assert project.git("rev-parse", "HEAD").strip() in page
    assert page.count("<svg ") >= 8
    assert {path.name for path in (folder / "report").iterdir()} == {"report.html", "report.md", "MODEL_CARD.md"}
    assert "raw_showers" in (folder / "data" / "validation.html").read_text(), "what the suites found, with the run"
    manifest = json.loads((folder / "manifest.json").read_text())
    aspects = {"dataset", "preprocessing", "partitions", "training", "assessment", "randomness", "software", "hardware"}
    assert all(manifest[aspect] for aspect in aspects)
    assert manifest["code"]["commit"] == project.git("rev-parse", "HEAD").strip()


def test_prefect_has_the_flow_its_subflows_and_artifacts(
    trained: tuple[Project, dict[str, Any]], prefect_api: str
) -> None:
    def ask(what: str, **filters: object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.post(f"{prefect_api}/{what}/filter", json=filters).json()
        return found

    run_id = trained[1]["flow_run_id"]
    assert httpx.get(f"{prefect_api}/flow_runs/{run_id}").json()["state"]["type"] == "COMPLETED"
    children = ask("flow_runs", flow_runs={"parent_flow_run_id": {"any_": [run_id]}}, sort="START_TIME_ASC")
    flows = {flow["id"]: flow["name"] for flow in ask("flows")}
    assert [flows[run["flow_id"]] for run in children] == ["ingest", "train", "evaluate", "release"]
    made = ask("artifacts", artifacts={"flow_run_id": {"any_": [run["id"] for run in children]}})
    suites = ("partitions", "raw-showers", "training-showers")
    keys = ["metrics", "report", *(f"validation-{suite}" for suite in suites), "verdict"]
    assert sorted(artifact["key"] for artifact in made if artifact["type"] != "result") == keys


def test_a_second_run_reuses_everything(trained: tuple[Project, dict[str, Any]]) -> None:
    project, first = trained
    again = project.train(*SMALL)
    assert again["run_id"] == first["run_id"]
    assert again["flow_run_id"] != first["flow_run_id"]
    assert again["released"]["identity"] == first["released"]["identity"]
    assert registry(project, "select count(*) from runs") == [(1,)]


def test_the_same_experiment_trained_anew_is_the_same_model(trained: tuple[Project, dict[str, Any]]) -> None:
    project, first = trained
    shutil.rmtree(project.root / "data" / "demo")
    again = project.train(*SMALL, "--refresh")
    assert again["run_id"] != first["run_id"]
    assert again["ingested"]["snapshot"] == first["ingested"]["snapshot"]
    assert again["evaluation"] == first["evaluation"]
    for name in ("model.onnx", "weights.safetensors", "reference_scores.npy"):
        one, other = (artifacts(project, outcome) / "bundle" / name for outcome in (first, again))
        assert one.read_bytes() == other.read_bytes(), name


def test_a_worse_model_stays_challenger_with_the_reasons(trained: tuple[Project, dict[str, Any]]) -> None:
    project, _ = trained
    (champion,) = registry(project, "select version from registered_model_aliases where alias = 'champion'")
    worse = project.train(*SMALL, "--set", "training.epochs=1", "--set", "gate.min_accuracy=0.2")
    assert not worse["released"]["champion"]
    failed = [check["name"] for check in worse["released"]["verdict"]["checks"] if not check["passed"]]
    assert failed == ["gain over the champion"]
    aliases = dict(registry(project, "select alias, version from registered_model_aliases"))
    assert aliases["champion"] == champion[0]
    assert aliases["challenger"] == worse["released"]["identity"]["version"]


def test_a_dirty_tree_is_recorded(project: Project) -> None:
    (project.root / "notes.txt").write_text("not committed")
    outcome = project.train(*SMALL, "--set", "seed=5")
    assert outcome["code"]["dirty"]
    assert outcome["code"]["changes"] == ["?? notes.txt"]
    assert json.loads((artifacts(project, outcome) / "bundle" / "bundle.json").read_text())["lineage"]["git_dirty"]


def test_a_run_killed_half_way_leaves_nothing_half_written(project: Project) -> None:
    data = project.root / "data"
    command = ["cascada", "train", DEMO, "--set", "source.showers=600000"]
    child = subprocess.Popen(command, cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
    while not list(data.glob(".demo.writing-*")):
        assert child.poll() is None, "the run ended before the snapshot was written"
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert list(data.glob(".demo.writing-*"))
    assert not (data / "demo").exists()
    assert not (data / "demo.dvc").exists()
    outcome = project.train(*SMALL)
    assert outcome["ingested"]["snapshot"]["rows_in"] == 8000
    assert not list(data.glob(".demo.writing-*"))


def test_a_bundle_that_is_not_the_registered_one_is_not_served(trained: tuple[Project, dict[str, Any]]) -> None:
    project, _ = trained
    query = "select run_id from model_versions natural join registered_model_aliases where alias = 'champion'"
    ((run_id,),) = registry(project, query)
    spec = artifacts(project, {"run_id": run_id}) / "bundle" / "bundle.json"
    registered = spec.read_bytes()
    spec.write_bytes(registered + b"\n")
    try:
        answer = project.cascada("serve", "demo")
    finally:
        spec.write_bytes(registered)
    assert answer.returncode == 6
    assert "not the one that was judged" in answer.stderr
    assert hashlib.sha256(registered).hexdigest() in answer.stderr


@pytest.mark.slow
def test_native_code_tries_neither(project: Project, tmp_path: Path) -> None:
    """What Python's hooks do not see: the system calls of libraries in other languages."""
    if project.run("sh", "-c", "strace -f true").returncode != 0:
        pytest.skip("strace, which sees system calls, cannot be used here")
    strace = ("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o")
    small = (*SMALL, "--set", "seed=6", "--set", "source.showers=3000", "--set", "training.epochs=1")
    answer = project.run(*strace, str(tmp_path / "calls"), "cascada", "train", *small)
    assert answer.returncode == 0, answer.stderr
    calls = (tmp_path / "calls").read_text()
    named = set(re.findall(r'sin_addr=inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', calls))
    assert named == {("127.0.0.1", "")}, "nothing but the Prefect server"


def test_nothing_tries_to_reach_another_machine(
    trained: tuple[Project, dict[str, Any]], network_log: Path, project: Project
) -> None:
    assert trained[1]["released"]["bento"]
    assert network_log.read_text() == ""
    project.run(sys.executable, "-c", "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))")
    assert "192.0.2.1" in network_log.read_text()
    network_log.write_text("")


def test_a_run_records_time_energy_and_money(trained: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = trained
    rows = registry(project, "select run_uuid, key, value from tags")
    tags = {key: value for run, key, value in rows if run == outcome["run_id"]}
    assert float(tags["wall_s"]) > 0
    assert float(tags["energy_kwh"]) > 0
    assert tags["currency"] == "EUR"
    expenses = json.loads(project.cascada("cost", "--json").stdout)["expenses"]
    assert expenses[0]["name"] == "demo"
    told = json.loads(project.cascada("cost", "demo", "--json").stdout)
    assert told["measured"]["money"] >= float(tags["money"]) > 0
    assert len(told["places"]) == 4
