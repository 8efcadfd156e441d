"""What the prediction log keeps, and that neither a full queue nor a full disk is seen by a client."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from services import EVENT, application, client

from cascada.registry.bundle import Bundle
from serving.app import Application
from serving.prediction_log import PredictionLog
from serving.settings import read_settings
from serving.tables import ARROW_STREAM, JSON

BAD = EVENT | {"n_mu": 0}
Put = Callable[[int], Path]


async def live(app: Application, *bodies: Any) -> list[Any]:
    """Ask for predictions, and stop the application as a server does."""
    answers = []
    async with client(app) as http:
        for number, body in enumerate(bodies):
            table = isinstance(body, bytes)
            headers = {"X-Request-ID": f"r-{number}", "Content-Type": ARROW_STREAM if table else JSON, "Accept": JSON}
            send = {"content": body} if table else {"json": body}
            answers.append(await http.post("/predict/batch" if table else "/predict", headers=headers, **send))
        answers.append(await http.get("/metrics"))
    assert app._log is not None
    app._log.close()
    return answers


def stream(*pieces: list[dict[str, float]]) -> bytes:
    tables, body = [pa.Table.from_pylist(piece) for piece in pieces], io.BytesIO()
    with pa.ipc.new_stream(body, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return body.getvalue()


def test_inputs_answers_and_lineage_are_kept(put: Put, keys: Path, bundle: Bundle, tmp_path: Path) -> None:
    app, before = application(put(1), keys, log=tmp_path / "log"), time.time()
    asked = {"events": [EVENT, BAD, EVENT | {"n_mu": 6e7}]}
    table = stream([BAD | {"n_mu": 0.0}, EVENT], [EVENT, EVENT])
    json_answer, table_answer, _ = asyncio.run(live(app, asked, table))
    kept = pl.read_parquet(tmp_path / "log" / "*.parquet")
    assert kept["request_id"].to_list() == ["r-0"] * 2 + ["r-1"] * 3
    assert kept["row"].to_list() == [0, 2, 1, 2, 3]
    assert kept["n_mu"].to_list() == [5.5e7, 6e7, 5.5e7, 5.5e7, 5.5e7]
    said = [*json_answer.json()["predictions"], *table_answer.json()["predictions"]]
    good = [one for one in said if "error" not in one]
    for name in ("primary", "anomaly_score", "p_value", "in_domain", "ln_mass"):
        assert kept[name].to_list() == [one[name] for one in good]
    assert kept["probability_Fe"].to_list() == [one["probabilities"]["Fe"] for one in good]
    assert set(kept["model_version"]) == {1}
    assert set(kept["model_bundle_sha256"]) == {bundle.sha256}
    assert set(kept["model_run_id"]) == {bundle.spec.lineage.run_id}
    assert all(before - 1 <= when.timestamp() <= time.time() for when in kept["time"])


def test_a_file_is_of_one_model(put: Put, keys: Path, tmp_path: Path) -> None:
    app = application(put(1), keys, log=tmp_path / "log", log_s=3600)

    async def swap() -> None:
        async with client(app) as http:
            await http.post("/predict", json={"events": [EVENT]})
            put(2)
            await app.slot.look()
            await http.post("/predict", json={"events": [EVENT]})

    asyncio.run(swap())
    asyncio.run(live(app))
    files = [pl.read_parquet(path) for path in sorted((tmp_path / "log").iterdir())]
    assert [file["model_version"].to_list() for file in files] == [[1], [2]]


def test_without_a_folder_nothing_is_kept(app: Application, tmp_path: Path) -> None:
    assert read_settings({}).log is read_settings({"CASCADA_SERVICE_LOG": ""}).log is None
    assert app._log is None
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_the_queue_cannot_hold_is_dropped_counted_and_told_once(
    put: Put, keys: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = application(put(1), keys, log=tmp_path / "log", log_rows=2)
    with caplog.at_level(logging.WARNING):
        *answers, metrics = asyncio.run(live(app, *[{"events": [EVENT] * 5}] * 4))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert 'cascada_logged_events_total{outcome="dropped"} 20.0' in metrics.text
    assert caplog.text.count("predictions are not logged") == 1


def test_a_disk_that_takes_nothing_fails_no_request(
    put: Put, keys: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    app = application(put(1), keys, log=tmp_path / "log", log_s=0.01)
    with caplog.at_level(logging.WARNING):
        *answers, _ = asyncio.run(live(app, {"events": [EVENT]}, {"events": [EVENT]}))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert app._log is not None
    assert app._log.rows == {"written": 0, "dropped": 2}
    assert caplog.text.count("predictions are not logged") == 1


def test_the_oldest_files_go_first(put: Put, keys: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    for number in range(4):
        (log / f"2020010{number}-old.parquet").write_bytes(b"x" * 40_000)
    app = application(put(1), keys, log=log, log_max_mb=0.1)
    asyncio.run(live(app, {"events": [EVENT]}))
    names = sorted(path.name for path in log.iterdir())
    assert names[:-1] == ["20200102-old.parquet", "20200103-old.parquet"][-len(names[:-1]) :]
    assert sum(path.stat().st_size for path in log.iterdir()) <= 100_000
    assert not names[-1].startswith("2020")


def test_a_slow_disk_does_not_hold_a_request_up(
    put: Put, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PredictionLog, "_write", lambda _: time.sleep(60))
    monkeypatch.setattr("serving.prediction_log._CLOSE_S", 0.1)
    app = application(put(1), keys, log=tmp_path / "log", log_s=0.01)
    answers = asyncio.run(asyncio.wait_for(live(app, *[{"events": [EVENT]}] * 20), 30))
    assert {answer.status_code for answer in answers} == {200}
