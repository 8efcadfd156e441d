"""What a running service does when clients, disk, package or its own worker fail; every test prints its figures."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import psutil
import pytest
from load import loaded, wait_for
from services import EVENT, end, start, worker_of

from cascada.registry.deployment import CURRENT

pytestmark = pytest.mark.slow

Put = Callable[[int], Path]
Tell = Callable[[str], None]

JSON, ARROW, NPY = "application/json", "application/vnd.apache.arrow.stream", "application/x-npy"
BAD: tuple[tuple[str, str, str, bytes], ...] = (
    ("POST", "/predict", JSON, b""),
    ("POST", "/predict", JSON, b"{"),
    ("POST", "/predict", JSON, b"\xff\xfe"),
    ("POST", "/predict", JSON, b"[" * 20_000),
    ("POST", "/predict", JSON, b"NaN"),
    ("POST", "/predict", JSON, b'{"events": [1e999]}'),
    ("POST", "/predict", JSON, json.dumps({"events": [EVENT | {"n_mu": -1}]}).encode()),
    ("POST", "/predict", JSON, json.dumps({"events": [EVENT | {"n_mu": 10**400}]}).encode()),
    ("POST", "/predict", JSON, json.dumps({"events": [EVENT] * 10_001}).encode()),
    ("POST", "/predict", "text/plain", b"x"),
    ("POST", "/predict/batch", ARROW, b"ARROW1 and nothing else"),
    ("POST", "/predict/batch", NPY, b"\x93NUMPY\x01\x00v\x00{'descr': 'O'}"),
    ("POST", "/predict/batch", "application/vnd.apache.parquet", b"PAR1PAR1"),
    ("GET", "/predict", JSON, b""),
    ("DELETE", "/model", JSON, b""),
    ("GET", "/lineage/../../etc/passwd", JSON, b""),
    ("GET", "/nothing", JSON, b""),
)
REQUEST = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BODY = json.dumps({"events": [EVENT]}).encode()


@pytest.fixture
def serve(put: Put, keys: Path) -> Iterator[Callable[..., tuple[str, psutil.Process]]]:
    """Start services of version 1 in processes of their own."""
    started: list[subprocess.Popen[bytes]] = []

    def run(**variables: str) -> tuple[str, psutil.Process]:
        url, process = start(put(1), keys, **variables)
        started.append(process)
        return url, psutil.Process(process.pid)

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    def show(figures: str) -> None:
        with capsys.disabled():
            print(f"\n{figures}")  # noqa: T201

    return show


def answers(url: str) -> bool:
    return httpx.post(f"{url}/predict", json={"events": [EVENT]}, timeout=30).status_code == 200


def connect(url: str) -> socket.socket:
    address = httpx.URL(url)
    return socket.create_connection((address.host, address.port or 80), timeout=60)


def test_ten_thousand_bad_requests_break_nothing(serve: Callable[..., tuple[str, psutil.Process]], tell: Tell) -> None:
    url, process = serve()
    httpx_limits = httpx.Limits(max_connections=16)

    def send(http: httpx.Client, number: int) -> int:
        method, path, kind, body = BAD[number % len(BAD)]
        return http.request(method, url + path, headers={"Content-Type": kind}, content=body).status_code

    with httpx.Client(timeout=60, limits=httpx_limits) as http, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: send(http, n), range(1000)))
        before = process.memory_info().rss
        seen = Counter(pool.map(lambda n: send(http, n), range(10_000)))
    grown = (process.memory_info().rss - before) / 1e6
    tell(f"bad requests: 10000 sent, {dict(sorted(seen.items()))}, memory grew by {grown:.1f} MB")
    assert seen.total() == 10_000
    assert all(400 <= status < 500 for status in seen)
    assert grown < 30
    assert answers(url)


def test_head_and_body_leave_in_one_call(serve: Callable[..., tuple[str, psutil.Process]]) -> None:
    """Killed between two calls, a service would have sent half an answer that no proxy can ask for again."""
    url, _ = serve()
    pieces = []
    for closing in (b"", b"Connection: close\r\n"):
        for _ in range(100):
            with connect(url) as one:
                one.sendall((REQUEST % len(BODY)).removesuffix(b"\r\n") + closing + b"\r\n" + BODY)
                pieces.append(one.recv(65536))
    assert {piece[:12] for piece in pieces} == {b"HTTP/1.1 200"}
    assert all(json.loads(piece.partition(b"\r\n\r\n")[2])["predictions"] for piece in pieces)


def test_slow_bodies_hold_nobody_else_up(serve: Callable[..., tuple[str, psutil.Process]], tell: Tell) -> None:
    url, _ = serve(CASCADA_SERVICE_BODY_S="3")
    slow = [connect(url) for _ in range(32)]
    for one in slow:
        one.sendall(REQUEST % 1000 + b"{")
    with loaded(url, clients=4) as load:
        for _ in range(8):
            time.sleep(0.25)
            for one in slow:
                one.sendall(b" ")
    refused = [one.recv(4096).startswith(b"HTTP/1.1 408") for one in slow]
    tell(f"32 slow bodies: {sum(refused)} answered 408; others: {load.figures}")
    assert all(refused)
    assert load.lost == []
    assert all(load.answers)


def test_half_closed_connections_are_let_go(serve: Callable[..., tuple[str, psutil.Process]], tell: Tell) -> None:
    url, process = serve()
    assert answers(url)
    before = process.num_fds()
    with loaded(url, clients=2) as load:
        for number in range(500):
            with connect(url) as one:
                one.sendall(REQUEST % len(BODY) + (BODY if number % 2 else BODY[:9]))
                one.shutdown(socket.SHUT_WR)
                while one.recv(4096):
                    pass
    wait_for(lambda: process.num_fds() <= before)
    tell(f"500 half-closed connections: {process.num_fds() - before} stay open; others: {load.figures}")
    assert load.lost == []
    assert answers(url)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Have a disk of 1 MB; the test is skipped where this process may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def logged(url: str) -> dict[str, float]:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    found = [line.partition('cascada_logged_events_total{outcome="')[2] for line in lines]
    return {one.split('"')[0]: float(one.split()[-1]) for one in found if one}


def fill(url: str, tell: Tell, what: str) -> None:
    """Ask with random events, which do not compress, until the log has dropped some; no request may notice."""
    rng, statuses = np.random.default_rng(1), []
    deadline = time.monotonic() + 60
    while not logged(url)["dropped"] and time.monotonic() < deadline:
        events = [EVENT | {"n_mu": float(n_mu)} for n_mu in rng.uniform(1e7, 9e7, 1000)]
        statuses.append(httpx.post(f"{url}/predict", json={"events": events}, timeout=30).status_code)
    seen = logged(url)
    tell(f"{what}: {len(statuses)} requests of 1000 events sent, {statuses.count(200)} answered; events {seen}")
    assert set(statuses) == {200}
    assert seen["dropped"] > 0
    assert answers(url)


def test_a_full_disk_costs_predictions_of_the_log_and_no_request(
    serve: Callable[..., tuple[str, psutil.Process]], tell: Tell, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk"):
        url, _ = serve(CASCADA_SERVICE_LOG=str(tmp_path / "disk" / "log"), CASCADA_SERVICE_LOG_S="0.3")
        fill(url, tell, "full disk of 1 MB")
        assert not list((tmp_path / "disk" / "log").glob(".*.partial")), "no half a file stays"
        for path in (tmp_path / "disk" / "log").iterdir():
            path.unlink()
        before = logged(url)["written"]
        assert answers(url)
        wait_for(lambda: logged(url)["written"] > before)


def test_a_quota_costs_predictions_of_the_log_and_no_request(
    serve: Callable[..., tuple[str, psutil.Process]], tell: Tell, tmp_path: Path
) -> None:
    url, process = serve(CASCADA_SERVICE_LOG=str(tmp_path / "log"), CASCADA_SERVICE_LOG_S="0.3")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    fill(url, tell, "files of at most 4 kB")


def test_a_corrupt_bundle_under_load_changes_nothing(
    serve: Callable[..., tuple[str, psutil.Process]], put: Put, tell: Tell
) -> None:
    url, _ = serve(CASCADA_SERVICE_WATCH_S="0.05")
    served = put(1)
    with loaded(url, clients=4) as load:
        for number in range(10):
            swap_in_corrupt(served, number)
            wait_for(lambda: f'swaps_total{{outcome="refused"}} {number + 1}.0' in httpx.get(f"{url}/metrics").text)  # noqa: B023
        put(2)
        wait_for(lambda: all(one and one[-1] == 2 for one in load.answers))
    tell(f"10 corrupt bundles, then a good one: {load.figures}")
    assert load.lost == []
    assert all(one == sorted(one) and set(one) == {1, 2} for one in load.answers)


def swap_in_corrupt(served: Path, number: int) -> None:
    """Make a package current of which a byte was changed."""
    place = served / f"corrupt-{number}"
    shutil.copytree(next(served.glob("v1-*")), place)
    path = place / "package" / "bundle" / ("model.onnx", "bundle.json", "reference_scores.npy")[number % 3]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (served / "next").symlink_to(place.name)
    (served / "next").replace(served / CURRENT)


def test_sigterm_under_load_loses_nothing(
    serve: Callable[..., tuple[str, psutil.Process]], tell: Tell, tmp_path: Path
) -> None:
    url, process = serve(CASCADA_SERVICE_LOG=str(tmp_path / "log"))
    with loaded(url, clients=8) as load:
        wait_for(lambda: load.answered > 200)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    kept = pl.read_parquet(tmp_path / "log" / "*.parquet").height
    tell(f"SIGTERM under load: {load.figures}; {kept} in the prediction log")
    assert load.lost == []
    assert kept == load.answered
    assert load.answered > 200


@pytest.fixture
def supervised(put: Put, keys: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A service as `cascada serve` runs it: a supervisor and its worker."""
    url, process = start(put(1), keys, supervised=True)
    yield url, process
    end(process)


def test_a_killed_worker_is_started_again(supervised: tuple[str, subprocess.Popen[bytes]], tell: Tell) -> None:
    url, owner = supervised
    with loaded(url, clients=4) as load:
        wait_for(lambda: load.answered > 100)
        killed = worker_of(owner)
        answered, began = load.answered, time.monotonic()
        killed.kill()
        wait_for(lambda: load.answered > answered + 100)
        took = time.monotonic() - began
    tell(f"a worker killed: {load.figures}, answers again within {took:.1f} s")
    assert len(load.lost) <= load.clients, "only what the worker had in its hands is lost"
    assert worker_of(owner).pid != killed.pid
