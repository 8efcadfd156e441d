"""The service against a FastAPI service written by hand, in turns: rates, latencies, CPU, start-up and memory.

``python -m benchmarks.bench_serving [--seconds S] [--rounds N]``
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import psutil
import pyarrow as pa

from benchmarks.measures import markdown_table

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))

_JSON, _NPY, _ARROW = "application/json", "application/x-npy", "application/vnd.apache.arrow.stream"
_GOALS = {"1 event, JSON": 0.7, "256 events, JSON": 0.9, "256 events, npy": 0.7, "256 events, Arrow": 0.7}


class Server(NamedTuple):
    """A running service."""

    process: psutil.Process
    port: int
    start_s: float

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu_s(self) -> float:
        times = [process.cpu_times() for process in self.family()]
        return sum(each.user + each.system for each in times)

    def memory_mb(self) -> float:
        return sum(process.memory_full_info().pss for process in self.family()) / 1e6


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        key = _prepare(work)
        servers = {"FastAPI by hand": _start_rival(work), "cascada": _start_ours(work)}
        try:
            rows = [
                _row(work, servers, name, connections, request, options)
                for name, connections, request in _workloads(key)
            ]
            head = (
                "workload", "connections", "FastAPI, req/s", "cascada, req/s", "ratio", "goal", "p50, ms", "p99, ms",
                "CPU a request, ms", "errors",
            )  # fmt: skip
            print(f"Load average at the start: {os.getloadavg()[0]:.1f}. Pairs: FastAPI, cascada.\n")
            print(markdown_table(head, rows))
            costs = [(name, f"{s.start_s:.1f}", f"{s.memory_mb():.0f}") for name, s in servers.items()]
            print("\n" + markdown_table(("service", "start-up, s", "memory (PSS), MB"), costs))
        finally:
            for server in servers.values():
                _end(server)


def _prepare(work: Path) -> str:
    """Make a package, a Bento and a key, which is returned."""
    os.environ |= {"BENTOML_HOME": str(work / "bentoml"), "BENTOML_DO_NOT_TRACK": "true", "OMP_NUM_THREADS": "1"}
    from bundles import export, identity

    from cascada.registry.package import write_package
    from cascada.repro.signing import own_key
    from serving.keys import add_key
    from serving.package import build_bento

    bundle, key = export(work / "bundle"), own_key(work / "keys")
    write_package(bundle.folder, identity(bundle), work / "package", key=key)
    (work / "bento").write_text(str(build_bento(bundle.folder, identity(bundle), key=key)))
    return add_key(work / "api_keys.json", "bench", ("predict",))


def _start_rival(work: Path) -> Server:
    arguments = [str(work / "package"), str(work / "keys"), str(work / "api_keys.json")]
    return _start(["-m", "benchmarks.serving_rival", *arguments], {})


def _start_ours(work: Path) -> Server:
    variables = {
        "CASCADA_TRUSTED_KEYS": str(work / "keys"), "CASCADA_API_KEYS": str(work / "api_keys.json"),
        "CASCADA_SERVICE_RATE_PER_S": "1e6", "CASCADA_SERVICE_BURST": "1000000",
    }  # fmt: skip
    bento = (work / "bento").read_text()
    return _start(["-m", "bentoml", "serve", bento, "--api-workers", "1", "--host", "127.0.0.1", "--port"], variables)


def _start(command: Sequence[str], variables: Mapping[str, str]) -> Server:
    from projects import free_port

    port, started = free_port(), time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *command, str(port)], env={**os.environ, **variables}, stdout=subprocess.DEVNULL
    )
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return Server(psutil.Process(child.pid), port, time.perf_counter() - started)
        except httpx.TransportError:
            if child.poll() is not None:
                raise RuntimeError(f"{command} did not start") from None
            time.sleep(0.05)


def _end(server: Server) -> None:
    server.process.terminate()
    psutil.wait_procs([server.process], timeout=15)


def _workloads(key: str) -> list[tuple[str, int, bytes]]:
    from bundles import observables

    from cascada.physics.columns import COLUMNS

    showers = observables(400)
    inside = np.logical_and.reduce([(v >= COLUMNS[n].minimum) & (v <= COLUMNS[n].maximum) for n, v in showers.items()])
    showers = {name: values[inside][:256] for name, values in showers.items()}
    listed = [dict(zip(showers, map(float, row), strict=True)) for row in zip(*showers.values(), strict=True)]
    array = np.zeros(256, [(name, float) for name in showers])
    for name, values in showers.items():
        array[name] = values
    npy, arrow, table = io.BytesIO(), io.BytesIO(), pa.table(showers)
    np.save(npy, array)
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table)
    one = _request("/predict", _JSON, json.dumps({"events": listed[:1]}).encode(), key)
    many = _request("/predict", _JSON, json.dumps({"events": listed}).encode(), key)
    return [
        *(("1 event, JSON", connections, one) for connections in (1, 8, 32)),
        ("256 events, JSON", 8, many),
        ("256 events, npy", 8, _request("/predict/batch", _NPY, npy.getvalue(), key)),
        ("256 events, Arrow", 8, _request("/predict/batch", _ARROW, arrow.getvalue(), key)),
    ]


def _request(path: str, kind: str, body: bytes, key: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _row(
    work: Path, servers: Mapping[str, Server], name: str, connections: int, request: bytes, options: Any
) -> tuple[str, ...]:
    (work / "request").write_bytes(request)
    rounds = [
        [_measure(work, server, connections, options.seconds) for server in servers.values()]
        for _ in range(options.rounds)
    ]
    medians = [
        {key: statistics.median(each[side][key] for each in rounds) for key in rounds[0][0]} for side in (0, 1)
    ]  # fmt: skip
    ratio = statistics.median(each[1]["rate"] / each[0]["rate"] for each in rounds)
    pairs = [" / ".join(f"{side[key]:.2f}" for side in medians) for key in ("p50", "p99", "cpu")]
    errors = " / ".join(f"{sum(each[side]['errors'] for each in rounds):.0f}" for side in (0, 1))
    rates = (f"{medians[0]['rate']:,.0f}", f"{medians[1]['rate']:,.0f}")
    return name, str(connections), *rates, f"{ratio:.2f}", f"{_GOALS[name]}", *pairs, errors


def _measure(work: Path, server: Server, connections: int, seconds: float) -> dict[str, float]:
    before = server.cpu_s()
    command = [sys.executable, "-m", "benchmarks.load", str(server.port), str(connections), str(seconds)]
    answer = subprocess.run([*command, str(work / "request")], check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(answer.stdout)
    return measured | {"cpu": (server.cpu_s() - before) / max(measured["requests"], 1) * 1e3}


if __name__ == "__main__":
    main()
