"""Search: try the values of an experiment's space, and keep what was tried in an MLflow run."""

from __future__ import annotations

import csv
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment, Search
from cascada.physics.primaries import class_order
from cascada.repro.environment import code_state
from cascada.repro.seeds import integer_seed
from cascada.settings import load_settings
from cascada.tracking import runs
from cascada.training.space import require_search, with_values
from cascada.training.tuning import Resources, Tried, find_best, identify, search
from flows.fitting import checkpoint_folder, take_samples
from flows.ingest import Ingested, open_partitions
from flows.policies import CACHED, by_content
from flows.records import write_experiment

logger = logging.getLogger(__name__)

TABLE, BEST = "trials.csv", "best.yaml"
JOURNAL = "trials.jsonl"


class Searched(BaseModel):
    """What a search found.

    Attributes
    ----------
    run_id
        In MLflow, with the table of the trials and the experiment that won.
    metric
        What the trials were judged by, on the validation partition.
    trials
        In the order of proposals.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    metric: str
    trials: tuple[Tried, ...]
    best: Tried


@task(cache_key_fn=by_content("experiment", "ingested"), **CACHED)
def search_values(experiment: Experiment, ingested: Ingested, resume: bool = False) -> Searched:
    """Search the space of an experiment; trials of an interrupted search of it count when it is resumed."""
    config = require_search(experiment)
    run_id = _start_run(experiment, config, ingested)
    try:
        tried = _search(experiment, config, ingested, _open_journal(experiment, config, ingested, resume))
        _keep_table(run_id, tried, config)
        best = find_best(tried, config.metric)
        _keep_best(run_id, with_values(experiment, best.parameters))
    except BaseException:
        runs.end_run(run_id, failed=True)
        raise
    runs.set_tags(run_id, {"best_trial": str(best.number)})
    runs.end_run(run_id)
    return Searched(run_id=run_id, metric=config.metric, trials=tuple(tried), best=best)


def _start_run(experiment: Experiment, config: Search, ingested: Ingested) -> str:
    settings = load_settings()
    plain = config.model_dump(mode="json")
    space = {f"space.{key}": json.dumps(values) for key, values in plain.pop("space").items()}
    return runs.start_run(
        experiment.name, name=f"{experiment.name}-search", artifacts=settings.home / "mlartifacts",
        params=plain | space | {"seed": experiment.seed},
        tags={
            "mlflow.source.git.commit": code_state(settings.root).commit,
            "data_sha256": ingested.snapshot.content_sha256, "split_sha256": ingested.split.content_sha256,
        },
    )  # fmt: skip


def _search(experiment: Experiment, config: Search, ingested: Ingested, journal: Path) -> list[Tried]:
    # Here, not above: torch and Lightning take seconds to import, and a cached search needs neither.
    import torch

    from flows.trials import Trials, fit_trial

    frame, manifest = open_partitions(ingested)
    classes = class_order(set(ingested.snapshot.rows_per_primary))
    samples = take_samples(experiment, ingested, frame, manifest, classes=classes)
    resources = Resources(
        threads=experiment.training.threads, epochs=experiment.training.epochs, gpus=torch.cuda.device_count()
    )

    def keep(tried: Tried) -> None:
        _tell(tried, config)
        if tried.state == "finished":
            with journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps([identify(tried.parameters), tried.value]) + "\n")

    return search(
        fit_trial, Trials(experiment, *samples, classes=classes, metric=config.metric), config,
        seed=integer_seed(experiment.seed, "search"), resources=resources, known=_read(journal), on_trial=keep,
    )  # fmt: skip


def _open_journal(experiment: Experiment, config: Search, ingested: Ingested, resume: bool) -> Path:
    """Find the file in which trials are noted as they finish; how many there shall be is no part of its name."""
    same = config.model_copy(update={"trials": 1, "parallel": 1})
    journal = checkpoint_folder(experiment.model_copy(update={"search": same}), ingested) / JOURNAL
    if not resume:
        journal.unlink(missing_ok=True)
    elif not journal.exists():
        logger.warning("no interrupted search of this space, these data and this code: it begins at the beginning")
    journal.parent.mkdir(parents=True, exist_ok=True)
    return journal


def _read(journal: Path) -> dict[str, float]:
    """Read the values of what was tried; a line that was cut short by the end of its process counts for nothing."""
    if not journal.exists():
        return {}
    whole = [line for line in journal.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    return dict(map(json.loads, whole))


def _tell(tried: Tried, config: Search) -> None:
    told = f"trial {tried.number} of {config.trials} {tried.state}"
    if tried.state == "failed":
        logger.warning("%s: %s; %s", told, identify(tried.parameters), tried.error)
        return
    told += f": {config.metric} {tried.value:.4f}"
    logger.info("%s; %s", told, identify(tried.parameters))
    if sys.stderr.isatty():
        sys.stderr.write(f"{told}\n")


def tabulate(tried: list[Tried], metric: str) -> list[dict[str, Any]]:
    """Make a row of each trial: number, state, value, duration, its parameters by key, and why it failed."""
    return [
        {"trial": one.number, "state": one.state, metric: one.value, "seconds": one.seconds}
        | {
            key: value if isinstance(value, int | float | str) else json.dumps(value)
            for key, value in one.parameters.items()
        }
        | {"error": one.error}
        for one in tried
    ]


def _keep_table(run_id: str, tried: list[Tried], config: Search) -> None:
    rows = tabulate(tried, config.metric)
    with tempfile.TemporaryDirectory(prefix="cascada-search-") as scratch:
        path = Path(scratch) / TABLE
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        runs.log_files(run_id, path)
    runs.log_history(run_id, [{} if one.value is None else {config.metric: one.value} for one in tried])
    create_table_artifact(rows, key="trials", description=f"{config.metric} of the validation partition")


def _keep_best(run_id: str, best: Experiment) -> None:
    with tempfile.TemporaryDirectory(prefix="cascada-search-") as scratch:
        write_experiment(best, Path(scratch) / BEST)
        runs.log_files(run_id, Path(scratch) / BEST)
