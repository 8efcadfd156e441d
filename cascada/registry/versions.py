"""Bundles of registered versions, checked against what was registered."""

from __future__ import annotations

from pathlib import Path

from cascada.errors import ArtifactError
from cascada.registry.bundle import Bundle
from cascada.registry.package import ModelIdentity
from cascada.registry.promotion import CROWNED
from cascada.tracking import runs
from cascada.tracking.models import ModelVersion


def fetch_bundle(version: ModelVersion, folder: Path) -> Bundle:
    """Fetch the bundle of a version and check that it is the one that was registered.

    Raises
    ------
    ArtifactError
        If it is gone, or another one.
    """
    expected = version.tags["bundle_sha256"]
    bundle = Bundle(runs.fetch_files(version.run_id, "bundle", folder))
    if bundle.sha256 != expected:
        raise ArtifactError(
            "the bundle of a run is not the one that was judged", where=f"{version.label}, run {version.run_id}",
            expected=f"sha256 {expected}", got=bundle.sha256,
            hint="train again with --refresh; what was altered is never served",
        )  # fmt: skip
    return bundle


def identify(version: ModelVersion, bundle: Bundle) -> ModelIdentity:
    """Say which version a bundle is, and where it came from."""
    lineage, tags = bundle.spec.lineage, version.tags
    return ModelIdentity(
        name=version.name, version=version.version, run_id=version.run_id, data_sha256=lineage.data_sha256,
        git_commit=lineage.git_commit, bundle_sha256=bundle.sha256, manifest_sha256=tags.get("manifest_sha256", ""),
        verdict=tags.get(CROWNED) or tags.get("verdict", ""), verification=tags.get("verification", ""),
    )  # fmt: skip
