"""A shadow is asked what the model is asked: no answer changes, no request fails, and what differs is counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from bundles import export, identity, observables
from services import EVENT, application, client

from cascada.monitoring.windows import read_windows
from cascada.registry.bundle import Bundle
from cascada.registry.deployment import SHADOW, current, deploy_shadow, drop_shadow
from cascada.repro.signing import own_key
from serving.app import Application
from serving.shadow import ANOMALOUS

Put = Callable[[int], Path]
SHOWERS = observables(150)
ROWS = [dict(zip(SHOWERS, row, strict=True)) for row in np.stack(list(SHOWERS.values()), axis=1).tolist()]
BAD = EVENT | {"n_mu": 0}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model that disagrees now and then: other untrained weights."""
    return export(tmp_path_factory.mktemp("other") / "bundle", seed=18)


@pytest.fixture
def shadowed(put: Put, keys: Path, other: Bundle, tmp_path: Path) -> Application:
    """Version 1 answers, version 2 is its shadow."""
    served = put(1)
    deploy_shadow(other.folder, identity(other, 2), served, key=own_key(keys))
    return application(served, keys, log=tmp_path / "log", log_s=3600)


async def ask(app: Application, *bodies: dict[str, Any]) -> list[httpx.Response]:
    await app.shadows.look()
    async with client(app) as http:
        numbered = enumerate(bodies)
        return [await http.post("/predict", json=body, headers={"X-Request-ID": f"r-{n}"}) for n, body in numbered]


def told(app: Application) -> tuple[dict[str, Any], str]:
    """What /model says of the shadow once it has answered all, and /metrics."""
    assert app.shadows.shadow is not None
    app.shadows.shadow.close()

    async def read() -> tuple[dict[str, Any], str]:
        async with client(app) as http:
            return (await http.get("/model")).json()["shadow"], (await http.get("/metrics")).text

    return asyncio.run(read())


def test_no_answer_changes(shadowed: Application, put: Put, keys: Path) -> None:
    bodies = [{"events": ROWS}, {"events": [EVENT, BAD]}, {"events": "none"}]
    with_shadow = asyncio.run(ask(shadowed, *bodies))
    assert shadowed.shadows.shadow is not None
    drop_shadow(put(1))
    alone = application(put(1), keys)
    without = asyncio.run(ask(alone, *bodies))
    assert alone.shadows.shadow is None
    for one, two in zip(with_shadow, without, strict=True):
        assert (one.content, one.headers) == (two.content, two.headers)


def test_what_differs_is_counted(shadowed: Application, bundle: Bundle, other: Bundle) -> None:
    asyncio.run(ask(shadowed, {"events": ROWS[:100]}, {"events": [*ROWS[100:], BAD]}))
    one, two = bundle.predict(SHOWERS), other.predict(SHOWERS)
    same = int((one.probabilities.argmax(1) == two.probabilities.argmax(1)).sum())
    rates = {"champion": (one.p_value <= ANOMALOUS).mean(), "shadow": (two.p_value <= ANOMALOUS).mean()}
    found, metrics = told(shadowed)
    assert 0 < same < 150
    assert found["model"]["version"] == 2
    assert found["events"] == {"answered": 150, "dropped": 0, "failed": 0}
    assert found["agreement"] == same / 150
    assert found["anomaly_rate"] == rates
    assert f'cascada_shadow_primaries_total{{agree="no"}} {150 - same}.0' in metrics
    assert 'cascada_shadow_events_total{outcome="answered"} 150.0' in metrics
    assert 'cascada_shadow_info{model="toy",run_id="' in metrics


def test_its_answers_are_kept_apart_from_those_that_were_given(
    shadowed: Application, bundle: Bundle, other: Bundle, tmp_path: Path
) -> None:
    asyncio.run(ask(shadowed, {"events": [BAD, *ROWS]}))
    told(shadowed)
    assert shadowed._log is not None
    shadowed._log.close()
    given, kept = (pl.read_parquet(folder / "*.parquet") for folder in (tmp_path / "log", tmp_path / "log" / SHADOW))
    assert set(given["model_version"]) == {1}
    assert set(kept["model_version"]) == {2}
    assert set(kept["model_bundle_sha256"]) == {other.sha256}
    assert kept["anomaly_score"].to_list() == other.predict(SHOWERS).anomaly_score.tolist()
    assert kept.select("request_id", "row", "n_mu").equals(given.select("request_id", "row", "n_mu"))
    assert len(read_windows(tmp_path / "log", bundle, size=50, count=9)) == 3
    assert read_windows(tmp_path / "log", other, size=50, count=9) == (), "drift sees what was answered, and no more"


