"""The manifest of a run: the eight aspects that decide whether it can be earned again, as plain JSON.

The aspects are those of Olorisade, Brereton and Andras (arXiv:1709.01154): dataset, preprocessing, partitions,
training, assessment, randomness, software, hardware.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cascada.repro.environment import CodeState, Hardware, Record, Software
from cascada.repro.fingerprint import file_sha256


class Manifest(Record):
    """One run, by its eight aspects.

    Attributes
    ----------
    dataset
        Name, full-content hash, rows in / kept / quarantined, origin.
    preprocessing
        Repair, features, shape and hash of what the model saw.
    partitions
        Hash of the split manifest and rows per partition.
    training
        Parameters, code state and hash of the source.
    assessment
        Metrics with intervals and sample sizes.
    randomness
        Root seed and the streams drawn from it.
    """

    schema_version: int = 1
    run_id: str
    experiment: str
    dataset: dict[str, Any]
    preprocessing: dict[str, Any]
    partitions: dict[str, Any]
    training: dict[str, Any]
    code: CodeState
    assessment: dict[str, Any]
    randomness: dict[str, Any]
    software: Software
    hardware: Hardware


def write_manifest(manifest: Manifest, path: Path) -> str:
    """Write a manifest and return the SHA-256 of its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return file_sha256(path)
