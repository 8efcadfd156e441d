"""What is known of a run and of the model that it would replace, fetched from MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from cascada.errors import ArtifactError
from cascada.evaluation.flips import EVENTS, Flip, find_flips
from cascada.evaluation.metrics import Evaluation
from cascada.jobs.locate import Located, locate
from cascada.repro.diff import RunDiff, diff_runs
from cascada.repro.manifest import Manifest
from cascada.repro.score import Score, score_run
from cascada.settings import Settings

if TYPE_CHECKING:
    from cascada.tracking.models import ModelVersion


@dataclass(frozen=True)
class Rival:
    """The model that a run is compared with.

    Attributes
    ----------
    flips
        Showers on which the two disagree; None unless both were judged on the same showers, with the same split.
    """

    name: str
    evaluation: Evaluation
    diff: RunDiff
    flips: list[Flip] | None


@dataclass(frozen=True)
class Evidence:
    """What a reviewer is told of a run.

    Attributes
    ----------
    standing
        Alias and verdict of the model version that the run made, in words.
    reasons
        What stands against it.
    cost
        Money and energy of the run with their units, as `flows.bills` tags it.
    """

    manifest: Manifest
    evaluation: Evaluation
    score: Score
    standing: str
    reasons: str
    cost: dict[str, str]
    rival: Rival | None

    @property
    def duration_s(self) -> float | None:
        """From the start of the run to its manifest."""
        started, ended = self.manifest.started, self.manifest.ended
        if not started or not ended:
            return None
        return (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()


def gather(run: str, settings: Settings, scratch: Path, *, against: str = "champion") -> Evidence:
    """Fetch what a comment tells of a run of an experiment.

    Parameters
    ----------
    run
        Id of the run in MLflow, or MODEL@ALIAS.
    against
        Alias of the model that it is compared with; nothing is compared when no version has it.

    Raises
    ------
    ArtifactError
        If there is no such run or it is of no experiment.
    """
    from cascada.tracking import models, runs

    located = locate(run, settings, scratch)
    manifest = located.record.manifest
    if manifest.kind != "experiment":
        raise ArtifactError("a comment tells of a run of an experiment", where=run, got=f"a {manifest.kind}")
    versions = models.versions_of_run(located.mlflow_id)
    version = versions[-1] if versions else None
    tags = runs.read_tags(located.mlflow_id)
    return Evidence(
        manifest=manifest, evaluation=_evaluation(located, scratch),
        score=score_run(manifest, located.verifications(settings)),
        standing="" if version is None else _standing(version),
        reasons="" if version is None else version.tags.get("verdict_reasons", ""),
        cost=_cost(tags),
        rival=_rival(located, settings, scratch, against),
    )  # fmt: skip


def _cost(tags: Mapping[str, str]) -> dict[str, str]:
    found = {}
    if "money" in tags:
        found["money"] = f"{float(tags['money']):.4f} {tags.get('currency', '')}".rstrip()
    if "energy_kwh" in tags:
        found["energy"] = f"{float(tags['energy_kwh']):.4f} kWh"
    return found


def _standing(version: ModelVersion) -> str:
    aliases = ", ".join(version.aliases) or "without an alias"
    return f"{version.name} version {version.version}, {aliases}, verdict {version.tags.get('verdict', 'not given')}"


def _evaluation(located: Located, scratch: Path) -> Evaluation:
    from cascada.tracking import runs

    path = runs.fetch_files(located.mlflow_id, "evaluation.json", scratch / located.mlflow_id)
    return Evaluation.model_validate_json(path.read_bytes())


def _rival(located: Located, settings: Settings, scratch: Path, alias: str) -> Rival | None:
    from cascada.tracking import models

    version = models.find_alias(located.record.manifest.experiment, alias)
    if version is None or version.run_id == located.mlflow_id:
        return None
    other = locate(version.run_id, settings, scratch)
    sides = (other.record.manifest, located.record.manifest)
    kept = (other.record.code, located.record.code)
    return Rival(
        name=f"{alias}, version {version.version}", evaluation=_evaluation(other, scratch),
        diff=diff_runs(*sides, repository=settings.root, kept=kept),
        flips=_flips(other, located, scratch) if _same_showers(*sides) else None,
    )  # fmt: skip


def _same_showers(one: Manifest, other: Manifest) -> bool:
    """Tell whether two runs were tested on the same showers: the same data, split in the same way."""
    hashes = [
        (side.dataset.get("content_sha256"), *sorted(v for k, v in side.partitions.items() if k.endswith("sha256")))
        for side in (one, other)
    ]
    return hashes[0] == hashes[1] and hashes[0][0] is not None


def _flips(one: Located, other: Located, scratch: Path) -> list[Flip] | None:
    from cascada.tracking import runs

    try:
        before, after = (
            pl.read_parquet(runs.fetch_files(side.mlflow_id, EVENTS, scratch / side.mlflow_id)) for side in (one, other)
        )
    except ArtifactError:  # runs of versions before this one kept no events
        return None
    return find_flips(before, after)
