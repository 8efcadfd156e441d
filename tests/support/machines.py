"""What AWS does beside answering: machines that boot, run their user data, power off, and get a spot notice."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# Stands in for shutdown(8): `-h now` makes EC2 do what the machine was started with, which is to terminate it.
_SHUTDOWN = """#!/bin/bash
echo "$@" >> "$MACHINE_FOLDER/shutdown"
"""


class Metadata(ThreadingHTTPServer):
    """The metadata of version 2: a token first, then the notice if there is one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MetadataHandler)
        self.notice = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _MetadataHandler(BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        ok = self.path == "/latest/api/token" and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
        self._answer(200 if ok else 400, b"token")

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != "token":
            self._answer(401, b"")
        elif self.path == "/latest/meta-data/spot/instance-action" and self.server.notice:
            self._answer(200, b'{"action": "terminate", "time": "2026-01-01T00:02:00Z"}')
        else:
            self._answer(404, b"")

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Hypervisor:
    """Runs the user data of every machine that EC2 lists as running, as a process of this machine."""

    client: Any
    folder: Path
    environment: Mapping[str, str]
    booted: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / "bin" / "shutdown").write_text(_SHUTDOWN)
        (self.folder / "bin" / "shutdown").chmod(0o755)
        threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        self._over.set()
        for child in self.booted.values():
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def states(self) -> dict[str, str]:
        found = self.client.describe_instances()["Reservations"]
        return {one["InstanceId"]: one["State"]["Name"] for group in found for one in group["Instances"]}

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*/console")))

    def _work(self) -> None:
        while not self._over.wait(0.5):
            for machine, state in self.states().items():
                if state == "running" and machine not in self.booted:
                    self.booted[machine] = self._boot(machine)
                elif state == "terminated" and machine in self.booted and self.booted[machine].poll() is None:
                    os.killpg(self.booted[machine].pid, signal.SIGKILL)
                off = self.folder / machine / "shutdown"
                if state == "running" and off.exists() and "-h now" in off.read_text():
                    self.client.terminate_instances(InstanceIds=[machine])

    def _boot(self, machine: str) -> subprocess.Popen[bytes]:
        folder = self.folder / machine
        folder.mkdir()
        data = self.client.describe_instance_attribute(InstanceId=machine, Attribute="userData")["UserData"]["Value"]
        (folder / "user-data").write_bytes(base64.b64decode(data))
        environment = {**self.environment, "MACHINE_FOLDER": str(folder)}
        environment["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{environment['PATH']}"
        with (folder / "console").open("wb") as console:
            return subprocess.Popen(
                ["bash", str(folder / "user-data")], env=environment, stdout=console, stderr=console,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip


def wait_for(what: str, found: Any, *, seconds: float = 120, log: Any = None) -> Any:
    """Ask again and again until something is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.5)
    raise AssertionError(f"{what} did not happen within {seconds:g} s\n{log() if log else ''}")
