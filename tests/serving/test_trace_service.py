"""A model of traces from the simulator to HTTP: trained, judged, promoted and served by the commands that users run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from projects import Project

from cascada.registry.bundle import Bundle
from cascada.training.traces import StationTable, take_stations
from serving.schemas import Station

pytestmark = pytest.mark.slow

_SETTINGS = (
    "source.showers=500", "source.primaries=[photon, p, Fe]", "reference=[p, Fe]", "training.epochs=2",
    "training.threads=1", "model.channels=[4]", "model.bins=40", "anomaly.components=2", "gate.max_accuracy=1.0",
    "gate.min_accuracy=0.01", "gate.min_anomaly_auc=0.01",
)  # fmt: skip
SMALL = ("flows/experiments/traces.yaml", *(word for setting in _SETTINGS for word in ("--set", setting)))


@pytest.fixture(scope="module")
def served(new_project: Callable[..., Project], prefect_api: str) -> tuple[Project, dict[str, Any]]:
    """A project with a champion that sees traces, behind a running service."""
    project = new_project(PREFECT_API_URL=prefect_api)
    outcome = project.train(*SMALL)
    answer = project.cascada("serve", "traces")
    assert answer.returncode == 0, answer.stderr
    return project, outcome


def opened(served: tuple[Project, dict[str, Any]]) -> tuple[Bundle, pl.DataFrame, pl.DataFrame]:
    """The bundle, and the first events of the snapshot with their stations."""
    project, outcome = served
    bundle = Bundle(project.root / ".cascada" / "mlartifacts" / outcome["run_id"] / "artifacts" / "bundle")
    folder = project.root / "data" / "traces"
    events = pl.read_parquet(folder / "showers.parquet").head(20)
    return bundle, events, pl.read_parquet(folder / "stations.parquet")


def request(columns: tuple[str, ...], events: pl.DataFrame, stations: pl.DataFrame) -> list[dict[str, Any]]:
    listed = stations.select("shower_id", pl.struct(*Station.model_fields).alias("stations"))
    own = listed.group_by("shower_id").agg("stations")
    joined = events.select("shower_id", *columns).join(own, on="shower_id", how="left", maintain_order="left")
    return joined.drop("shower_id").to_dicts()


def post(project: Project, events: list[dict[str, Any]]) -> httpx.Response:
    return httpx.post(f"{project.settings.service_url}/predict", json={"events": events}, timeout=60)


def test_answers_are_those_of_the_bundle_that_was_judged(served: tuple[Project, dict[str, Any]]) -> None:
    bundle, events, stations = opened(served)
    assert bundle.spec.stations is not None
    array = take_stations(StationTable(stations.lazy(), bundle.spec.stations), events)
    expected = bundle.predict({name: events[name].cast(pl.Float64).to_numpy() for name in bundle.columns}, array)
    answer = post(served[0], request(bundle.columns, events, stations))
    assert answer.status_code == 200, answer.text
    for i, prediction in enumerate(answer.json()["predictions"]):
        assert list(prediction["probabilities"].values()) == expected.probabilities[i].tolist()
        assert prediction["anomaly_score"] == expected.anomaly_score[i]
        assert prediction["p_value"] == expected.p_value[i]


@pytest.mark.parametrize(
    ("change", "field", "allowed"),
    [
        ({"stations": None}, "stations", "stations with distance_m, plane_azimuth_deg, time_ns"),
        ({"zenith_reco_deg": None}, "zenith_reco_deg", "0 to 90 deg"),
        ({"stations": [{"distance_m": 1000.0}]}, "stations.0.plane_azimuth_deg", "Field required"),
        ({"stations": []}, "stations", "List should have at least 1 item"),
    ],
)
def test_an_event_without_what_the_model_needs_has_its_error_beside_a_good_one(
    served: tuple[Project, dict[str, Any]], change: dict[str, Any], field: str, allowed: str
) -> None:
    bundle, events, stations = opened(served)
    whole = request(bundle.columns, events.head(2), stations)
    good, bad = post(served[0], [whole[0], whole[1] | change]).json()["predictions"]
    assert "primary" in good
    assert bad["error"]["field"] == field
    assert allowed in bad["error"]["allowed"]


def test_a_short_trace_is_refused(served: tuple[Project, dict[str, Any]]) -> None:
    bundle, events, stations = opened(served)
    short = stations.with_columns(pl.col("trace_vem").list.head(39))
    answer = post(served[0], request(bundle.columns, events.head(1), short))
    assert answer.status_code == 422
    assert "sees 40 bins of 25 ns" in answer.text


def test_an_arrow_table_with_stations_is_answered_as_json_is(served: tuple[Project, dict[str, Any]]) -> None:
    bundle, events, stations = opened(served)
    asked = request(bundle.columns, events, stations)
    body = io.BytesIO()
    pl.DataFrame(asked).write_ipc_stream(body, compat_level=pl.CompatLevel.oldest())
    headers = {"Content-Type": "application/vnd.apache.arrow.stream", "Accept": "application/json"}
    answer = httpx.post(
        f"{served[0].settings.service_url}/predict/batch", content=body.getvalue(), headers=headers, timeout=60
    )
    assert answer.json()["predictions"] == post(served[0], asked).json()["predictions"]


def test_the_command_line_asks_it(served: tuple[Project, dict[str, Any]]) -> None:
    bundle, events, stations = opened(served)
    asked = request(bundle.columns, events.head(1), stations)
    (served[0].root / "events.json").write_text(json.dumps(asked))
    answer = served[0].cascada("predict", "events.json")
    assert answer.returncode == 0, answer.stderr
    assert f"{len(asked[0]['stations'])} stations" in answer.stdout


def test_the_record_names_the_table_of_the_traces(served: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = served
    folder = project.root / ".cascada" / "mlartifacts" / outcome["run_id"] / "artifacts"
    dataset = json.loads((Path(folder) / "manifest.json").read_text())["dataset"]
    assert dataset["table_sha256"] == outcome["ingested"]["snapshot"]["table_sha256"]
    assert len(dataset["table_sha256"]["stations"]) == 64
    metrics = {metric["name"] for metric in outcome["evaluation"]["metrics"]}
    assert {"accuracy", "anomaly_auc"} <= metrics
