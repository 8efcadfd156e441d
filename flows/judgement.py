"""Judge a registered version: gather the evidence, measuring only what nobody measured yet. Without Prefect."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cascada.config import Experiment
from cascada.errors import ArtifactError
from cascada.evaluation.contest import Contest, Noise, hold_contest
from cascada.evaluation.gates import Evidence, Verdict, judge
from cascada.evaluation.latency import Latency, measure_latency
from cascada.evaluation.metrics import Evaluation
from cascada.registry.bundle import Bundle, BundleSpec, Lineage
from cascada.registry.versions import fetch_bundle
from cascada.repro.environment import hardware
from cascada.repro.score import Score
from cascada.repro.seeds import generator
from cascada.settings import load_settings
from cascada.tracking import models
from cascada.tracking.models import ModelVersion
from cascada.training.dataset import observables
from cascada.training.traces import read_stations
from flows.evaluation import predict_test
from flows.ingest import Ingested, open_partitions

logger = logging.getLogger(__name__)

MeasureNoise = Callable[[Experiment, Ingested, Lineage, float], Noise]


@dataclass(frozen=True)
class Case:
    """A version and all that is known of it.

    Attributes
    ----------
    bundle
        As it was registered.
    known
        The last verdict on it, whose measurements still count.
    """

    version: ModelVersion
    bundle: Bundle
    experiment: Experiment
    ingested: Ingested
    evaluation: Evaluation
    score: Score
    known: Verdict | None = None


def judge_case(case: Case, *, measure_noise: MeasureNoise) -> Verdict:
    """Judge a version against the champion of its model; a comparison with the same champion is not repeated."""
    evidence = Evidence(
        features=_telling(case.bundle.spec), data_valid=case.version.tags.get("data_valid") == "true",
        score=case.score, latency=_latency(case), withdrawn=case.version.tags.get("rolled_back", ""),
    )  # fmt: skip
    champion = models.find_alias(case.version.name, models.CHAMPION)
    if champion is not None and champion.version != case.version.version:
        evidence = replace(evidence, contest=_contest(case, champion))
    verdict = judge(case.evaluation, case.experiment.gate, evidence)
    contest, accuracy = verdict.contest, case.evaluation.find("accuracy")
    if not verdict.waits_for_noise or contest is None or accuracy is None:
        return verdict
    seeds = case.experiment.gate.noise_seeds
    logger.warning("measuring the noise from seed to seed: %d trainings of the same recipe", seeds)
    noise = measure_noise(case.experiment, case.ingested, case.bundle.spec.lineage, accuracy.value)
    evidence = replace(evidence, contest=contest.model_copy(update={"noise": noise}))
    return judge(case.evaluation, case.experiment.gate, evidence)


def _telling(spec: BundleSpec) -> tuple[str, ...]:
    """Name the features that say which physics ceilings hold; traces tell at least what the signal does."""
    return spec.features if spec.stations is None else (*spec.features, "signal_vem")


def _latency(case: Case) -> Latency:
    known = None if case.known is None else case.known.latency
    if known is not None and known.processor == hardware().processor:
        return known
    frame, manifest = open_partitions(case.ingested)
    event, spec = frame.filter(manifest["partition"] == "test").head(1), case.bundle.spec
    stations = read_stations(case.ingested.snapshot, spec.stations, event, load_settings().root)
    asked = observables(event, spec.features)
    return measure_latency(lambda: case.bundle.predict(asked, stations))


def _contest(case: Case, champion: ModelVersion) -> Contest:
    known = None if case.known is None else case.known.contest
    if known is None or known.rival != champion.version:
        return _compare(case, champion)
    if known.anomalies is None and case.evaluation.find("anomaly_auc") is not None:  # of before they were compared
        return _compare(case, champion).model_copy(update={"noise": known.noise})
    return known


def _compare(case: Case, champion: ModelVersion) -> Contest:
    with tempfile.TemporaryDirectory(prefix="cascada-champion-") as scratch:
        other = fetch_bundle(champion, Path(scratch))
        classes = case.bundle.spec.classes
        if other.spec.classes != classes:
            raise ArtifactError(
                "the champion tells other primaries apart, so the two cannot be compared",
                expected=", ".join(classes), got=", ".join(other.spec.classes),
                hint="give the experiment another `name`: it is the name of the registered model",
            )  # fmt: skip
        said, truth = predict_test(case.bundle, case.ingested)
        others, _ = predict_test(other, case.ingested)
    rng = generator(case.experiment.seed, "gain")
    return hold_contest(
        said, others, truth, classes, reference=case.bundle.spec.reference, rival=champion.version, rng=rng
    )
