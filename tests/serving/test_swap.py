"""A new package takes the place of the old one while requests are answered; a refused one changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from services import EVENT, application, client

from cascada.errors import ArtifactError, ConfigError
from cascada.registry.deployment import current
from serving.app import Application
from serving.model import ModelSlot
from serving.settings import ServiceSettings, read_settings


def test_a_new_package_answers_and_no_request_is_lost(put: Callable[[int], Path], app: Application) -> None:
    async def under_load() -> list[tuple[int, str, int]]:
        async with client(app) as http:
            put(2)
            swap = asyncio.create_task(app.slot.look())
            seen, after = [], 0
            while after < 3:
                after += swap.done()
                answer = await http.post("/predict", json={"events": [EVENT]})
                header = answer.headers["x-model-version"]
                seen.append((answer.status_code, header, answer.json()["model"]["version"]))
            return seen

    seen = asyncio.run(under_load())
    assert {(status, header == str(version)) for status, header, version in seen} == {(200, True)}
    assert seen[0][2] == 1
    assert seen[-1][2] == 2
    assert app.slot.swaps.done == 1


@pytest.mark.parametrize("harm", ["unsigned", "altered", "pickle"])
def test_a_package_that_is_refused_leaves_the_last_one(
    put: Callable[[int], Path], app: Application, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = current(put(2))
    assert place is not None
    match harm:
        case "unsigned":
            (place / "package.sig").unlink()
        case "altered":
            graph = place / "package" / "bundle" / "model.onnx"
            graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
        case _:
            (place / "package" / "model.pkl").write_bytes(b"\x80\x04.")
    asyncio.run(app.slot.look())
    asyncio.run(app.slot.look())
    assert app.slot.model.package.identity.version == 1
    assert (app.slot.swaps.done, app.slot.swaps.refused) == (0, 1)
    assert "so version 1 stays" in caplog.text
    put(3)
    asyncio.run(app.slot.look())
    assert app.slot.model.package.identity.version == 3


def test_the_watch_looks_by_itself(put: Callable[[int], Path], keys: Path) -> None:
    app = application(put(1), keys, watch_s=0.01)

    async def until_swapped() -> None:
        watch = asyncio.create_task(app.slot.watch())
        put(2)
        while app.slot.model.package.identity.version != 2:
            await asyncio.sleep(0.01)
        watch.cancel()

    asyncio.run(asyncio.wait_for(until_swapped(), 30))


def test_without_a_valid_package_there_is_no_service(put: Callable[[int], Path], keys: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nothing is deployed here"):
        application(tmp_path / "none", keys)
    with pytest.raises(ConfigError, match="does not know whose models"):
        ModelSlot(ServiceSettings(served=put(1)), tmp_path)
    with pytest.raises(ArtifactError, match="nobody's signature"):
        application(put(1), tmp_path)


def test_settings_come_from_the_environment() -> None:
    read = read_settings({"CASCADA_SERVED": "/x", "CASCADA_SERVICE_RATE_PER_S": "5", "CASCADA_SERVICE_PORT": "3000"})
    assert (read.served, read.rate_per_s, read.burst) == (Path("/x"), 5.0, 100)
    with pytest.raises(ConfigError, match="CASCADA_SERVICE_MAX_EVENTS"):
        read_settings({"CASCADA_SERVICE_MAX_EVENTS": "none"})
