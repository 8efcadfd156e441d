"""Registering a bundle, and the ways to an alias: a verdict, a person who answers for it, or a way back."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cascada.errors import ArtifactError
from cascada.evaluation.gates import Verdict
from cascada.repro.fingerprint import file_sha256
from cascada.tracking import models, runs
from cascada.tracking.models import CHALLENGER, CHAMPION, ModelVersion

VERDICTS = "verdicts"
"""Folder of a run's files that keeps every verdict on the versions that it made, named by its hash."""

PASSED, FAILED, FORCED = "passed", "failed", "forced"

CROWNED = "champion_by"
"""Tag of a version that is or was champion: `PASSED` or `FORCED`. Later verdicts, against other champions, leave it."""


class Decision(BaseModel):
    """Somebody who answers for what no verdict says, and why."""

    model_config = ConfigDict(frozen=True)

    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


def register(name: str, *, run_id: str, bundle_sha256: str, tags: dict[str, str]) -> ModelVersion:
    """Register the bundle of a run as a version of a model; the same bundle is registered once.

    Parameters
    ----------
    bundle_sha256
        Identity of the bundle (`cascada.registry.bundle.Bundle.sha256`).
    tags
        Facts to show in the registry; ``data_valid`` decides whether the version can ever be promoted.
    """
    existing = models.find_by_tag(name, "bundle_sha256", bundle_sha256)
    if existing is not None:
        return existing
    return models.register_version(name, run_id=run_id, folder="bundle", tags=tags | {"bundle_sha256": bundle_sha256})


def record_verdict(version: ModelVersion, verdict: Verdict) -> ModelVersion:
    """Store a verdict on a version, with all its numbers; no alias moves."""
    with tempfile.TemporaryDirectory(prefix="cascada-verdict-") as scratch:
        path = Path(scratch) / "verdict.json"
        path.write_text(verdict.model_dump_json(indent=2) + "\n", encoding="utf-8")
        digest = file_sha256(path)
        runs.log_files(version.run_id, path.rename(path.with_name(f"{digest}.json")), VERDICTS)
    said, reasons = PASSED if verdict.passed else FAILED, "; ".join(verdict.reasons)
    models.tag_version(version, {"verdict": said, "verdict_reasons": reasons[:4000], "verdict_sha256": digest})
    models.describe_version(version, verdict.to_markdown())
    return models.get_version(version.name, version.version)


def read_verdict(version: ModelVersion) -> Verdict | None:
    """Read the last verdict on a version; None before the first.

    Raises
    ------
    ArtifactError
        If it is not the one that the registry names.
    """
    digest = version.tags.get("verdict_sha256", "")
    if not digest:
        return None
    with tempfile.TemporaryDirectory(prefix="cascada-verdict-") as scratch:
        path = runs.fetch_files(version.run_id, f"{VERDICTS}/{digest}.json", Path(scratch))
        if file_sha256(path) != digest:
            raise ArtifactError(
                "the verdict on a version was altered", where=f"{version.label}, run {version.run_id}",
                expected=f"sha256 {digest}", got=file_sha256(path),
            )  # fmt: skip
        try:
            return Verdict.model_validate_json(path.read_bytes())
        except ValidationError:  # of a version of cascada that measured less
            return None


def promote(version: ModelVersion, verdict: Verdict) -> ModelVersion:
    """Let a verdict decide: champion when it passed, challenger with the reasons when it did not.

    The aliases say what the last verdict said: a version that gets one of them loses the other.

    Raises
    ------
    ArtifactError
        If the verdict passed although the version was registered as trained on invalid data.
    """
    if verdict.passed:
        _require_valid_data(version)
    judged = record_verdict(version, verdict)
    return _crown(judged, PASSED) if verdict.passed else _point(judged, CHALLENGER)


def force(version: ModelVersion, verdict: Verdict, decision: Decision) -> ModelVersion:
    """Make a version champion against its verdict, because somebody answers for it; the version tells for ever.

    Raises
    ------
    ArtifactError
        If it was registered as trained on invalid data.
    """
    _require_valid_data(version)
    judged = record_verdict(version, verdict)
    told = {"forced_by": decision.by, "forced_reason": decision.reason, "forced": _now(), "rolled_back": ""}
    models.tag_version(judged, told)
    models.describe_version(judged, f"**Forced by {decision.by}: {decision.reason}**\n\n{verdict.to_markdown()}")
    return _crown(judged, FORCED)


def require_former_champion(version: ModelVersion) -> None:
    """Check that a version was champion once and may be so again.

    Raises
    ------
    ArtifactError
        If it was never champion, or was registered as trained on invalid data.
    """
    if not version.tags.get(CROWNED):
        raise ArtifactError(
            f"{version.label} was never champion, so there is nothing to roll back to",
            got=f"verdict {version.tags['verdict']}" if "verdict" in version.tags else "no verdict",
            hint=f"let the gate judge it: cascada promote {version.name}@{version.version}",
        )
    _require_valid_data(version)


def reinstate(version: ModelVersion, withdrawn: ModelVersion | None, decision: Decision) -> ModelVersion:
    """Make a former champion champion again; the version that it replaces is not promoted again by a verdict."""
    require_former_champion(version)
    if withdrawn is not None:
        told = f"rolled back by {decision.by} on {_now()}: {decision.reason}"
        models.tag_version(withdrawn, {"rolled_back": told})
    models.tag_version(version, {"rolled_back": ""})
    return _point(version, CHAMPION)


def _crown(version: ModelVersion, by: str) -> ModelVersion:
    models.tag_version(version, {CROWNED: by})
    return _point(version, CHAMPION)


def _require_valid_data(version: ModelVersion) -> None:
    if version.tags.get("data_valid") != "true":
        raise ArtifactError(
            f"{version.label} was trained on data that a suite refused; it is never promoted",
            hint="train on data that meet the suite",
        )


def _point(version: ModelVersion, gained: str) -> ModelVersion:
    models.set_alias(version, gained)
    models.drop_alias(version, CHALLENGER if gained == CHAMPION else CHAMPION)
    return models.get_version(version.name, version.version)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
