"""A real nginx with the configuration of infra/nginx, on free ports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from projects import REPOSITORY, free_port
from services import wait_until_ready

SHIPPED = REPOSITORY / "infra" / "nginx"
RATE = {"rate=200r/s": "rate=100000r/s", "burst=400": "burst=100000"}
"""Changes that let a test ask as often as it can."""


@dataclass(frozen=True)
class Proxy:
    """A running nginx, and the folder that it works in."""

    url: str
    folder: Path

    @property
    def asked_again(self) -> int:
        """How many requests more than one service was asked."""
        return sum("," in line["upstream"] for line in self.log)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The access log."""
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]


def program() -> str:
    """Find nginx; skip where it is not installed."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    return found


def write_configuration(folder: Path, ports: Mapping[int, int], changes: Mapping[str, str]) -> Path:
    """Copy what is shipped, with other ports and other changes, each of which must find its place."""
    shutil.copytree(SHIPPED, folder / "conf")
    texts = {path: path.read_text() for path in (folder / "conf").iterdir()}
    swapped = {f"127.0.0.1:{old}": f"127.0.0.1:{new}" for old, new in ports.items()}
    for old, new in {**swapped, **changes}.items():
        assert any(old in text for text in texts.values()), old
        texts = {path: text.replace(old, new) for path, text in texts.items()}
    for path, text in texts.items():
        path.write_text(text)
    return folder / "conf" / "nginx.conf"


def check(folder: Path, configuration: Path) -> str:
    """Have nginx test a configuration, and return what it says."""
    command = [program(), "-t", "-p", f"{folder}/", "-e", "stderr", "-c", str(configuration)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stderr


@contextmanager
def proxied(
    folder: Path, champions: Sequence[str], *, canary: str = "", changes: Mapping[str, str] = RATE
) -> Iterator[Proxy]:
    """Run nginx before two services of the champion, given by their addresses, and a canary."""
    binary, port = program(), free_port()
    ports = {8000: port, **{old: _port(url) for old, url in zip((3000, 3001), champions, strict=True)}}
    changes = dict(changes)
    if canary:
        ports[3010] = _port(canary)
        changes["map $uri $pool { default champion; }"] = "include canary.conf;"
    configuration = write_configuration(folder, ports, changes)
    # pytest's folders are closed to the user that nginx would take where root starts it.
    user = "user root;" if os.geteuid() == 0 else ""
    command = [binary, "-p", f"{folder}/", "-e", "error.log", "-c", str(configuration), "-g", f"daemon off; {user}"]
    process = subprocess.Popen(command)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield Proxy(f"http://127.0.0.1:{port}", folder)
    finally:
        subprocess.run([*command, "-s", "stop"], check=True)
        process.wait(30)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
