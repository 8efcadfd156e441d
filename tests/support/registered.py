"""A project with registered versions of a toy model, made in a moment: real store, real bundles, no training."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from bundles import LINEAGE, export
from repositories import git, repository

from cascada.evaluation.domain import Domain
from cascada.evaluation.gates import Check, Verdict
from cascada.evaluation.metrics import wilson
from cascada.registry import promotion
from cascada.registry.bundle import BundleSpec
from cascada.repro.environment import CodeState, Software, hardware
from cascada.repro.fingerprint import file_sha256
from cascada.repro.manifest import Manifest, write_manifest
from cascada.settings import Settings, process_environment
from cascada.tracking import runs
from cascada.tracking.models import ModelVersion

GOOD = Check(name="accuracy", passed=True, required="lower end >= 0.7", measured="0.750 [0.740, 0.760]")
BAD = Check(name="anomaly AUC", passed=False, required="lower end >= 0.9", measured="0.850 [0.840, 0.860]")
PASSED, FAILED = Verdict(checks=(GOOD,)), Verdict(checks=(GOOD, BAD))


@contextmanager
def toy_project(folder: Path, *, domain: Domain | None = None) -> Iterator[Registry]:
    """Work in a project without a version, made below a folder: its settings and stores are those of this process."""
    root = project(folder / "toy")
    settings = Settings(root=root)  # type: ignore[call-arg]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in process_environment(settings).items():
            patch.setenv(name, value)
        patch.setenv("CASCADA_ROOT", str(root))
        settings.home.mkdir()
        yield Registry(root, export(folder / "bundle", *([domain] if domain else [])).folder)


def project(root: Path) -> Path:
    """Make the repository of a project."""
    return repository(root, {"train.py": "rate = 0.1\n"})


@dataclass(frozen=True)
class Registry:
    """The store of a project, and the bundle that its versions are copies of."""

    root: Path
    bundle: Path

    def register(self, name: str, *, right: int = 750, data_valid: bool = True) -> ModelVersion:
        """Register one more version, whose run has a manifest with an accuracy of `right` in 1,000."""
        scratch = self.root / ".cascada" / "scratch"
        run_id = runs.start_run(name, name="fit", artifacts=self.root / ".cascada" / "mlartifacts", params={}, tags={})
        digest = write_manifest(self._manifest(run_id, name, right), scratch / "manifest.json")
        runs.log_files(run_id, scratch / "manifest.json")
        shutil.copytree(self.bundle, scratch / "bundle")
        spec = BundleSpec.model_validate_json((scratch / "bundle" / "bundle.json").read_bytes())
        own = spec.model_copy(update={"lineage": LINEAGE.model_copy(update={"run_id": run_id})})
        (scratch / "bundle" / "bundle.json").write_text(own.model_dump_json())
        runs.log_files(run_id, scratch / "bundle", "bundle")
        bundle_sha256 = file_sha256(scratch / "bundle" / "bundle.json")
        shutil.rmtree(scratch)
        facts = {"data_sha256": "1" * 64, "data_valid": str(data_valid).lower(), "manifest_sha256": digest}
        return promotion.register(name, run_id=run_id, bundle_sha256=bundle_sha256, tags=facts)

    def _manifest(self, run_id: str, name: str, right: int) -> Manifest:
        metric = wilson("accuracy", right, 1000).model_dump(mode="json")
        commit = git(self.root, "rev-parse", "HEAD").strip()
        return Manifest(
            run_id=run_id, experiment=name, dataset={"name": "toy"}, preprocessing={}, partitions={},
            training={"parameters": {"epochs": right}},
            code=CodeState(commit=commit, dirty=False, changes=(), changes_sha256=""),
            assessment={
                "classes": ["p", "Fe"], "reference": ["p"], "metrics": [metric], "confusion": [], "unmeasured": {},
            },
            randomness={"root_seed": 1}, software=Software(python="3.11.7", system="Linux", packages={}),
            hardware=hardware(),
        )  # fmt: skip
