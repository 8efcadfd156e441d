"""The manifest of a run: the eight aspects that decide whether it can be earned again, as plain JSON.

The aspects are those of Olorisade, Brereton and Andras (arXiv:1709.01154): dataset, preprocessing, partitions,
training, assessment, randomness, software, hardware. `docs/manifest.schema.json` is the schema of the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cascada.repro.consumption import Consumption
from cascada.repro.environment import CodeState, Hardware, Record, Software
from cascada.repro.fingerprint import file_sha256

Kind = Literal["experiment", "script", "notebook", "job"]
Status = Literal["running", "finished", "failed", "killed"]


class Manifest(Record):
    """One run, by its eight aspects.

    Attributes
    ----------
    experiment
        Name of the experiment; of a script, the name that groups its runs.
    kind
        What ran: an experiment's flow, a script, a notebook, or a script with a job in it.
    status
        A run that is killed together with its supervisor stays "running": see `cascada.repro.record.RunRecord.state`.
    started, ended
        ISO 8601, UTC; empty when not recorded or not yet reached.
    command
        Script or notebook (path from the working directory) and its arguments, secrets as asterisks.
    working_dir
        Path from the root of the git work tree.
    exit_code
        Of the process; 128 plus the signal's number when it was killed by one, 124 after a timeout.
    error
        What ended a run that failed.
    process
        Who supervises: ``pid``, ``pid_started`` (seconds since its machine started), ``host``.
    dataset
        Name, full-content hash, rows in / kept / quarantined, origin; of a script ``inputs``: path, sha256,
        bytes, files.
    preprocessing
        Repair, features, shape and hash of what the model saw.
    partitions
        Hash of the split manifest and rows per partition.
    training
        Parameters, code state and hash of the source.
    assessment
        Metrics with intervals and sample sizes; of a script ``metrics`` (last values), ``metrics_sha256`` (names,
        values and steps in order), ``outputs`` (path to SHA-256); of a traced run ``trace`` (``every``, ``steps``,
        ``sha256``), which is no part of what two runs are compared by.
    randomness
        Root seed and what was drawn from it: streams, or seeds by library, and determinism flags.
    consumption
        Time, energy and money; no aspect: a verification does not compare it.
    """

    schema_version: int = 2
    run_id: str
    experiment: str
    kind: Kind = "experiment"
    status: Status = "finished"
    started: str = ""
    ended: str = ""
    command: tuple[str, ...] = ()
    working_dir: str = "."
    exit_code: int | None = None
    error: str = ""
    process: dict[str, Any] = Field(default_factory=dict)
    dataset: dict[str, Any]
    preprocessing: dict[str, Any]
    partitions: dict[str, Any]
    training: dict[str, Any]
    code: CodeState
    assessment: dict[str, Any]
    randomness: dict[str, Any]
    software: Software
    hardware: Hardware
    consumption: Consumption | None = None


def write_manifest(manifest: Manifest, path: Path) -> str:
    """Write a manifest, whole or not at all, and return the SHA-256 of its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, manifest.model_dump_json(indent=2) + "\n")
    return file_sha256(path)


def write_text(path: Path, text: str) -> None:
    """Replace a file by a text: a reader, or a machine that stops, sees the old or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
