"""Copies run records into MLflow, beside the runs and after them: nobody waits for MLflow, and nothing is lost by it.

``python -P -m cascada.jobs.mirror HOME``
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cascada.jobs.active import VARIABLE
from cascada.repro.record import RunRecord, list_records

_NICENESS = 10


@dataclass(frozen=True)
class Synced:
    """What became of the copies of runs: run id to MLflow's id, and run id to the error."""

    done: dict[str, str]
    pending: dict[str, str]


def start_mirror(home: Path) -> None:
    """Copy what is pending, in a process of its own that this one does not wait for."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    (home / "logs").mkdir(exist_ok=True)
    with (home / "logs" / "mirror.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "cascada.jobs.mirror", str(home)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip


def sync_records(home: Path) -> Synced:
    """Copy every run that has ended and is not in MLflow yet; one process at a time.

    Returns
    -------
    Synced
        A run that MLflow refused, or that it was not there for, stays pending.
    """
    synced = Synced({}, {})
    with (home / "runs" / ".sync").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for record in pending_records(home):
            _sync(record, home, synced)
    return synced


def pending_records(home: Path) -> list[RunRecord]:
    """List the runs that have ended and are not in MLflow yet, the oldest first."""
    ended = [record for record in reversed(list_records(home)) if record.state != "running"]
    return [record for record in ended if record.mirror()["status"] != "done"]


def _sync(record: RunRecord, home: Path, synced: Synced) -> None:
    from cascada.tracking.mirror import mirror_record

    try:
        run_id = mirror_record(record, home / "mlartifacts")
    except Exception as error:  # noqa: BLE001 - whatever a store, a driver or a network raises: the copy stays pending
        text = f"{type(error).__name__}: {error}"[:2000]
        record.write_mirror("pending", error=text)
        synced.pending[record.run_id] = text
    else:
        record.write_mirror("done", run_id=run_id)
        synced.done[record.run_id] = run_id


def main() -> None:
    """Copy what is pending below the state folder that is the first argument."""
    from cascada.settings import apply_environment, load_settings

    os.nice(_NICENESS)
    home = Path(sys.argv[1])
    apply_environment(load_settings(home.parent))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    sync_records(home)


if __name__ == "__main__":
    main()
