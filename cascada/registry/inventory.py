"""What is known of registered versions, alone and side by side."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cascada.evaluation.gates import Check, Verdict
from cascada.evaluation.metrics import Evaluation, Metric
from cascada.jobs.locate import Located, locate
from cascada.registry.deployment import Change, history, served_identity
from cascada.registry.promotion import CROWNED, read_verdict
from cascada.registry.versions import fetch_bundle
from cascada.repro.diff import Change as Difference
from cascada.repro.diff import RunDiff, diff_runs
from cascada.repro.manifest import Manifest
from cascada.repro.score import Score, score_run
from cascada.repro.verification import leaf_changes
from cascada.settings import load_settings
from cascada.tracking import models
from cascada.tracking.models import ModelVersion


class Listed(BaseModel):
    """A version in a listing.

    Attributes
    ----------
    verdict
        Passed, failed, or empty when it was not judged.
    note
        What stands out: forced, rolled back, former champion.
    served
        Whether it is deployed here.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    version: int
    aliases: tuple[str, ...]
    verdict: str
    verification: str
    run_id: str
    note: str
    served: bool


class Described(BaseModel):
    """A version with its verdict, its lineage and the history of its model."""

    model_config = ConfigDict(frozen=True)

    listed: Listed
    data_sha256: str
    data_valid: bool
    commit: str
    bundle_sha256: str
    manifest_sha256: str
    versions: tuple[int, ...]
    verdict: Verdict | None
    score: Score
    history: tuple[Change, ...]


class CheckPair(BaseModel):
    """One condition of the gate in two verdicts; None where a verdict lacks it."""

    model_config = ConfigDict(frozen=True)

    name: str
    one: Check | None
    other: Check | None


class MetricPair(BaseModel):
    """One metric of two versions, each on its own test partition; None where a version lacks it."""

    model_config = ConfigDict(frozen=True)

    name: str
    one: Metric | None
    other: Metric | None


class Compared(BaseModel):
    """Two versions side by side.

    Attributes
    ----------
    spec
        Where the specs of the bundles differ: features, classes, networks, scaling.
    same_showers
        Whether both were tested on the same split of the same data.
    """

    model_config = ConfigDict(frozen=True)

    one: Listed
    other: Listed
    checks: tuple[CheckPair, ...]
    metrics: tuple[MetricPair, ...]
    headline_names: tuple[str, ...]
    same_showers: bool
    spec: tuple[Difference, ...]
    runs: RunDiff

    @property
    def headline(self) -> tuple[MetricPair, ...]:
        """The metrics that a physicist reads first."""
        found = {pair.name: pair for pair in self.metrics}
        return tuple(found[name] for name in self.headline_names)


def list_versions() -> list[Listed]:
    """List every version of every model, by name and number."""
    return [_list(version) for name in models.list_models() for version in models.list_versions(name)]


def _list(version: ModelVersion) -> Listed:
    tags, served = version.tags, served_identity(load_settings().served / version.name)
    notes = {
        f"forced by {tags.get('forced_by')}: {tags.get('forced_reason')}": "forced_by" in tags,
        tags.get("rolled_back", ""): bool(tags.get("rolled_back")),
        "former champion": CROWNED in tags and models.CHAMPION not in version.aliases,
    }
    return Listed(
        name=version.name, version=version.version, aliases=version.aliases, verdict=tags.get("verdict", ""),
        verification=tags.get("verification", ""), run_id=version.run_id,
        note="; ".join(note for note, holds in notes.items() if holds),
        served=served is not None and served.version == version.version,
    )  # fmt: skip


def describe(reference: str) -> Described:
    """Gather what is known of a version.

    Parameters
    ----------
    reference
        MODEL for its champion, MODEL@ALIAS or MODEL@VERSION.
    """
    version, settings = models.find_version(reference), load_settings()
    with tempfile.TemporaryDirectory(prefix="cascada-show-") as scratch:
        found = _locate(version, Path(scratch))
        manifest, score = found.record.manifest, score_run(found.record.manifest, found.verifications(settings))
    tags = version.tags
    return Described(
        listed=_list(version), data_sha256=tags.get("data_sha256", ""), data_valid=tags.get("data_valid") == "true",
        commit=manifest.code.commit, bundle_sha256=tags.get("bundle_sha256", ""),
        manifest_sha256=tags.get("manifest_sha256", ""), verdict=read_verdict(version), score=score,
        versions=tuple(one.version for one in models.list_versions(version.name)),
        history=history(settings.served / version.name),
    )  # fmt: skip


def compare(one: str, other: str) -> Compared:
    """Put two versions side by side; references as in `describe`."""
    versions = models.find_version(one), models.find_version(other)
    with tempfile.TemporaryDirectory(prefix="cascada-compare-") as scratch:
        folders = Path(scratch) / "one", Path(scratch) / "other"
        found = [_locate(version, folder) for version, folder in zip(versions, folders, strict=True)]
        specs = [fetch_bundle(v, folder / "bundle").spec for v, folder in zip(versions, folders, strict=True)]
        manifests = [each.record.manifest for each in found]
        runs = diff_runs(
            *manifests, repository=load_settings().root, kept=(found[0].record.code, found[1].record.code)
        )  # fmt: skip
    plain = [spec.model_dump(mode="json", exclude={"lineage", "files"}) for spec in specs]
    judged = [read_evaluation(each) for each in manifests]
    names = dict.fromkeys(metric.name for each in judged for metric in each.overall)
    return Compared(
        one=_list(versions[0]), other=_list(versions[1]), checks=_pair_checks(*versions), runs=runs,
        metrics=tuple(MetricPair(name=n, one=judged[0].find(n), other=judged[1].find(n)) for n in names),
        headline_names=tuple(metric.name for metric in judged[0].headline),
        same_showers=specs[0].lineage.split_sha256 == specs[1].lineage.split_sha256
        and specs[0].lineage.data_sha256 == specs[1].lineage.data_sha256,
        spec=tuple(Difference(key=key, one=a, other=b) for key, (a, b) in leaf_changes(*plain).items()),
    )  # fmt: skip


def read_evaluation(manifest: Manifest) -> Evaluation:
    """Read the evaluation of an experiment from the manifest of its run."""
    return Evaluation.model_validate({name: manifest.assessment[name] for name in Evaluation.model_fields})


def _pair_checks(one: ModelVersion, other: ModelVersion) -> tuple[CheckPair, ...]:
    verdicts = [read_verdict(version) for version in (one, other)]
    checks = [{} if v is None else {check.name: check for check in v.checks} for v in verdicts]
    names = dict.fromkeys([*checks[0], *checks[1]])
    return tuple(CheckPair(name=name, one=checks[0].get(name), other=checks[1].get(name)) for name in names)


def _locate(version: ModelVersion, scratch: Path) -> Located:
    return locate(f"{version.name}@{version.version}", load_settings(), scratch)
