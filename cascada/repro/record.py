"""The record of a run: a folder of plain files, readable without any server.

::

    .cascada/runs/<run id>/
        manifest.json         the eight aspects (`cascada.repro.manifest`)
        code/                 changes.diff, untracked.tar.gz
        lock.txt              name==version of everything installed
        output.log            what the run printed, secrets as asterisks
        params.jsonl          {"name", "value"} a line
        metrics.jsonl         {"name", "value", "step", "time"} a line
        trials.txt            how many trials of a search began
        trace.jsonl           a training step by step (`cascada.repro.trace`), when it was asked for
        outputs/              copies of what it wrote or returned
        mlflow.json           the copy in MLflow: pending or done
        verifications/        one file a verification
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from cascada.errors import ArtifactError, nearest
from cascada.repro.manifest import Manifest, write_manifest, write_text
from cascada.repro.processes import began, lives

logger = logging.getLogger(__name__)


class MetricPoint(NamedTuple):
    """One value of a metric; step counts from 0, time is in seconds since the epoch."""

    name: str
    value: float
    step: int
    time: float


@dataclass(frozen=True)
class RunRecord:
    """The folder of a run."""

    folder: Path

    @property
    def run_id(self) -> str:
        return self.folder.name

    @property
    def outputs(self) -> Path:
        """Folder of the copies of what the run wrote or returned."""
        return self.folder / "outputs"

    @property
    def log(self) -> Path:
        return self.folder / "output.log"

    @property
    def code(self) -> Path:
        return self.folder / "code"

    @property
    def manifest(self) -> Manifest:
        """Read the manifest.

        Raises
        ------
        ArtifactError
            If it is missing or is not a manifest.
        """
        path = self.folder / "manifest.json"
        try:
            return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ArtifactError("the record has no readable manifest", where=str(path), got=str(error)) from error
        except ValidationError as error:
            raise ArtifactError("this is not a manifest", where=str(path), got=_first(error)) from error

    def write(self, manifest: Manifest) -> None:
        """Replace the manifest, whole or not at all."""
        write_manifest(manifest, self.folder / "manifest.json")

    @property
    def state(self) -> str:
        """The status, or "interrupted" when the run's supervisor is gone without having ended it."""
        manifest = self.manifest
        if manifest.status == "running" and not _is_supervised(manifest.process):
            return "interrupted"
        return manifest.status

    def metrics(self) -> Iterator[MetricPoint]:
        """Read the points in the order of their logging; the line that a kill cut short is left out."""
        for line in _lines(self.folder / "metrics.jsonl"):
            yield MetricPoint(line["name"], float(line["value"]), line["step"], line["time"])

    def parameters(self) -> dict[str, Any]:
        """Read what was logged as parameters; of a name that was logged twice, the last value."""
        return {line["name"]: line["value"] for line in _lines(self.folder / "params.jsonl")}

    def mirror(self) -> dict[str, Any]:
        """Read the state of the copy in MLflow: ``status`` "pending" or "done", ``run_id``, ``error``."""
        path = self.folder / "mlflow.json"
        pending = {"status": "pending", "run_id": "", "error": ""}
        return pending | json.loads(path.read_text(encoding="utf-8")) if path.exists() else pending

    def write_mirror(self, status: str, *, run_id: str = "", error: str = "") -> None:
        """Note the state of the copy in MLflow."""
        write_text(self.folder / "mlflow.json", json.dumps({"status": status, "run_id": run_id, "error": error}) + "\n")


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'file'}: {first['msg']}"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def _is_supervised(process: dict[str, Any]) -> bool:
    if process.get("host") != socket.gethostname():
        return True  # nobody can tell from here
    return lives(process["pid"], process["pid_started"])


def supervisor() -> dict[str, Any]:
    """Describe this process, so that readers can tell whether it still lives."""
    return {"pid": os.getpid(), "pid_started": began(os.getpid()), "host": socket.gethostname()}


def summarise_metrics(record: RunRecord) -> dict[str, Any]:
    """Reduce the metrics to their last values, and a hash of names, values and steps in order (times are no part)."""
    last: dict[str, float | str] = {}
    digest = hashlib.sha256()
    for point in record.metrics():
        last[point.name] = point.value if math.isfinite(point.value) else str(point.value)
        digest.update(f"{json.dumps(point.name)} {point.value!r} {point.step}\n".encode())
    return {"metrics": last, "metrics_sha256": digest.hexdigest() if last else ""}


def new_record(home: Path) -> RunRecord:
    """Make the folder of a new run.

    Parameters
    ----------
    home
        The project's state folder, `Settings.home`; git is told to ignore it.
    """
    folder = home / "runs" / uuid.uuid4().hex[:12]
    folder.mkdir(parents=True)
    keep_out_of_git(home)
    return RunRecord(folder)


def keep_out_of_git(home: Path) -> None:
    """Tell git to ignore a state folder, which is made when it does not exist."""
    home.mkdir(parents=True, exist_ok=True)
    ignored = home / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")


def list_records(home: Path) -> list[RunRecord]:
    """List the runs that have a manifest, the newest first; one that cannot be read is a warning."""
    started: dict[RunRecord, str] = {}
    for path in (home / "runs").glob("*/manifest.json"):
        record = RunRecord(path.parent)
        try:
            started[record] = record.manifest.started
        except ArtifactError as error:
            logger.warning("a run is left out: %s", error)
    return sorted(started, key=started.__getitem__, reverse=True)


def open_record(home: Path, run_id: str) -> RunRecord:
    """Find a run by its id, or by a beginning of it that no other run has.

    Raises
    ------
    ArtifactError
        If no run has this id, or several begin with it.
    """
    names = sorted(path.parent.name for path in (home / "runs").glob("*/manifest.json"))
    found = [name for name in names if name == run_id] or [name for name in names if run_id and name.startswith(run_id)]
    if len(found) == 1:
        return RunRecord(home / "runs" / found[0])
    if found:
        raise ArtifactError(f"{len(found)} runs begin with {run_id!r}", got=", ".join(found[:10]))
    hint = f"{nearest(run_id, names[:20])}; `cascada runs` lists all" if names else "`cascada run script.py` makes one"
    raise ArtifactError(f"there is no run {run_id!r}", where=str(home / "runs"), hint=hint)
