"""One supervised process with all that it starts: its output, its time limit, its end."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, BinaryIO

import psutil

from cascada.repro.manifest import Status
from cascada.repro.secrecy import Hider

TIMED_OUT = 124  # as timeout(1)
_GRACE_S = 5.0  # for processes that were told to end, and for those that a script left behind
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Ending:
    """How a process ended; the exit code is 128 plus the signal's number if one killed it, 124 after a timeout."""

    status: Status
    exit_code: int
    error: str = ""


class _StoppedError(Exception):
    def __init__(self, number: int) -> None:
        self.number = number


def supervise(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log: Path,
    secrets: Sequence[str],
    timeout_s: float | None = None,
    terminal: bool = True,
) -> Ending:
    """Run a command in a process group of its own until it ends, is stopped by a signal, or its time is over.

    Parameters
    ----------
    log
        Gets standard output and error as they come, secrets as asterisks.
    terminal
        Whether this process's own output gets them, too.

    Notes
    -----
    The process reads nothing: a run whose input is typed cannot be repeated. Processes that it leaves behind get 5 s.
    """
    with log.open("ab", buffering=0) as sink, _signals_raise():
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        pump = _start_pump(process, sink, secrets, terminal=terminal)
        try:
            ending = _ended(process.wait(timeout_s))
        except subprocess.TimeoutExpired:
            ending = Ending("killed", TIMED_OUT, f"timeout after {timeout_s:g} s")
            _stop_group(process, signal.SIGTERM)
        except (_StoppedError, KeyboardInterrupt) as stop:
            number = stop.number if isinstance(stop, _StoppedError) else signal.SIGINT
            ending = Ending("killed", 128 + number, f"stopped by {signal.Signals(number).name}")
            _stop_group(process, number)
        return _await_rest(process, pump, ending)


def _ended(code: int) -> Ending:
    if code == 0:
        return Ending("finished", 0)
    if code > 0:
        return Ending("failed", code, f"exit code {code}")
    return Ending("killed", 128 - code, f"killed by {signal.Signals(-code).name}")


def _start_pump(
    process: subprocess.Popen[bytes], sink: IO[bytes], secrets: Sequence[str], *, terminal: bool
) -> threading.Thread:
    pump = threading.Thread(target=_pump, args=(process, sink, secrets), kwargs={"terminal": terminal}, daemon=True)
    pump.start()
    return pump


def _pump(process: subprocess.Popen[bytes], sink: IO[bytes], secrets: Sequence[str], *, terminal: bool) -> None:
    """Copy both outputs as they come.

    Standard output is read first each time, so that what a script printed before its traceback stands before it.
    """
    outputs = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
    streams = [
        _Stream(source, getattr(own, "buffer", None) if terminal else None, Hider(secrets))
        for source, own in outputs
        if source is not None
    ]
    with selectors.DefaultSelector() as ready:
        for stream in streams:
            os.set_blocking(stream.source.fileno(), False)
            ready.register(stream.source, selectors.EVENT_READ)
        while ready.get_map():
            ready.select()
            for stream in [s for s in streams if s.source in ready.get_map()]:
                if not stream.copy(sink):
                    ready.unregister(stream.source)


@dataclass
class _Stream:
    source: IO[bytes]
    shown: BinaryIO | None
    hider: Hider

    def copy(self, sink: IO[bytes]) -> bool:
        """Copy what is there, at most what a pipe holds; False at the end."""
        try:
            piece = os.read(self.source.fileno(), 2**16)
        except BlockingIOError:
            return True
        text = self.hider.feed(piece) if piece else self.hider.close()
        self.shown = _emit(text, sink, self.shown)
        return bool(piece)


def _emit(text: bytes, sink: IO[bytes], shown: BinaryIO | None) -> BinaryIO | None:
    with contextlib.suppress(ValueError):  # the log is closed: a process outlived its run
        sink.write(text)
    if shown is not None:
        try:
            shown.write(text)
            shown.flush()
        except OSError:  # nobody reads on; the log goes on
            return None
    return shown


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Let the first signal that asks this process to end raise, and ignore the ones after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        for other in _FORWARDED:
            signal.signal(other, signal.SIG_IGN)
        raise _StoppedError(number)

    before = {number: signal.signal(number, stop) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_group(process: subprocess.Popen[bytes], number: int) -> None:
    _signal_group(process, number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _is_group_alive(group: int) -> bool:
    """Tell whether a process of the group still runs; dead ones that nobody has waited for do not count."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _await_rest(process: subprocess.Popen[bytes], pump: threading.Thread, ending: Ending) -> Ending:
    """Let processes that were left behind end by themselves for a while, then end them."""
    deadline = time.monotonic() + _GRACE_S
    while (alive := _is_group_alive(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if alive:
        _signal_group(process, signal.SIGKILL)
        ending = Ending(ending.status, ending.exit_code, ending.error or "stopped what the script had left behind")
    pump.join(max(0.5, deadline - time.monotonic()))
    return ending
