"""How well a run is documented, aspect by aspect: 0 missing, 1 declared, 2 captured with hash, 3 verified by re-run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import Field

from cascada.repro.environment import Record
from cascada.repro.manifest import Manifest
from cascada.repro.verification import ASPECTS, Verification

LEVELS = ("missing", "declared", "captured", "verified")

Found = tuple[int, str, str]
"""Level, reason and next step."""


class AspectScore(Record):
    """The level of one aspect, why, and what would raise it."""

    aspect: str
    level: int = Field(ge=0, le=3)
    reason: str
    next_step: str

    @property
    def meaning(self) -> str:
        return LEVELS[self.level]


class Score(Record):
    """The levels of all aspects of a run."""

    run_id: str
    aspects: tuple[AspectScore, ...]

    @property
    def total(self) -> int:
        """Sum of the levels, 0 to 24."""
        return sum(one.level for one in self.aspects)

    @property
    def lowest(self) -> int:
        """Level that every aspect reaches: what ``--require`` looks at."""
        return min(one.level for one in self.aspects)


def score_run(manifest: Manifest, verifications: Iterable[Verification] = ()) -> Score:
    """Score a run.

    Parameters
    ----------
    verifications
        Those of this very manifest; the caller leaves out what verified another.
    """
    known = tuple(verifications)
    return Score(run_id=manifest.run_id, aspects=tuple(_score(manifest, aspect, known) for aspect in ASPECTS))


def _score(manifest: Manifest, aspect: str, verifications: Sequence[Verification]) -> AspectScore:
    level, reason, step = _RULES[aspect](manifest)
    earned = [one for one in verifications if one.verified(aspect)]
    if level == 2 and earned:
        level, step = 3, ""
        reason = f"replayed unchanged on {earned[-1].started[:10]}: {earned[-1].verdict}"
    elif level == 2:
        step = step or f"re-run it: cascada verify {manifest.run_id}"
    return AspectScore(aspect=aspect, level=level, reason=reason, next_step=step)


def _dataset(manifest: Manifest) -> Found:
    value = manifest.dataset
    inputs = value.get("inputs") or []
    if value.get("content_sha256"):
        return 2, f"full-content hash {value['content_sha256'][:12]} of {value.get('rows_kept', '?')} rows", ""
    if value.get("changed_during_run"):
        changed = ", ".join(value["changed_during_run"][:3])
        return 1, f"changed while the run read them: {changed}", "run again on data that nothing writes to"
    if inputs and all(one.get("sha256") for one in inputs):
        return 2, f"{len(inputs)} inputs with hash", ""
    if inputs or value:
        named = ", ".join(str(one.get("path")) for one in inputs) or "named without a hash"
        if inputs or set(value) - {"inputs"}:
            return 1, f"declared: {named}", "give a path that can be read, so that its content is hashed"
    return 0, "no input data declared", "name what the run reads: cascada run --data PATH"


def _preprocessing(manifest: Manifest) -> Found:
    value = manifest.preprocessing
    if not value:
        return 0, "nothing known", "pass the table that the model sees through the run, or keep its code in git"
    if value.get("code_sha256"):
        what = "code and output" if value.get("outputs") else "code"
        return 2, f"hash of the {what}", ""
    return 1, f"declared: {_names(value)}", "record the hash of its code (key code_sha256)"


def _partitions(manifest: Manifest) -> Found:
    value = manifest.partitions
    if not value:
        return 0, "no partition declared", "declare which rows train and which test, or that there is one partition"
    if any(key.endswith("sha256") for key in value):
        return 2, "hash of the row lists", ""
    return 1, f"declared: {_names(value)}", "record the hash of the list of rows in each partition"


def _training(manifest: Manifest) -> Found:
    value, code = manifest.training, manifest.code
    parameters = any(key.endswith("sha256") for key in value if key != "code_sha256")
    if not parameters:
        return 1, f"code at {code.commit[:12]}, parameters without a hash", "pass parameters through @job or --set"
    changes = f" and {len(code.changes)} uncommitted changes" if code.dirty else ""
    return 2, f"parameters, commit {code.commit[:12]}{changes}, with hash", ""


def _assessment(manifest: Manifest) -> Found:
    value = manifest.assessment
    hashed = [key for key in ("metrics", "outputs") if value.get(key)]
    if not hashed:
        return 0, "no metric and no output file", "log a metric, or write the result to a file in the project"
    if value.get("metrics_sha256") or value.get("outputs"):
        return 2, f"{len(value.get('metrics') or ())} metrics, {len(value.get('outputs') or ())} output files", ""
    return 1, "metrics without a hash", "record again with this version, which hashes them"


def _randomness(manifest: Manifest) -> Found:
    value = manifest.randomness
    if value.get("root_seed") is None:
        return 0, "no seed", "set one: cascada run --seed 1"
    if value.get("seeds") or value.get("streams"):
        drawn = value.get("seeds") or value["streams"]
        return 2, f"root seed {value['root_seed']}, from it: {', '.join(map(str, drawn))}", ""
    return 1, f"root seed {value['root_seed']} without what was drawn from it", "record the seed of every library"


def _software(manifest: Manifest) -> Found:
    software = manifest.software
    what = f"Python {software.python}, {len(software.packages)} packages"
    if software.lock_sha256:
        return 2, f"{what}, with the hash of their lock", ""
    return 1, what, "record again with this version, which hashes the list of packages"


def _hardware(manifest: Manifest) -> Found:
    hardware = manifest.hardware
    what = f"{hardware.processor or hardware.machine}, {hardware.cores} cores, {len(hardware.gpus)} GPUs"
    if hardware.processor and hardware.flags:
        return 2, f"{what}, {len(hardware.flags)} instruction sets", ""
    return 1, what, "record again with this version, which keeps the instruction sets of the processor"


def _names(value: dict[str, Any]) -> str:
    return ", ".join(sorted(value)[:6])


_RULES: dict[str, Callable[[Manifest], Found]] = {
    "dataset": _dataset,
    "preprocessing": _preprocessing,
    "partitions": _partitions,
    "training": _training,
    "assessment": _assessment,
    "randomness": _randomness,
    "software": _software,
    "hardware": _hardware,
}
