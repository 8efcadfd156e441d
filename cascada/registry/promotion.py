"""Registering a bundle, and the one way to an alias: a verdict."""

from __future__ import annotations

from cascada.errors import ArtifactError
from cascada.evaluation.gates import Verdict
from cascada.tracking import models
from cascada.tracking.models import CHALLENGER, CHAMPION, ModelVersion


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


def promote(version: ModelVersion, verdict: Verdict) -> ModelVersion:
    """Let a verdict decide: champion when it passed, challenger with the reasons when it did not.

    The aliases say what the last verdict said: a version that gets one of them loses the other.

    Raises
    ------
    ArtifactError
        If the verdict passed although the version was registered as trained on invalid data.
    """
    if verdict.passed and version.tags.get("data_valid") != "true":
        raise ArtifactError(
            f"{version.name} version {version.version} was trained on data that a suite refused; it is never promoted",
            hint="train on data that meet the suite",
        )
    reasons = "; ".join(verdict.reasons)
    models.tag_version(
        version, {"verdict": "passed" if verdict.passed else "failed", "verdict_reasons": reasons[:4000]}
    )
    models.describe_version(version, verdict.to_markdown())
    gained, lost = (CHAMPION, CHALLENGER) if verdict.passed else (CHALLENGER, CHAMPION)
    models.set_alias(version, gained)
    models.drop_alias(version, lost)
    return models.get_version(version.name, version.version)
