"""The record of a verification, and the eight aspects of two runs side by side."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from cascada.errors import ArtifactError
from cascada.repro.compare import Comparison, Numbers, Verdict
from cascada.repro.environment import Record
from cascada.repro.manifest import Manifest
from cascada.repro.signing import require_signature, sign

logger = logging.getLogger(__name__)

ASPECTS = (
    "dataset", "preprocessing", "partitions", "training", "assessment", "randomness", "software", "hardware",
)  # fmt: skip
"""Of Olorisade, Brereton and Andras (arXiv:1709.01154), in the order of a run."""

Level = Literal["hashes", "replay"]

# Where a run happened and what names it, not what it was; a bundle's hash covers the id of its run.
_VOLATILE = frozenset({"path", "bytes", "dvc_md5", "bundle_sha256", "memory_gib", "pid", "environment"})


class AspectCheck(Record):
    """One aspect of a recorded run against now, or against its replay.

    Attributes
    ----------
    outcome
        ``unknown`` when the record says too little to tell.
    """

    aspect: str
    outcome: Literal["same", "different", "unknown"]
    detail: str


class Verification(Numbers):
    """What a verification did and found; stored beside the run.

    Attributes
    ----------
    manifest_sha256
        The manifest that was verified: a verification of another manifest says nothing about this one.
    environment
        What it was replayed with; empty when nothing was run.
    """

    schema_version: int = 1
    run_id: str
    manifest_sha256: str
    level: Level
    started: str
    ended: str
    comparison: Comparison
    aspects: tuple[AspectCheck, ...] = ()
    environment: str = ""

    @property
    def verdict(self) -> Verdict:
        return self.comparison.verdict

    def verified(self, aspect: str) -> bool:
        """Tell whether a replay earned the result again with this aspect unchanged."""
        same = any(check.aspect == aspect and check.outcome == "same" for check in self.aspects)
        return self.level == "replay" and self.verdict.passed and same


def store_verification(verification: Verification, folder: Path, *, key: Path) -> Path:
    """Write and sign a verification below a record's folder, named by the time that it began; returns the file.

    Parameters
    ----------
    key
        Private key.
    """
    folder = folder / "verifications"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{verification.started.replace(':', '')}.json"
    partial = path.with_suffix(".writing")
    partial.write_text(verification.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.rename(path)
    sign(path, signature_of(path), key=key)
    return path


def signature_of(path: Path) -> Path:
    """Name the file that holds the signature of a verification."""
    return path.with_name(f"{path.name}.sig")


def read_verifications(folder: Path, *, trusted: Path) -> tuple[Verification, ...]:
    """Read the verifications of a record that somebody trusted has signed, oldest first; of others a warning is logged.

    Raises
    ------
    ArtifactError
        If one is signed and not valid.
    """
    paths = sorted((folder / "verifications").glob("*.json"))
    return tuple(_read(path) for path in paths if _is_signed(path, trusted))


def _is_signed(path: Path, trusted: Path) -> bool:
    try:
        require_signature(path, signature_of(path), trusted=trusted)
    except ArtifactError as error:
        logger.warning("a verification does not count: %s", error)
        return False
    return True


def _read(path: Path) -> Verification:
    try:
        return Verification.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ArtifactError("this verification is not valid", where=str(path), got=str(error)) from error


def compare_aspects(original: Manifest, replay: Manifest) -> tuple[AspectCheck, ...]:
    """Put the eight aspects of two runs side by side; results themselves are `cascada.repro.compare`'s to judge."""
    return tuple(_check(aspect, original, replay) for aspect in ASPECTS if aspect != "assessment")


def _check(aspect: str, original: Manifest, replay: Manifest) -> AspectCheck:
    one, other = content(original, aspect), content(replay, aspect)
    if not one:
        return AspectCheck(aspect=aspect, outcome="unknown", detail="the record says nothing about it")
    changes = leaf_changes(one, other)
    if not changes:
        return AspectCheck(aspect=aspect, outcome="same", detail="")
    shown = "; ".join(f"{key}: {_short(a)} became {_short(b)}" for key, (a, b) in list(changes.items())[:5])
    more = f"; and {len(changes) - 5} more" if len(changes) > 5 else ""
    return AspectCheck(aspect=aspect, outcome="different", detail=shown + more)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def content(manifest: Manifest, aspect: str) -> dict[str, Any]:
    """Reduce an aspect to what two runs of the same thing share: no paths, times or names of runs."""
    value = getattr(manifest, aspect)
    plain = value if isinstance(value, dict) else value.model_dump(mode="json")
    kept: dict[str, Any] = _without(plain)
    if aspect == "training":
        code = manifest.code
        kept |= {"commit": code.commit, "changes_sha256": code.changes_sha256}
    if aspect == "dataset" and "inputs" in kept:
        kept["inputs"] = list(dict.fromkeys(one["sha256"] for one in kept["inputs"] if "sha256" in one))
    if aspect == "software":
        packages = {name: version for name, version in kept["packages"].items() if name != "cascada"}  # the recorder
        return {"python": kept["python"], "packages": packages}
    return kept


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(inner) for key, inner in value.items() if key not in _VOLATILE}
    if isinstance(value, (list, tuple)):
        return [_without(inner) for inner in value]
    return value


def leaf_changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """List the leaves that differ between two nested values, by dotted key; None where one lacks it.

    Examples
    --------
    >>> leaf_changes({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4})
    {'a.c': (2, 3), 'd': (None, 4)}
    """
    left, right = _leaves(one), _leaves(other)
    keys = [*left, *(key for key in right if key not in left)]
    return {key: (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}


def _leaves(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, (list, tuple)) and any(isinstance(inner, (Mapping, list, tuple)) for inner in value):
        items = [(str(number), inner) for number, inner in enumerate(value)]
    else:
        return {prefix: list(value) if isinstance(value, tuple) else value}
    return {
        key: leaf
        for name, inner in items
        for key, leaf in _leaves(inner, f"{prefix}.{name}" if prefix else name).items()
    }
