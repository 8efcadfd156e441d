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
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pickles import find_pickles
from projects import DEMO, SMALL, Project

from cascada.config import Mode, load_experiment
from cascada.evaluation.contest import Noise
from cascada.registry.promotion import read_verdict, register
from cascada.tracking import models
from flows.evaluation import Evaluated
from flows.fitting import Trained
from flows.ingest import Ingested
from flows.judgement import judge_case
from flows.promotion import open_case
from flows.release import register_and_promote


@pytest.fixture(scope="module")
def trained(new_project: Callable[..., Project], prefect_api: str) -> tuple[Project, dict[str, Any]]:
    """A project with one trained champion."""
    project = new_project(PREFECT_API_URL=prefect_api)
    return project, project.train(*SMALL)


@pytest.fixture(scope="module")
def worse(trained: tuple[Project, dict[str, Any]]) -> dict[str, Any]:
    """The outcome of a training that is too short."""
    return trained[0].train(*SMALL, "--set", "training.epochs=1", "--set", "gate.min_accuracy=0.2")


def registry(project: Project, query: str) -> list[tuple[Any, ...]]:
    """Ask the MLflow database."""
    with sqlite3.connect(project.root / ".cascada" / "mlflow.db") as database:
        return database.execute(query).fetchall()


def artifacts(project: Project, outcome: dict[str, Any]) -> Path:
    return project.root / ".cascada" / "mlartifacts" / outcome["run_id"] / "artifacts"


def enter(project: Project, patch: pytest.MonkeyPatch) -> None:
    """Use a project's stores in this process."""
    for name, value in {**project.stores, "CASCADA_ROOT": str(project.root)}.items():
        patch.setenv(name, value)


