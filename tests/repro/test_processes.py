"""A process is known again whatever the clock says, and a later one with its pid is not taken for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cascada import platform
from cascada.repro.processes import began, lives
from cascada.settings import Settings


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def set_clock(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have the kernel tell another time of its start, as it does when the clock is set."""
    before = psutil.boot_time()
    patch.setattr(psutil._pslinux, "boot_time", lambda: before + seconds)
    assert psutil.boot_time() == before + seconds


@pytest.mark.skipif(sys.platform != "linux", reason="psutil reads the start of the machine elsewhere")
@pytest.mark.parametrize("seconds", [-3600.0, 21.0])
def test_a_clock_that_is_set_makes_nobody_forget_a_server(
    child: subprocess.Popen[bytes], seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(root=tmp_path)  # type: ignore[call-arg]
    server = platform.Server(
        name="prefect", url="", pid=child.pid, started=began(child.pid), log=tmp_path / "log"
    )  # fmt: skip
    platform._remember(settings, {"prefect": server})
    set_clock(monkeypatch, seconds)
    assert list(platform.running(settings)) == ["prefect"]
    assert platform.stop(settings) == ["prefect"]
    assert not psutil.pid_exists(child.pid)


def test_another_process_of_the_pid_is_another(child: subprocess.Popen[bytes]) -> None:
    since = began(child.pid)
    assert lives(child.pid, since)
    assert not lives(child.pid, since - 60.0)


def test_a_process_that_has_ended_lives_no_more(child: subprocess.Popen[bytes]) -> None:
    since = began(child.pid)
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert not lives(child.pid, since), "nobody has waited for it yet"
    child.wait()
    assert not lives(child.pid, since)
