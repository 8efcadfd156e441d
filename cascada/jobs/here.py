"""A recorded run in this process: what `@job` does in a script that nobody supervises."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from cascada.jobs import active, autolog
from cascada.jobs.child import imported_packages, used_threads
from cascada.jobs.execute import Launch, begin_or_nothing, finish, plan_of
from cascada.jobs.seeding import flags_in_force
from cascada.jobs.supervise import Ending
from cascada.repro.record import RunRecord
from cascada.repro.secrecy import Hider


@contextlib.contextmanager
def record_here(launch: Launch, record: RunRecord) -> Iterator[active.ActiveRun]:
    """Record this process from here to the end of the block.

    Python's hash seed is the one that it started with, and what is printed below Python is not in the log. A process
    that is killed leaves a record that readers call interrupted.
    """
    launch = replace(launch, environment={"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "random")})
    before = begin_or_nothing(launch, record)
    autolog.install()
    flags = flags_in_force(launch.seeds, launch.variables)
    ending = Ending("finished", 0)
    with _variables(flags | plan_of(launch, record).to_variable()), _copied_output(record.log, launch.secrets):
        run = active.current()
        assert run is not None  # noqa: S101 - the line above made it
        try:
            yield run
        except BaseException as error:
            ending = _failed(error)
            raise
        finally:
            run.close(error=ending.error, imported=imported_packages(), threads=used_threads())
            finish(launch, record, before, ending)


def _failed(error: BaseException) -> Ending:
    text = f"{type(error).__name__}: {error}"[:2000]
    if isinstance(error, KeyboardInterrupt):
        return Ending("killed", 130, "stopped by SIGINT")
    if isinstance(error, SystemExit) and not error.code:
        return Ending("finished", 0)
    return Ending("failed", error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1, text)


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _copied_output(log: Path, secrets: tuple[str, ...]) -> Iterator[None]:
    with log.open("ab", buffering=0) as sink:
        out, err = _Copy(sys.stdout, sink, secrets), _Copy(sys.stderr, sink, secrets)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                yield
        finally:
            for copy in (out, err):
                sink.write(copy.hider.close())


class _Copy(io.TextIOBase):
    """A text stream that writes to another one, and to a log with its secrets hidden."""

    def __init__(self, original: TextIO, sink: io.RawIOBase, secrets: tuple[str, ...]) -> None:
        self._original, self._sink, self.hider = original, sink, Hider(secrets)

    def write(self, text: str, /) -> int:
        self._sink.write(self.hider.feed(text.encode(errors="replace")))
        return self._original.write(text)

    def flush(self) -> None:
        self._original.flush()

    def isatty(self) -> bool:
        return self._original.isatty()

    def fileno(self) -> int:
        return self._original.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._original.encoding
