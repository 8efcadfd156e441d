"""A running service of toy models: the ASGI application on a real uvicorn, in a process of its own or in this one."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
from projects import REPOSITORY, free_port

from cascada.registry.bundle import Bundle
from serving.app import Application
from serving.limits import Door
from serving.model import ModelSlot
from serving.settings import ServiceSettings
from serving.tables import ARROW_STREAM

EVENT = {"energy_eev": 10.0, "zenith_deg": 38.0, "n_mu": 5.5e7, "n_em": 3.1e10, "xmax_g_cm2": 750.0}


_SERVER = """
import sys, uvicorn
from pathlib import Path
from serving.app import Application
from serving.limits import Door
from serving.model import ModelSlot
from serving.settings import read_settings
settings = read_settings()
app = Application(ModelSlot(settings, Path()), Door(settings, exposed=settings.api_keys is not None), settings)
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""


def start(
    served: Path, keys: Path, *, port: int | None = None, supervised: bool = False, **variables: str
) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a service in a process of its own, and return its address once it answers.

    A supervised one runs as `cascada serve` runs it: a supervisor and its worker.
    """
    port = port or free_port()
    environment = os.environ | {
        "CASCADA_SERVED": str(served), "CASCADA_TRUSTED_KEYS": str(keys), "PYTHONPATH": str(REPOSITORY),
        "BENTOML_DO_NOT_TRACK": "true",
    }  # fmt: skip
    command, output = [sys.executable, "-c", _SERVER, str(port)], None
    if supervised:
        command = [sys.executable, "-m", "bentoml", "serve", "serving.service:PrimaryService", "--api-workers", "1"]
        command, output = [*command, "--host", "127.0.0.1", "--port", str(port)], subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment | variables, cwd=REPOSITORY, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    wait_until_ready(url)
    return url, process


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a service with its worker."""
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
    process.kill()
    process.wait()


def worker_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    """Find the process under a supervisor that answers."""
    for child in psutil.Process(process.pid).children(recursive=True):
        if "_bentoml_impl.worker" in " ".join(child.cmdline()):
            return child
    raise AssertionError("there is no worker")


def wait_until_ready(url: str) -> None:
    """Wait for an answer of /readyz."""
    for _ in range(600):
        try:
            assert httpx.get(f"{url}/readyz").status_code == 200
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the service did not become ready")


def application(served: Path, keys: Path, *, exposed: bool = False, **settings: Any) -> Application:
    """Make the application over a deployment folder."""
    chosen = ServiceSettings(served=served, trusted=keys, **settings)
    return Application(ModelSlot(chosen, served), Door(chosen, exposed=exposed), chosen)


def client(app: Application, **options: Any) -> httpx.AsyncClient:
    """Ask an application in this process."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 5000))
    return httpx.AsyncClient(transport=transport, base_url="http://service", **options)


def answer_table(served: Path, keys: Path, table: pa.Table, *, log: Path) -> None:
    """Have the model of a deployment folder answer a table into a prediction log, and stop."""
    body = io.BytesIO()
    with pa.ipc.new_stream(body, table.schema) as writer:
        writer.write_table(table)
    running = application(served, keys, log=log)

    async def ask() -> httpx.Response:
        async with client(running) as http:
            return await http.post("/predict/batch", content=body.getvalue(), headers={"Content-Type": ARROW_STREAM})

    assert asyncio.run(ask()).status_code == 200
    assert running._log is not None
    running._log.close()


def offline(bundle: Bundle, observables: dict[str, Any]) -> dict[str, Any]:
    """Evaluate events as the evaluation of a run does: all at once, without a service."""
    from cascada.evaluation.predictions import ln_mass_sigma, mean_ln_mass

    said, classes = bundle.predict(observables), bundle.spec.classes
    return {
        "probabilities": said.probabilities, "anomaly_score": said.anomaly_score, "p_value": said.p_value,
        "ln_mass": mean_ln_mass(said.probabilities, classes),
        "ln_mass_sigma": ln_mass_sigma(said.probabilities, classes),
    }  # fmt: skip
