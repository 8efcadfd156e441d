"""Release: judge against the champion, register, promote or not, and package the champion."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment, Mode
from cascada.evaluation.gates import Verdict
from cascada.evaluation.metrics import Evaluation
from cascada.evaluation.report import MARKDOWN, Report, write_report
from cascada.registry import promotion
from cascada.registry.bundle import Bundle
from cascada.registry.package import ModelIdentity
from cascada.registry.versions import fetch_bundle, identify
from cascada.repro.manifest import Manifest
from cascada.repro.score import Score, score_run
from cascada.tracking import models, runs
from flows.deployment import deploy_version
from flows.evaluation import Evaluated, evaluate_test, predict_test
from flows.fitting import Trained
from flows.ingest import Ingested
from flows.judgement import Case, judge_case
from flows.noise import measure_noise
from flows.notices import PROMOTED, announce
from flows.policies import CACHED, RETRIED, by_content
from flows.service import package_version


class Released(BaseModel):
    """A registered version, the verdict on it, and its Bento when it is champion.

    Attributes
    ----------
    verdict
        None when the gate is disabled.
    """

    model_config = ConfigDict(frozen=True)

    identity: ModelIdentity
    mode: Mode
    verdict: Verdict | None
    champion: bool
    bento: Path | None = None

    @property
    def rival(self) -> int | None:
        """Version of the champion that it was compared with."""
        contest = None if self.verdict is None else self.verdict.contest
        return None if contest is None else contest.rival

    @property
    def standing(self) -> str:
        """What became of the version, in words."""
        what = f"{self.identity.name} version {self.identity.version}"
        if self.champion:
            return f"{what} is champion"
        if self.verdict is None:
            return f"{what} is registered and not judged: the gate is disabled"
        if self.mode == "dry_run":
            alias = "champion" if self.verdict.passed else "challenger"
            return f"{what} would become {alias}: the gate is on a dry run and moves no alias"
        return f"{what} is challenger"


@task(**RETRIED)
def register_and_promote(
    experiment: Experiment, ingested: Ingested, trained: Trained, evaluated: Evaluated
) -> Released:
    """Register the bundle and let the verdict decide its alias; a champion becomes what is served."""
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
        bundle = fetch_bundle(version, Path(scratch) / "bundle")
        verdict, mode = promotion.read_verdict(version), experiment.gate.mode
        before = models.CHAMPION in version.aliases
        if not before and mode != "disabled":
            score = _score(trained.run_id, Path(scratch) / "record")
            case = Case(version, bundle, experiment, ingested, evaluated.evaluation, score, known=verdict)
            verdict = judge_case(case, measure_noise=measure_noise)
            record = promotion.promote if mode == "enabled" else promotion.record_verdict
            version = record(version, verdict)
        champion = models.CHAMPION in version.aliases
        if champion:
            deploy_version(version, bundle, reason="passed the gate")
        if champion and not before:
            announce(PROMOTED, version.name, f"version {version.version} is champion")
        return Released(identity=identify(version, bundle), mode=mode, verdict=verdict, champion=champion)


def _score(run_id: str, folder: Path) -> Score:
    path = runs.fetch_files(run_id, "manifest.json", folder)
    return score_run(Manifest.model_validate_json(path.read_bytes()))


@task(cache_key_fn=by_content("experiment", "ingested", "trained", "evaluated", "released"), **CACHED, **RETRIED)
def report_run(
    experiment: Experiment, ingested: Ingested, trained: Trained, evaluated: Evaluated, released: Released
) -> str:
    """Write the report of a run into it, and return its Markdown."""
    with tempfile.TemporaryDirectory(prefix="cascada-report-") as scratch:
        folder = Path(scratch)
        version = models.get_version(experiment.name, released.identity.version)
        bundle = fetch_bundle(version, folder / "challenger")
        predictions, truth = predict_test(bundle, ingested)
        champion = None
        if released.rival is not None:
            rival = models.get_version(experiment.name, released.rival)
            champion = _evaluate_rival(fetch_bundle(rival, folder / "champion"), ingested, experiment.seed)
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


@task(**RETRIED)
def package(identity: ModelIdentity) -> Path:
    """Build the Bento of a model version."""
    return package_version(models.get_version(identity.name, identity.version))


@flow(name="release", flow_run_name="{experiment.name}")
def release_model(experiment: Experiment, ingested: Ingested, trained: Trained, evaluated: Evaluated) -> Released:
    """Register a model; promote and package it when the verdict allows."""
    released = register_and_promote(experiment, ingested, trained, evaluated)
    told = "" if released.verdict is None else released.verdict.to_markdown()
    create_markdown_artifact(f"**{released.standing}**\n\n{told}", key="verdict")
    create_markdown_artifact(report_run(experiment, ingested, trained, evaluated, released), key="report")
    return released.model_copy(update={"bento": package(released.identity)}) if released.champion else released