@pytest.mark.parametrize("harm", ["unsigned", "altered"])
def test_a_package_that_is_refused_is_no_shadow_and_stops_nothing(
    put: Put, keys: Path, other: Bundle, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = put(1)
    place = deploy_shadow(other.folder, identity(other, 2), served, key=own_key(keys))
    if harm == "unsigned":
        (place / "package.sig").unlink()
    else:
        graph = place / "package" / "bundle" / "model.onnx"
        graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    app = application(served, keys)
    (answer,) = asyncio.run(ask(app, {"events": [EVENT]}))
    asyncio.run(app.shadows.look())
    assert (answer.status_code, app.shadows.shadow, app.shadows.hearer) == (200, None, None)
    assert app.shadows.packages == {"opened": 0, "refused": 1}
    assert "refused as a shadow" in caplog.text


def test_a_model_that_needs_more_is_refused(
    put: Put, keys: Path, other: Bundle, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = put(1)
    deploy_shadow(other.folder, identity(other, 2), served, key=own_key(keys))
    app = application(served, keys)
    app.slot.model.reader.names = tuple(name for name in app.slot.model.reader.names if name != "n_em")
    asyncio.run(app.shadows.look())
    assert app.shadows.shadow is None
    assert "these lack what it needs" in caplog.text
    assert "n_em" in caplog.text


def test_what_a_shadow_cannot_answer_is_counted_and_told_once(
    shadowed: Application, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(shadowed.shadows.look())
    assert shadowed.shadows.shadow is not None
    monkeypatch.setattr(shadowed.shadows.shadow.model, "answer", lambda _: 1 / 0)
    answers = asyncio.run(ask(shadowed, {"events": ROWS[:3]}, {"events": ROWS[:4]}))
    assert [one.status_code for one in answers] == [200, 200]
    found, _ = told(shadowed)
    assert found["events"] == {"answered": 0, "dropped": 0, "failed": 7}
    assert (found["agreement"], found["anomaly_rate"]) == (None, {"champion": None, "shadow": None})
    assert caplog.text.count("the shadow cannot answer") == 1


def test_more_than_may_wait_is_dropped(put: Put, keys: Path, other: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.shadow._GATHER_S", 3600)
    served = put(1)
    deploy_shadow(other.folder, identity(other, 2), served, key=own_key(keys))
    app = application(served, keys, shadow_events=10)
    began = time.monotonic()
    answers = asyncio.run(ask(app, *[{"events": ROWS[:4]}] * 5))
    assert time.monotonic() - began < 60, "no request waits for it"
    assert {one.status_code for one in answers} == {200}
    assert told(app)[0]["events"] == {"answered": 8, "dropped": 12, "failed": 0}


def test_it_follows_the_deployment_folder(shadowed: Application, put: Put, other: Bundle, keys: Path) -> None:
    async def follow() -> list[tuple[int, int] | None]:
        seen = []
        steps: list[Callable[[], Any]] = [
            lambda: None, lambda: put(3), lambda: drop_shadow(put(3)),
            lambda: deploy_shadow(other.folder, identity(other, 4), put(3), key=own_key(keys)), lambda: put(4),
        ]  # fmt: skip
        for step in steps:
            step()
            await shadowed.slot.look()
            await shadowed.shadows.look()
            shadow, version = shadowed.shadows.shadow, shadowed.slot.model.package.identity.version
            seen.append(None if shadow is None else (version, shadow.model.package.identity.version))
        return seen

    assert asyncio.run(follow()) == [(1, 2), (3, 2), None, (3, 4), None], "what answers is no shadow of itself"
    assert shadowed.shadows.hearer is shadowed._log


def test_the_watch_begins_with_a_look(shadowed: Application) -> None:
    async def until_there() -> None:
        watch = asyncio.create_task(shadowed.shadows.watch())
        while shadowed.shadows.shadow is None:
            await asyncio.sleep(0.01)
        watch.cancel()

    asyncio.run(asyncio.wait_for(until_there(), 30))


def test_a_deployment_keeps_its_shadow_apart(put: Put, other: Bundle, keys: Path) -> None:
    served = put(1)
    place = deploy_shadow(other.folder, identity(other, 2), served, key=own_key(keys))
    assert current(served, SHADOW) == place
    first = current(served)
    assert first is not None
    assert json.loads((first / "package" / "identity.json").read_text())["version"] == 1
    drop_shadow(served)
    assert current(served, SHADOW) is None
    drop_shadow(served)
