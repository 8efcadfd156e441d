"""Promote a registered version. Plain functions, without a Prefect server."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from cascada.config import Experiment, load_experiment
from cascada.data.snapshots import SnapshotRef
from cascada.data.splits import SplitRef
from cascada.data.versions import ensure
from cascada.errors import ArtifactError
from cascada.jobs.locate import locate
from cascada.registry import promotion
from cascada.registry.inventory import read_evaluation
from cascada.registry.promotion import Decision
from cascada.registry.versions import fetch_bundle
from cascada.repro.fingerprint import file_sha256, json_sha256
from cascada.repro.manifest import Manifest
from cascada.repro.record import RunRecord
from cascada.repro.score import score_run
from cascada.settings import load_settings
from cascada.tracking import models, runs
from cascada.tracking.models import ModelVersion
from flows.deployment import Promotion, deploy_champion, deploy_version, tell
from flows.ingest import Ingested
from flows.judgement import Case, judge_case
from flows.noise import measure_noise


def promote_version(reference: str, *, reason: str = "", decision: Decision | None = None) -> Promotion:
    """Judge a version against the champion of today and let the verdict decide; a decision stands above a refusal.

    Parameters
    ----------
    reference
        MODEL@VERSION, MODEL@ALIAS, or MODEL for its challenger.
    reason
        For the history.
    """
    version = models.find_version(reference, alias=models.CHALLENGER)
    before = models.find_alias(version.name, models.CHAMPION)
    with tempfile.TemporaryDirectory(prefix="cascada-promote-") as scratch:
        if models.CHAMPION in version.aliases:
            deploy_champion(version)
            return tell(version, before)
        case = open_case(version, Path(scratch))
        verdict = judge_case(case, measure_noise=measure_noise.fn)
        if decision is not None and not verdict.passed:
            version, why = promotion.force(version, verdict, decision), f"forced by {decision.by}: {decision.reason}"
        else:
            version, why = promotion.promote(version, verdict), f"passed the gate{reason and ': '}{reason}"
        if models.CHAMPION in version.aliases:
            deploy_version(version, case.bundle, reason=why)
        return tell(version, before, verdict)


def open_case(version: ModelVersion, scratch: Path) -> Case:
    """Gather what is known of a version from its run, checked against what was registered.

    Raises
    ------
    ArtifactError
        If something is missing or was altered: manifest, experiment, bundle, split or snapshot.
    """
    settings = load_settings()
    found = locate(f"{version.name}@{version.version}", settings, scratch / "record")
    manifest = found.record.manifest
    return Case(
        version, fetch_bundle(version, scratch / "bundle"), recorded_experiment(version, found.record),
        open_inputs(manifest, scratch / "split"),
        read_evaluation(manifest),
        score_run(manifest, found.verifications(settings)), promotion.read_verdict(version),
    )  # fmt: skip


def recorded_experiment(version: ModelVersion, record: RunRecord) -> Experiment:
    """Read the experiment that made a version from the record of its run, checked against what was registered.

    Raises
    ------
    ArtifactError
        If manifest or experiment were altered.
    """
    recorded = record.folder / "experiment.yaml"
    content = yaml.safe_load(recorded.read_text(encoding="utf-8"))
    _require("the manifest", version.tags["manifest_sha256"], file_sha256(record.folder / "manifest.json"), version)
    _require("the experiment", record.manifest.training["experiment_sha256"], json_sha256(content), version)
    return load_experiment(recorded)


def _require(what: str, expected: str, got: str, version: ModelVersion) -> None:
    if got != expected:
        raise ArtifactError(
            f"{what} of a run is not the one that was registered", where=f"{version.label}, run {version.run_id}",
            expected=f"sha256 {expected}", got=got, hint="train again with --refresh",
        )  # fmt: skip


def open_inputs(manifest: Manifest, scratch: Path) -> Ingested:
    """Find the data and the split that a run was judged on; DVC brings back a snapshot that was replaced."""
    root, data, parts = load_settings().root, manifest.dataset, manifest.partitions
    snapshot = SnapshotRef.model_validate(data | {"path": root / "data" / data["name"]})
    split = runs.fetch_files(manifest.run_id, f"split/{parts['content_sha256'][:16]}.parquet", scratch)
    chosen = {name: parts[name] for name in SplitRef.model_fields if name != "path"}
    return Ingested(snapshot=ensure(snapshot, root), split=SplitRef(path=split, **chosen))
