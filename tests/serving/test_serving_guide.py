"""The commands and settings of docs/serving.md against a running service; schemathesis; a stop under load."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from bundles import identity, observables
from projects import REPOSITORY
from services import EVENT, start

from cascada.registry.bundle import Bundle
from cascada.registry.deployment import deploy
from cascada.repro.signing import own_key
from serving.keys import add_key, read_keys
from serving.settings import PLACES, ServiceSettings

pytestmark = pytest.mark.slow

GUIDE = REPOSITORY / "docs" / "serving.md"


@pytest.fixture(scope="module")
def running(
    bundle: Bundle, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str, Path, subprocess.Popen[bytes]]]:
    """Address, key and folder of a service in a process of its own."""
    work = tmp_path_factory.mktemp("guide")
    deploy(bundle.folder, identity(bundle), work / "served", key=own_key(keys), reason="test")
    key = add_key(work / "api_keys.json", "test", ("predict", "read"))
    url, process = start(work / "served", keys, CASCADA_API_KEYS=str(work / "api_keys.json"))
    yield url, key, work, process
    process.kill()
    process.wait()


def commands() -> list[str]:
    found = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    return [
        command for block in found for command in re.sub(r"(\\|,)\n\s+", r"\1 ", block).replace("\\ ", "").splitlines()
    ]


def test_every_command_works(running: tuple[str, str, Path, subprocess.Popen[bytes]]) -> None:
    url, key, work, _ = running
    showers = {name: values[:50] for name, values in observables(60).items()}
    pa.parquet.write_table(pa.table(showers), work / "showers.parquet")
    subprocess.run(["git", "init", "--quiet"], cwd=work, check=True)
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"SERVICE": url, "CASCADA_API_KEY": key, "PATH": paths}
    said = []
    for command in commands():
        answer = subprocess.run(
            ["bash", "-c", command], cwd=work, env=environment, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
        said.append(answer.stdout)
    assert said[0].startswith("cascada_")
    assert [known.name for known in read_keys(work / ".cascada" / "api_keys.json")] == ["analysis"]
    good, bad = json.loads(said[2])["predictions"]
    assert good["primary"]
    assert (bad["error"]["field"], bad["error"]["allowed"]) == ("zenith_deg", "0 to 60.001 deg")
    assert pa.parquet.read_table(work / "answers.parquet").num_rows == 50
    assert json.loads(said[4])["events"] == 2
    assert json.loads(said[5])["model"]["version"] == 1
    assert "cascada_requests_total" in said[6]


def highest_memory(process: subprocess.Popen[bytes]) -> int:
    """Return the most memory that a process ever held, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_memory_does_not_grow_with_a_table(running: tuple[str, str, Path, subprocess.Popen[bytes]]) -> None:
    url, key, work, process = running

    def ask(rows: int) -> int:
        showers = pa.table({name: np.full(rows, value) for name, value in EVENT.items()})
        with pa.ipc.new_stream(work / "table.arrow", showers.schema) as writer:
            writer.write_table(showers, max_chunksize=50_000)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/vnd.apache.arrow.stream"}
        with (
            (work / "table.arrow").open("rb") as body,
            httpx.stream("POST", f"{url}/predict/batch", content=body, headers=headers, timeout=120) as answer,
            (work / "answer.arrow").open("wb") as file,
        ):
            for part in answer.iter_bytes():
                file.write(part)
        assert pa.ipc.open_stream(work / "answer.arrow").read_all().num_rows == rows
        return highest_memory(process)

    small, large = ask(150_000), ask(1_500_000)
    assert (work / "answer.arrow").stat().st_size > 100e6
    assert large - small < 20e6


def test_the_table_lists_every_setting() -> None:
    text = GUIDE.read_text()
    for name, field in ServiceSettings.model_fields.items():
        if name in PLACES:
            assert PLACES[name] in text
        else:
            assert f"| `CASCADA_SERVICE_{name.upper()}` | {field.default:g} | {field.description} |" in text


def test_no_request_that_schemathesis_makes_up_breaks_it(
    running: tuple[str, str, Path, subprocess.Popen[bytes]],
) -> None:
    url, key, work, _ = running
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/docs.json", "--checks",
        "not_a_server_error", "--exclude-path", "/predict/batch", "--max-examples", "25", "--seed", "1",
        "-H", f"Authorization: Bearer {key}",
    ]  # fmt: skip
    answer = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False, timeout=250)
    assert answer.returncode == 0, answer.stdout[-3000:]


def test_sigterm_loses_no_accepted_request(running: tuple[str, str, Path, subprocess.Popen[bytes]]) -> None:
    url, key, _, process = running
    headers, answers, not_ready, asked = {"Authorization": f"Bearer {key}"}, [], False, 0.0
    with httpx.Client(headers=headers) as http:
        for number in range(100_000):
            if number == 20:
                process.send_signal(signal.SIGTERM)
                asked = time.monotonic()
            try:
                answer = http.post(f"{url}/predict", json={"events": [EVENT] * 50})
                not_ready |= number > 20 and http.get(f"{url}/readyz").status_code == 503
            except httpx.TransportError:  # refused, or closed before it has said anything
                assert asked
                assert time.monotonic() - asked >= ServiceSettings().drain_s, "only after it has said so for a while"
                break
            answers.append(answer.status_code)
    assert set(answers) == {200}
    assert len(answers) > 20
    assert not_ready, "it said so before it stopped"
    assert process.wait(timeout=20) in {0, -signal.SIGTERM}