def test_a_passing_verdict_makes_a_champion(trained: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = trained
    released = outcome["released"]
    assert [check for check in released["verdict"]["checks"] if not check["passed"]] == []
    assert released["champion"]
    assert registry(project, "select alias, version from registered_model_aliases") == [("champion", 1)]
    served = project.root / ".cascada" / "served" / "demo"
    assert json.loads((served / "current" / "package" / "identity.json").read_text())["version"] == 1
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


def ask(prefect_api: str, what: str, **filters: object) -> list[dict[str, Any]]:
    """List what Prefect knows."""
    found: list[dict[str, Any]] = httpx.post(f"{prefect_api}/{what}/filter", json=filters).json()
    return found


def test_prefect_has_the_flow_its_subflows_and_artifacts(
    trained: tuple[Project, dict[str, Any]], prefect_api: str
) -> None:
    run_id = trained[1]["flow_run_id"]
    assert httpx.get(f"{prefect_api}/flow_runs/{run_id}").json()["state"]["type"] == "COMPLETED"
    children = ask(
        prefect_api, "flow_runs", flow_runs={"parent_flow_run_id": {"any_": [run_id]}}, sort="START_TIME_ASC"
    )
    flows = {flow["id"]: flow["name"] for flow in ask(prefect_api, "flows")}
    assert [flows[run["flow_id"]] for run in children] == ["ingest", "train", "evaluate", "release"]
    made = ask(prefect_api, "artifacts", artifacts={"flow_run_id": {"any_": [run["id"] for run in children]}})
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
    assert not again["released"]["champion"], "nothing was gained"
    (check,) = [check for check in again["released"]["verdict"]["checks"] if not check["passed"]]
    assert check["measured"].startswith("not better than noise: 0.000 [0.000, 0.000]")


def test_a_worse_model_stays_challenger_with_the_reasons(
    trained: tuple[Project, dict[str, Any]], worse: dict[str, Any]
) -> None:
    project, _ = trained
    assert not worse["released"]["champion"]
    failed = [check["name"] for check in worse["released"]["verdict"]["checks"] if not check["passed"]]
    assert failed == ["gain over the champion", "protected slices"]
    aliases = dict(registry(project, "select alias, version from registered_model_aliases where name = 'demo'"))
    assert aliases == {"champion": 1, "challenger": worse["released"]["identity"]["version"]}


def test_another_fit_finds_the_data_in_the_cache(worse: dict[str, Any], prefect_api: str) -> None:
    children = ask(prefect_api, "flow_runs", flow_runs={"parent_flow_run_id": {"any_": [worse["flow_run_id"]]}})
    tasks = ask(prefect_api, "task_runs", task_runs={"flow_run_id": {"any_": [run["id"] for run in children]}})
    states = {task["name"].rpartition("-")[0]: task["state"]["name"] for task in tasks}
    assert (states["snapshot_source"], states["make_split"]) == ("Cached", "Cached")
    assert states["fit_network"] == "Completed"


def test_a_contest_of_before_is_held_again_for_the_anomalies_that_it_lacks(
    trained: tuple[Project, dict[str, Any]], worse: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    enter(trained[0], monkeypatch)
    case = open_case(models.get_version("demo", worse["released"]["identity"]["version"]), tmp_path)
    assert case.known is not None
    before = case.known.contest
    assert before is not None
    assert before.anomalies is not None
    noise = Noise(accuracies=(0.6, 0.61), bound=0.0)
    lacking = before.model_copy(update={"anomalies": None, "noise": noise})
    old = replace(case, known=case.known.model_copy(update={"contest": lacking}))
    again = judge_case(old, measure_noise=never).contest
    assert again == before.model_copy(update={"noise": noise}), "the noise is not measured a second time"
    assert judge_case(case, measure_noise=never).contest is before


def never(*_: object) -> Noise:
    raise AssertionError("the noise decides nothing here")


@pytest.mark.slow
def test_a_model_is_promoted_when_it_gains_more_than_seeds_do(
    trained: tuple[Project, dict[str, Any]], worse: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a name of their own, the short training first: its champion is beaten, by more than other seeds move."""
    project, good = trained
    enter(project, monkeypatch)
    for outcome in (worse, good):
        known = models.get_version("demo", outcome["released"]["identity"]["version"])
        facts = {name: known.tags[name] for name in ("data_sha256", "data_valid", "manifest_sha256")}
        register("two", run_id=known.run_id, bundle_sha256=known.tags["bundle_sha256"], tags=facts)
    first = project.cascada("promote", "two@1", "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["champion"]
    better = project.cascada("promote", "two@2", "--reason", "four epochs", "--json")
    assert better.returncode == 0, better.stderr
    found = json.loads(better.stdout)
    assert (found["before"], found["version"], found["champion"], found["forced"]) == (1, 2, True, False)
    contest = found["verdict"]["contest"]
    assert len(contest["noise"]["accuracies"]) == 4, "its own and three more seeds"
    assert 0.0 < contest["noise"]["bound"] < contest["gain"]["low"]
    assert {f"primary {name}" for name in ("photon", "p", "He", "N", "Fe")} <= {s["region"] for s in contest["slices"]}
    assert [change["reason"] for change in found["history"]] == ["passed the gate", "passed the gate: four epochs"]
    back = project.cascada("promote", "two@1", "--json")
    assert back.returncode == 1, "the older one is worse"
    forced = project.cascada("promote", "two@1", "--force", "--reason", "a demonstration", "--json")
    assert forced.returncode == 0, forced.stderr
    assert json.loads(forced.stdout)["forced"]
    assert json.loads(forced.stdout)["history"][-1]["reason"].endswith(": a demonstration")


@pytest.mark.parametrize(("mode", "standing"), [
    ("dry_run", "would become champion: the gate is on a dry run and moves no alias"),
    ("disabled", "is registered and not judged: the gate is disabled"),
])  # fmt: skip
def test_a_gate_on_a_dry_run_or_disabled_moves_no_alias(
    trained: tuple[Project, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, mode: Mode, standing: str
) -> None:
    project, outcome = trained
    enter(project, monkeypatch)
    experiment = load_experiment(artifacts(project, outcome) / "experiment.yaml")
    other = experiment.model_copy(
        update={"name": f"mode-{mode}", "gate": experiment.gate.model_copy(update={"mode": mode})}
    )
    identity = outcome["released"]["identity"]
    released = register_and_promote.fn(
        other, Ingested.model_validate(outcome["ingested"]),
        Trained(run_id=outcome["run_id"], bundle_sha256=identity["bundle_sha256"], determinism={}),
        Evaluated(evaluation=outcome["evaluation"], manifest_sha256=identity["manifest_sha256"]),
    )  # fmt: skip
    assert released.standing == f"mode-{mode} version 1 {standing}"
    version = models.get_version(other.name, 1)
    assert version.aliases == ()
    assert version.tags.get("verdict") == {"dry_run": "passed", "disabled": None}[mode]
    assert read_verdict(version) == released.verdict
    assert not (project.root / ".cascada" / "served" / other.name).exists()


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
    shutil.rmtree(project.root / ".cascada" / "served")  # what is deployed would be served without the store
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


def test_nothing_that_a_training_writes_is_a_pickle(trained: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = trained
    home = project.root / ".cascada"
    # DVC keeps times and links of files in caches of its own; nothing of ours reads them, and no model is in them.
    assert [name for name in find_pickles(home) if not name.startswith("dvc-site/")] == []
    assert find_pickles(project.root / "data") == []
    kinds = {path.suffix for path in artifacts(project, outcome).rglob("*") if path.is_file()}
    assert kinds <= {".json", ".yaml", ".txt", ".parquet", ".html", ".md", ".onnx", ".safetensors", ".npy", ".gz"}
    package = {path.suffix for path in (home / "served" / "demo").rglob("*") if path.is_file()}
    assert package <= {".json", ".jsonl", ".onnx", ".safetensors", ".npy", ".sig"}


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
