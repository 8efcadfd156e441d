"""A search through the command line: what it registers, what it keeps, and that its winner can be trained again."""

from __future__ import annotations

import csv
import json
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pickles import find_pickles
from projects import SMALL, Project

from cascada.config import load_experiment
from cascada.training.tuning import identify

pytestmark = pytest.mark.slow

SPACE = "{training.learning_rate: [1.0e+30, 5.0e-3, 1.0e-3], model.latent: {low: 1, high: 4, integer: true}}"
SEARCH = (*SMALL, "--set", f"search={{trials: 4, space: {SPACE}}}")
KEYS = ["training.learning_rate", "model.latent"]


@pytest.fixture(scope="module")
def searched(new_project: Callable[..., Project], prefect_api: str) -> tuple[Project, dict[str, Any], str]:
    """A project with one search, its outcome and what it said."""
    project = new_project(PREFECT_API_URL=prefect_api)
    answer = project.cascada("tune", *SEARCH, "--best", "best.yaml", "--json", timeout=600)
    assert answer.returncode == 0, answer.stderr
    return project, json.loads(answer.stdout), answer.stderr


def artifacts(project: Project, run_id: str) -> Path:
    return project.root / ".cascada" / "mlartifacts" / run_id / "artifacts"


def tags(project: Project, run_id: str) -> dict[str, str]:
    with sqlite3.connect(project.root / ".cascada" / "mlflow.db") as database:
        return dict(database.execute("select key, value from tags where run_uuid = ?", (run_id,)).fetchall())


def without_seconds(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one | {"seconds": 0, "cpu_seconds": 0} for one in trials]


