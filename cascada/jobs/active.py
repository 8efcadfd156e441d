"""The run that this process is a part of, and how it leaves parameters, metrics and files in the record.

A process finds its run by one environment variable, so processes that a script starts belong to the script's run.
Every line is written at once and with one call: a process that is killed loses nothing, and processes that share a
file do not mix their lines. Only the standard library is imported here.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from cascada.jobs.events import emit
from cascada.repro.secrecy import hide_in, own_secrets

VARIABLE = "CASCADA_RUN"
NOTES = "inside.json"

_MAX_TEXT = 2000  # of one parameter's value, in characters


@dataclass(frozen=True)
class Plan:
    """What the supervisor tells the supervised process.

    Attributes
    ----------
    root
        The top of the git work tree.
    seeds
        By library, see `cascada.repro.seeds.library_seeds`.
    parameters, overrides
        Of jobs: values of a file, and ``dotted.key=value`` on top of them.
    trace_every
        Trace a training of PyTorch, and hash it by parameter every so many steps; 0 traces nothing.
    stop_after
        Optimizer steps after which a traced script ends; 0 lets it go on.
    """

    folder: str
    root: str
    seeds: Mapping[str, int]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    trace_every: int = 0
    stop_after: int = 0

    def to_variable(self) -> dict[str, str]:
        """Make the environment variable that carries the plan."""
        return {VARIABLE: json.dumps(self.__dict__)}


@dataclass
class ActiveRun:
    """The run in progress."""

    plan: Plan
    notes: dict[str, Any] = field(default_factory=dict)
    _files: dict[str, int] = field(default_factory=dict)
    _steps: dict[str, itertools.count[int]] = field(default_factory=dict)
    _endings: list[Callable[[], None]] = field(default_factory=list)
    _owner: int = field(default_factory=os.getpid)

    @property
    def folder(self) -> Path:
        return Path(self.plan.folder)

    @cached_property
    def run_id(self) -> str:
        return self.folder.name

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log numbers of one step; without a step, each name counts its own from 0.

        Raises
        ------
        TypeError, ValueError
            If a value is no number.
        """
        now = time.time()
        lines = [self._metric_line(name, value, step, now) for name, value in metrics.items()]
        self._append("metrics.jsonl", "".join(lines))
        emit("metric", self.run_id, metrics=metrics, step=step)

    def _metric_line(self, name: str, value: Any, step: int | None, now: float) -> str:
        number = float(value)
        text = repr(number) if math.isfinite(number) else f'"{number}"'  # JSON has neither NaN nor infinity
        at = next(self._steps.setdefault(name, itertools.count())) if step is None else int(step)
        return f'{{"name": {_quoted(name)}, "value": {text}, "step": {at}, "time": {now!r}}}\n'

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters: JSON values as they are, anything else as its text; secrets as asterisks."""
        hidden = hide_in({name: plain(value) for name, value in params.items()}, own_secrets())
        self._append("params.jsonl", "".join(json.dumps({"name": k, "value": v}) + "\n" for k, v in hidden.items()))

    def save_output(self, name: str, value: Any) -> None:
        """Keep a file, a folder or a JSON value among the run's outputs.

        Raises
        ------
        OSError
            If the file cannot be read.
        TypeError, ValueError
            If the value is neither a path nor of JSON.
        """
        target = self.folder / "outputs" / name
        if not target.resolve().is_relative_to((self.folder / "outputs").resolve()):
            raise ValueError(f"an output's name must stay inside the run's folder, got {name!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, os.PathLike) or (isinstance(value, str) and Path(value).exists()):
            source = Path(value)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
            return
        text = json.dumps(value, indent=2, allow_nan=False)
        target.with_name(f"{target.name}.json" if target.suffix != ".json" else target.name).write_text(f"{text}\n")

    def at_end(self, action: Callable[[], None]) -> None:
        """Have something done when the script has ended."""
        self._endings.append(action)

    def close(self, **notes: Any) -> None:
        """Do what waits for the end and add to the notes; a forked copy of the process adds none."""
        if os.getpid() != self._owner:
            return
        for action in self._endings:
            action()
        error = notes.get("error", "")
        for event in ("run_failure", "run_end") if error else ("run_end",):
            emit(event, self.run_id, error=error)
        path, partial = self.folder / NOTES, self.folder / f".{NOTES}"
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        partial.write_text(json.dumps(before | hide_in(self.notes | notes, own_secrets())), encoding="utf-8")
        partial.replace(path)

    def _append(self, name: str, text: str) -> None:
        if name not in self._files:
            self._files[name] = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(self._files[name], text.encode())


_quoted = lru_cache(maxsize=10_000)(json.dumps)


def plain(value: Any) -> Any:
    """Reduce a value to JSON: numbers of NumPy and Torch to numbers, other objects to their text.

    Examples
    --------
    >>> plain({"layers": (8, 4), "rate": float("nan")})
    {'layers': [8, 4], 'rate': 'nan'}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value, key=repr)]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool | int) else _text(value)


def _text(value: Any) -> str:
    """Name an object; its address in memory would differ from run to run."""
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return f"{getattr(value, '__module__', '')}.{name}"
    text = repr(value)
    return type(value).__qualname__ if " at 0x" in text else text[:_MAX_TEXT]


@cache
def _open(variable: str) -> ActiveRun:
    content = json.loads(variable)
    return ActiveRun(Plan(**(content | {"overrides": tuple(content["overrides"])})))


def current() -> ActiveRun | None:
    """Find the run that this process belongs to; None outside of a run."""
    variable = os.environ.get(VARIABLE)
    return _open(variable) if variable else None


def log_metrics(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """Log numbers of one step in the run in progress; outside of a run nothing happens, so that code runs plainly.

    Parameters
    ----------
    metrics
        Name to number.
    step
        Counts from 0; without it each name counts for itself.
    """
    run = current()
    if run is not None:
        run.log_metrics(metrics, step)
