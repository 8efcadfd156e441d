"""From answers to an alarm: a real service's log, the command, the flow, its event and the overview."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import polars as pl
import pyarrow as pa
import pytest
from bundles import observables
from projects import REPOSITORY
from registered import PASSED, toy_project
from services import answer_table
from typer.testing import CliRunner, Result

from cascada.cli.main import app
from cascada.errors import ArtifactError, SourceError
from cascada.evaluation.domain import Domain
from cascada.monitoring.drift import Drift
from cascada.monitoring.watch import keep_drift, read_record
from cascada.overview.page import make_app
from cascada.registry import promotion
from cascada.settings import Settings
from flows.deployment import deploy_champion

WIDE = Domain(ranges={"energy_eev": (0.99, 320.0)})
FLOW = "from flows.monitoring import watch_drift; print(watch_drift(('toy',)))"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A project whose toy model is champion and deployed."""
    with toy_project(tmp_path_factory.mktemp("project"), domain=WIDE) as registry:
        deploy_champion(promotion.promote(registry.register("toy"), PASSED))
        yield Settings(root=registry.root)  # type: ignore[call-arg]


@pytest.fixture
def settings(deployed: Settings) -> Settings:
    """The same project, asked nothing yet."""
    shutil.rmtree(log_of(deployed), ignore_errors=True)
    return deployed


def serve(settings: Settings, seed: int, **factors: float) -> None:
    """Have the service answer some showers, and stop it."""
    showers = {name: values * factors.get(name, 1.0) for name, values in observables(12_000, seed).items()}
    answer_table(settings.served / "toy", settings.trusted, pa.table(showers), log=log_of(settings))


def log_of(settings: Settings) -> Path:
    found = settings.prediction_log("toy")
    assert found is not None
    return found


def drift(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["drift", *arguments])


def watch(prefect_api: str) -> str:
    """Run the flow as a worker does, in a process of its own."""
    environment = os.environ | {"PREFECT_API_URL": prefect_api, "PYTHONPATH": str(REPOSITORY)}
    answer = subprocess.run(
        [sys.executable, "-c", FLOW], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


async def overview(settings: Settings) -> tuple[httpx.Response, httpx.Response]:
    """Open the overview as JSON and as a page."""
    transport = httpx.ASGITransport(app=make_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://overview") as http:
        return await http.get("/overview.json"), await http.get("/")


def announced(prefect_api: str, wanted: int) -> list[dict[str, Any]]:
    """Read the events of drift, once there are as many as wanted or a while later."""
    toy = {"id": ["cascada.model.toy"]}  # other tests share the server
    asked = {"filter": {"event": {"name": ["cascada.model.drifted"]}, "resource": toy}}
    for _ in range(40):
        found: list[dict[str, Any]] = httpx.post(f"{prefect_api}/events/filter", json=asked).json()["events"]
        if len(found) >= wanted:
            break
        time.sleep(0.25)
    return found


def test_a_model_without_a_deployment_or_a_log_is_refused_with_what_to_do(settings: Settings) -> None:
    refused = drift("none")
    assert isinstance(refused.exception, ArtifactError)
    assert refused.exception.hint == "cascada serve none"
    assert isinstance(drift("toy").exception, SourceError)


def test_a_log_that_is_switched_off_is_not_judged(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(settings, seed=11)
    monkeypatch.setenv("CASCADA_SERVICE_LOG", "")
    refused = drift("toy").exception
    assert isinstance(refused, SourceError)
    assert refused.what == "predictions are not kept"


def test_the_command_tells_drift_by_its_exit_code(settings: Settings) -> None:
    serve(settings, seed=11)
    quiet = drift("toy", "--json")
    assert (quiet.exit_code, json.loads(quiet.stdout)["state"]) == (0, "none"), quiet.stdout
    serve(settings, seed=12, n_mu=1.2)
    loud = drift("toy")
    assert loud.exit_code == 1
    assert "muon_residual" in loud.stdout


def test_a_window_may_have_more_events_than_the_log(settings: Settings) -> None:
    serve(settings, seed=11)
    found = json.loads(drift("toy", "--json", "--window", "1000000").stdout)
    assert (found["state"], found["windows"]) == ("too few", [])


def test_a_damaged_file_is_named(settings: Settings) -> None:
    serve(settings, seed=11)
    path = log_of(settings) / "99999999T000000-1-0.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    refused = drift("toy").exception
    path.unlink()
    assert isinstance(refused, SourceError)
    assert path.name in refused.where


def test_the_answers_of_another_bundle_have_no_say(settings: Settings) -> None:
    serve(settings, seed=11)
    serve(settings, seed=12)
    log, before = log_of(settings), drift("toy", "--json").stdout
    newest = pl.read_parquet(max(log.iterdir())).with_columns(model_bundle_sha256=pl.lit("0" * 64))
    newest.drop("n_mu").write_parquet(log / "99999999T000000-1-0.parquet")
    assert drift("toy", "--json").stdout == before
    (log / "99999999T000000-1-0.parquet").unlink()


def found(state: Literal["none", "drifted", "too few"], version: int = 1) -> Drift:
    return Drift(model="episodes", version=version, state=state, events=1000, compared=True, windows=())


def test_drift_begins_once_lasts_and_begins_again(settings: Settings) -> None:
    story = [found("none"), found("drifted"), found("drifted"), found("too few"), found("drifted"), found("drifted", 2)]
    kept = [keep_drift(one, settings) for one in story]
    assert [record.begins for record in kept] == [False, True, False, False, True, True]
    assert [record.since for record in kept[1:3]] == [kept[1].time] * 2
    assert kept[3].since == ""
    assert read_record("episodes", settings) == kept[-1]


def test_drift_of_a_record_of_before_lasts_since_then(settings: Settings) -> None:
    first = keep_drift(found("drifted", 3), settings)
    path = settings.home / "drift" / "episodes.json"
    path.write_text(first.model_dump_json(exclude={"since"}))
    again = keep_drift(found("drifted", 3), settings)
    assert (again.begins, again.since) == (False, first.time)


@pytest.mark.slow
def test_the_flow_announces_drift_when_it_begins_and_the_overview_shows_it(
    settings: Settings, prefect_api: str
) -> None:
    serve(settings, seed=13)
    assert watch(prefect_api) == "{'toy': 'none'}"
    serve(settings, seed=14, n_mu=1.2)
    assert watch(prefect_api) == watch(prefect_api) == "{'toy': 'drifted'}"
    (event,) = announced(prefect_api, 1)
    assert event["resource"]["prefect.resource.id"] == "cascada.model.toy"
    assert "muon_residual" in event["payload"]["text"]
    told, page = asyncio.run(overview(settings))
    (champion,) = told.json()["champions"]
    assert champion["drift"] == "drifted"
    assert champion["drift_told"] in page.text