def test_the_winner_is_trained_and_registered(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, tuned, _ = searched
    found, outcome = tuned["searched"], tuned["outcome"]
    finished = [one for one in found["trials"] if one["state"] == "finished"]
    assert found["best"] == min(finished, key=lambda one: one["value"])
    assert outcome["released"]["champion"]
    known = yaml.safe_load((artifacts(project, outcome["run_id"]) / "experiment.yaml").read_text())
    assert known["model"]["latent"] == found["best"]["parameters"]["model.latent"]
    assert known["training"]["learning_rate"] == found["best"]["parameters"]["training.learning_rate"]
    assert "search" not in known
    told = tags(project, outcome["run_id"])
    assert (told["search"], told["search_trial"]) == (found["run_id"], str(found["best"]["number"]))


def test_every_trial_is_in_the_table(searched: tuple[Project, dict[str, Any], str], prefect_api: str) -> None:
    project, tuned, _ = searched
    found = tuned["searched"]
    with (artifacts(project, found["run_id"]) / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["trial", "state", "log_loss", "seconds", *KEYS, "error"]
    assert len(rows) == len(found["trials"]) == 4
    for row, one in zip(rows, found["trials"], strict=True):
        assert (int(row["trial"]), row["state"], row["error"]) == (one["number"], one["state"], one["error"])
        assert row["log_loss"] == ("" if one["value"] is None else repr(one["value"]))
        assert [float(row[key]) for key in KEYS] == [one["parameters"][key] for key in KEYS]
        assert one["seconds"] > 0
    assert tags(project, found["run_id"])["best_trial"] == str(found["best"]["number"])
    fits = sum(one["cpu_seconds"] for one in found["trials"])
    assert 0.0 < fits < float(tags(project, found["run_id"])["cpu_s"]), "the bill holds what Ray's processes took"
    wanted = {"artifacts": {"key": {"any_": ["trials"]}, "type": {"any_": ["table"]}}}
    shown = httpx.post(f"{prefect_api}/artifacts/filter", json=wanted).json()
    assert [one["trial"] for one in json.loads(shown[0]["data"])] == [1, 2, 3, 4]


def test_a_failing_trial_is_told(searched: tuple[Project, dict[str, Any], str]) -> None:
    _, tuned, said = searched
    failed = [one for one in tuned["searched"]["trials"] if one["state"] == "failed"]
    assert [one["number"] for one in failed] == [
        one["number"] for one in tuned["searched"]["trials"] if one["parameters"]["training.learning_rate"] == 1e30
    ]
    assert failed
    for one in failed:
        assert "InvalidDataError: the loss ran away before an epoch was done" in one["error"]
        assert f"trial {one['number']} of 4 failed" in said


def test_the_winner_trains_to_the_same_model(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, tuned, _ = searched
    first = tuned["outcome"]
    kept = artifacts(project, tuned["searched"]["run_id"]) / "best.yaml"
    assert kept.read_text() == (project.root / "best.yaml").read_text()
    assert load_experiment(kept).model_dump(mode="json") == tuned["best"]
    assert project.train("best.yaml")["run_id"] == first["run_id"], "nothing is fitted twice"
    again = project.train("best.yaml", "--refresh")
    assert again["run_id"] != first["run_id"]
    for name in ("model.onnx", "weights.safetensors", "reference_scores.npy"):
        one, other = (artifacts(project, outcome["run_id"]) / "bundle" / name for outcome in (first, again))
        assert one.read_bytes() == other.read_bytes(), name


def test_a_search_goes_on_where_it_ended(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, tuned, _ = searched
    answer = project.cascada("tune", *SEARCH, "--trials", "6", "--resume", "--json", timeout=600)
    assert answer.returncode == 0, answer.stderr
    assert "no interrupted search" not in answer.stderr
    longer = json.loads(answer.stdout)["searched"]
    assert len(longer["trials"]) == 6
    assert without_seconds(longer["trials"][:4]) == without_seconds(tuned["searched"]["trials"])
    assert longer["run_id"] != tuned["searched"]["run_id"]


def test_the_same_search_is_not_done_twice(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, tuned, _ = searched
    answer = project.cascada("tune", *SEARCH)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"Search: 4 trials, \d finished, \d failed", answer.stdout)
    assert "validation log_loss" in answer.stdout
    assert tuned["searched"]["run_id"] in answer.stdout
    assert f"model.latent {tuned['searched']['best']['parameters']['model.latent']}" in re.sub(
        r" +", " ", answer.stdout
    )


def test_a_training_knows_nothing_of_the_section(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, _, _ = searched
    short = ("--set", "training.epochs=1", "--set", "gate.mode=disabled")
    without = project.train(*SMALL, *short, "--set", "search=null")
    assert project.train(*SEARCH, *short)["run_id"] == without["run_id"]


def test_no_search_leaves_a_pickle(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, _, _ = searched
    assert [name for name in find_pickles(project.root / ".cascada") if not name.startswith("dvc-site/")] == []


def test_when_all_trials_fail_the_command_does(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, _, _ = searched
    space = "search={trials: 2, space: {training.learning_rate: [1.0e+30]}}"
    answer = project.cascada("tune", *SMALL, "--set", space, timeout=600)
    assert answer.returncode == 2
    assert "all 2 trials failed" in answer.stderr
    assert "the loss ran away before an epoch was done" in answer.stderr


@pytest.mark.timeout(600)
def test_a_killed_search_goes_on(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, _, _ = searched
    other = (*SEARCH, "--trials", "40", "--set", "search.metric=accuracy")
    journals = project.root / ".cascada" / "checkpoints"
    before = set(journals.glob("*/trials.jsonl"))
    with subprocess.Popen(["cascada", "tune", *other], cwd=project.root, env=project.environment) as child:
        try:
            while not any(path.stat().st_size for path in set(journals.glob("*/trials.jsonl")) - before):
                assert child.poll() is None, "the search ended before it was killed"
                time.sleep(0.05)
        finally:
            child.send_signal(signal.SIGKILL)
    (journal,) = set(journals.glob("*/trials.jsonl")) - before
    with journal.open("a") as file:
        file.write('["cut sho')  # what a process leaves that dies while it writes
    known = dict(json.loads(line) for line in journal.read_text().splitlines()[:-1])
    answer = project.cascada("tune", *other, "--trials", "3", "--resume", "--json", timeout=600)
    assert answer.returncode == 0, answer.stderr
    first = next(one for one in json.loads(answer.stdout)["searched"]["trials"] if one["state"] == "finished")
    assert known[identify(first["parameters"])] == first["value"]


@pytest.mark.timeout(600)
def test_a_worker_searches_too(searched: tuple[Project, dict[str, Any], str]) -> None:
    project, _, _ = searched
    assert project.cascada("up", "worker", timeout=300).returncode == 0
    sets = [value for option, value in pairwise(SEARCH) if option == "--set"]
    experiment = load_experiment(project.root / SEARCH[0], [*sets, "name=deployed", "search.parallel=2"])
    (project.root / "parameters.json").write_text(json.dumps({"experiment": experiment.model_dump(mode="json")}))
    run = 'prefect deployment run tune-experiment/tune --params "$(cat parameters.json)" --watch'
    watched = project.run("bash", "-c", f'eval "$(cascada env)"\n{run}', timeout=400)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    with sqlite3.connect(project.root / ".cascada" / "mlflow.db") as database:
        names = {name for (name,) in database.execute("select name from runs")}
    assert {"deployed-search", "deployed-seed-2020"} <= names


def test_a_bad_space_is_refused_before_anything_starts(new_project: Callable[..., Project]) -> None:
    project = new_project()
    answer = project.cascada("tune", *SMALL, "--set", "search={space: {model.latents: [1]}}")
    assert answer.returncode == 2
    assert "model.latents: the experiment has no such key" in answer.stderr
    assert "did you mean model.latent" in answer.stderr
    assert not (project.root / ".cascada" / "servers.json").exists()
