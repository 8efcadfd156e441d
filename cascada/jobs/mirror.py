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
_MAX_FAILURES = 3


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


def sync_records(home: Path, *, wait: bool = True) -> Synced:
    """Copy every run that has ended and is not in MLflow yet; one process at a time.

    Parameters
    ----------
    wait
        Whether to wait behind a process that itself waits for its turn: it will copy everything that ends until then.

    Returns
    -------
    Synced
        A run that MLflow refused, or that it was not there for, stays pending; after three in a row the rest is not
        tried.
    """
    synced = Synced({}, {})
    runs = home / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / ".next").open("w") as queue, (runs / ".sync").open("w") as turn:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return synced
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(queue, fcntl.LOCK_UN)
        in_a_row = 0
        for record in pending_records(home):
            in_a_row = 0 if _sync(record, home, synced) else in_a_row + 1
            if in_a_row == _MAX_FAILURES:
                break
    return synced


def pending_records(home: Path) -> list[RunRecord]:
    """List the runs that have ended and are not in MLflow yet, the oldest first."""
    ended = [record for record in reversed(list_records(home)) if record.state != "running"]
    return [record for record in ended if record.mirror()["status"] != "done"]


def _sync(record: RunRecord, home: Path, synced: Synced) -> bool:
    from cascada.tracking.mirror import mirror_record

    try:
        run_id = mirror_record(record, home / "mlartifacts")
    except Exception as error:  # noqa: BLE001 - whatever a store, a driver or a network raises: the copy stays pending
        text = f"{type(error).__name__}: {error}"[:2000]
        record.write_mirror("pending", error=text)
        synced.pending[record.run_id] = text
        return False
    record.write_mirror("done", run_id=run_id)
    synced.done[record.run_id] = run_id
    return True


def main() -> None:
    """Copy what is pending below the state folder that is the first argument."""
    from cascada.settings import apply_environment, load_settings

    os.nice(_NICENESS)
    home = Path(sys.argv[1])
    apply_environment(load_settings(home.parent))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    sync_records(home, wait=False)


if __name__ == "__main__":
    main()
