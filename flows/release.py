"""Release: judge against the champion, register, promote or not, and package the champion."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment
from cascada.errors import ArtifactError
from cascada.evaluation.gates import Verdict, judge
from cascada.evaluation.metrics import Evaluation, Metric, accuracy_difference
from cascada.evaluation.report import MARKDOWN, Report, write_report
from cascada.registry import promotion
from cascada.registry.bundle import Bundle, BundleSpec
from cascada.registry.package import ModelIdentity
from cascada.repro.manifest import Manifest
from cascada.repro.score import Score, score_run
from cascada.repro.seeds import generator
from cascada.repro.signing import own_key
from cascada.settings import load_settings
from cascada.tracking import models, runs
from flows.evaluation import Evaluated, evaluate_test, predict_test
from flows.fitting import Trained
from flows.ingest import Ingested
from flows.policies import CACHED, RETRIED, by_content
from serving.package import build_bento


class Released(BaseModel):
    """A registered version, the verdict on it, and its Bento when it is champion.

    Attributes
    ----------
    rival
        Version of the champion that it was compared with.
    """

    model_config = ConfigDict(frozen=True)

    identity: ModelIdentity
    verdict: Verdict
    champion: bool
    rival: int | None = None
    bento: Path | None = None

    @property
    def standing(self) -> str:
        """What became of the version, in words."""
        alias = "champion" if self.champion else "challenger"
        return f"{self.identity.name} version {self.identity.version} is {alias}"


@task(**RETRIED)
def register_and_promote(
    experiment: Experiment, ingested: Ingested, trained: Trained, evaluated: Evaluated
) -> Released:
    """Register the bundle and let the verdict decide its alias."""
    champion = models.find_alias(experiment.name, models.CHAMPION)
    version = promotion.register(
        experiment.name,
        run_id=trained.run_id,
        bundle_sha256=trained.bundle_sha256,
        tags={
            "data_sha256": ingested.snapshot.content_sha256,
            "data_valid": str(ingested.snapshot.valid).lower(),
            "manifest_sha256": evaluated.manifest_sha256,
        },
    )
    with tempfile.TemporaryDirectory(prefix="cascada-release-") as scratch:
        bundle = _fetch(trained.run_id, trained.bundle_sha256, Path(scratch) / "challenger")
        rival = None if champion is None or champion.version == version.version else champion
        gain = (
            None
            if rival is None
            else _gain(bundle, _fetch_version(rival, Path(scratch) / "champion"), ingested, experiment.seed)
        )
        score = _score(trained.run_id, Path(scratch) / "record")
    verdict = judge(
        evaluated.evaluation, experiment.gate, features=_telling(bundle.spec), data_valid=ingested.snapshot.valid,
        score=score, gain=gain,
    )  # fmt: skip
    promoted = promotion.promote(version, verdict)
    return Released(
        identity=_identify(promoted, bundle), verdict=verdict, champion=verdict.passed,
        rival=None if rival is None else rival.version,
    )  # fmt: skip


def _score(run_id: str, folder: Path) -> Score:
    path = runs.fetch_files(run_id, "manifest.json", folder)
    return score_run(Manifest.model_validate_json(path.read_bytes()))


def _telling(spec: BundleSpec) -> tuple[str, ...]:
    """Name the features that say which physics ceilings hold; traces tell at least what the signal does."""
    return spec.features if spec.stations is None else (*spec.features, "signal_vem")


def _fetch(run_id: str, sha256: str, folder: Path) -> Bundle:
    """Fetch the bundle of a run and check that it is the one with this hash."""
    bundle = Bundle(runs.fetch_files(run_id, "bundle", folder))
    if bundle.sha256 != sha256:
        raise ArtifactError(
            "the bundle of a run is not the one that was judged", where=f"run {run_id}", expected=f"sha256 {sha256}",
            got=bundle.sha256, hint="train again with --refresh; what was altered is never served",
        )  # fmt: skip
    return bundle


def _fetch_version(version: models.ModelVersion, folder: Path) -> Bundle:
    return _fetch(version.run_id, version.tags["bundle_sha256"], folder)


def _gain(challenger: Bundle, champion: Bundle, ingested: Ingested, seed: int) -> Metric:
    predictions, truth = predict_test(challenger, ingested)
    if champion.spec.classes != challenger.spec.classes:
        raise ArtifactError(
            "the champion tells other primaries apart, so the two cannot be compared",
            expected=", ".join(challenger.spec.classes),
            got=", ".join(champion.spec.classes),
            hint="give the experiment another `name`: it is the name of the registered model",
        )
    others, _ = predict_test(champion, ingested)
    return accuracy_difference(predictions, others, truth.labels, truth.groups, rng=generator(seed, "gain"))


@task(cache_key_fn=by_content("experiment", "ingested", "trained", "evaluated", "released"), **CACHED, **RETRIED)
def report_run(
    experiment: Experiment, ingested: Ingested, trained: Trained, evaluated: Evaluated, released: Released
) -> str:
    """Write the report of a run into it, and return its Markdown."""
    with tempfile.TemporaryDirectory(prefix="cascada-report-") as scratch:
        folder = Path(scratch)
        bundle = _fetch(trained.run_id, trained.bundle_sha256, folder / "challenger")
        predictions, truth = predict_test(bundle, ingested)
        champion = None
        if released.rival is not None:
            rival = models.get_version(experiment.name, released.rival)
            champion = _evaluate_rival(_fetch_version(rival, folder / "champion"), ingested, experiment.seed)
        report = Report(
            experiment, bundle.spec.lineage.model_dump(mode="json", exclude={"experiment"}), ingested.split.rows,
            evaluated.evaluation, predictions, truth, verdict=released.verdict, standing=released.standing,
            score=_score(trained.run_id, folder / "record"), champion=champion, baselines=evaluated.baselines,
            shifts=tuple(evaluated.shifts.items()),
        )  # fmt: skip
        write_report(report, folder / "report")
        runs.log_files(trained.run_id, folder / "report", "report")
        return (folder / "report" / MARKDOWN).read_text(encoding="utf-8")


def _evaluate_rival(champion: Bundle, ingested: Ingested, seed: int) -> Evaluation:
    predictions, truth = predict_test(champion, ingested)
    return evaluate_test(champion, predictions, truth, seed=seed)


def package_version(version: models.ModelVersion) -> Path:
    """Build the Bento of a registered version and return its folder."""
    with tempfile.TemporaryDirectory(prefix="cascada-package-") as scratch:
        bundle = _fetch_version(version, Path(scratch))
        settings = load_settings()
        key = own_key(settings.keys, settings.signing_key)
        return build_bento(bundle.folder, _identify(version, bundle), key=key)


def _identify(version: models.ModelVersion, bundle: Bundle) -> ModelIdentity:
    lineage = bundle.spec.lineage
    return ModelIdentity(
        name=version.name, version=version.version, run_id=version.run_id, data_sha256=lineage.data_sha256,
        git_commit=lineage.git_commit, bundle_sha256=bundle.sha256,
        manifest_sha256=version.tags.get("manifest_sha256", ""), verdict=version.tags.get("verdict", ""),
        verification=version.tags.get("verification", ""),
    )  # fmt: skip


@task(**RETRIED)
def package(identity: ModelIdentity) -> Path:
    """Build the Bento of a model version."""
    return package_version(models.get_version(identity.name, identity.version))


@flow(name="release", flow_run_name="{experiment.name}")
def release_model(experiment: Experiment, ingested: Ingested, trained: Trained, evaluated: Evaluated) -> Released:
    """Register a model; promote and package it when the verdict allows."""
    released = register_and_promote(experiment, ingested, trained, evaluated)
    create_markdown_artifact(f"**{released.standing}**\n\n{released.verdict.to_markdown()}", key="verdict")
    create_markdown_artifact(report_run(experiment, ingested, trained, evaluated, released), key="report")
    return released.model_copy(update={"bento": package(released.identity)}) if released.champion else released
