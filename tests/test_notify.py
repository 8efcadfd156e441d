"""Notifications reach a real HTTP server and a real SMTP dialogue; one that fails stops nothing and leaks nothing."""

from __future__ import annotations

import json
import logging
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from projects import free_port
from repositories import repository

from cascada.notify import send


@pytest.fixture
def posted() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """An HTTP server: its port, and what it was sent."""
    received: list[dict[str, str]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], received
    server.shutdown()


@pytest.fixture
def mailed() -> Iterator[tuple[int, list[str]]]:
    """A mail server that speaks as much SMTP (RFC 5321) as it takes: its port, and what it was sent."""
    received: list[str] = []

    class Dialogue(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    received.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
                if word == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dialogue)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], received
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_the_message(posted: tuple[int, list[dict[str, str]]]) -> None:
    port, received = posted
    assert send([f"json://127.0.0.1:{port}/hook"], "done", "loss = 0.5") == 1
    assert (received[0]["title"], received[0]["message"]) == ("done", "loss = 0.5")


def test_an_e_mail_gets_the_message(mailed: tuple[int, list[str]]) -> None:
    port, received = mailed
    address = f"mailto://127.0.0.1:{port}?from=me@example.org&to=you@example.org&mode=insecure&format=text"
    assert send([address], "done", "loss = 0.5") == 1
    assert "Subject: done" in received[0]
    assert "To: you@example.org" in received[0]


def test_failures_are_warnings_without_secrets(
    posted: tuple[int, list[dict[str, str]]], caplog: pytest.LogCaptureFixture
) -> None:
    port, received = posted
    addresses = [
        f"json://me:secret-word@127.0.0.1:{free_port()}", f"json://me:secret-word@127.0.0.1:{port}/broken",
        "nonsense://secret-word", f"json://127.0.0.1:{port}",
    ]  # fmt: skip
    with caplog.at_level(logging.WARNING):
        assert send(addresses, "done", "text") == 1
    assert len(received) == 2
    assert "secret-word" not in caplog.text
    assert caplog.text.count("was not taken") == 3


@pytest.mark.parametrize(("wanted", "codes"), [("end", ["0", "3"]), ("failure", ["3"])])
def test_runs_are_announced(
    tmp_path: Path, posted: tuple[int, list[dict[str, str]]], wanted: str, codes: list[str]
) -> None:
    port, received = posted
    address = f"json://127.0.0.1:{port}/token-of-mine"
    script = "import os, sys\nprint(os.environ['CASCADA_NOTIFY'])\nsys.exit(int(sys.argv[1]))"
    root = repository(tmp_path / "work", {"train.py": script})
    ours = {"CASCADA_NOTIFY": address, "CASCADA_NOTIFY_ON": wanted, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    for code in ("0", "3"):
        command = [str(Path(sys.executable).parent / "cascada"), "run", "train.py", "--", code]
        answer = subprocess.run(command, cwd=root, env={**os.environ, **ours}, capture_output=True, check=False)
        assert answer.returncode == int(code), answer.stderr
    assert [message["message"].splitlines()[0].rpartition(" ")[2] for message in received] == codes
    assert received[-1]["title"] == "train: failed"
    assert "exit code 3" in received[-1]["message"]
    records = [path for path in (root / ".cascada" / "runs").rglob("*") if path.is_file()]
    assert all(b"token-of-mine" not in path.read_bytes() for path in records)


def test_a_failing_notification_fails_no_run(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"train.py": ""})
    ours = {"CASCADA_NOTIFY": f"json://127.0.0.1:{free_port()}", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    command = [str(Path(sys.executable).parent / "cascada"), "run", "train.py"]
    answer = subprocess.run(command, cwd=root, env={**os.environ, **ours}, capture_output=True, text=True, check=False)
    assert answer.returncode == 0
    assert "the notification by json was not taken" in answer.stderr
