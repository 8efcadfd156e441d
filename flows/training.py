"""The flow behind `cascada train`: ingest, train, evaluate, release."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment
from cascada.evaluation.metrics import Evaluation
from cascada.repro.environment import CodeState, code_state
from cascada.settings import load_settings
from cascada.training.dataset import check_names
from cascada.training.space import without_search
from flows.bills import charged
from flows.evaluation import evaluate_model
from flows.fitting import train_model
from flows.ingest import Ingested, ingest
from flows.release import Released, release_model
from flows.submission import OUTCOME, TRAIN


class Outcome(BaseModel):
    """What a training flow made, by reference."""

    model_config = ConfigDict(frozen=True)

    flow_run_id: str
    run_id: str
    code: CodeState
    ingested: Ingested
    evaluation: Evaluation
    released: Released


@flow(name=TRAIN, flow_run_name="{experiment.name}")
def train(
    experiment: Experiment,
    data_dir: Path | None = None,
    allow_invalid_data: bool = False,
    refresh: bool = False,
    resume: bool = False,
) -> Outcome:
    """Run one experiment from its source to a registered model.

    Parameters
    ----------
    experiment
        What to train, on what, with which seeds.
    data_dir
        Folder of the input files, for sources that read files.
    allow_invalid_data
        Go on although a suite refused the data; the model can never be promoted.
    refresh
        Ignore cached results.
    resume
        Go on with a fit that was interrupted; a flow that is run again does so by itself.
    """
    experiment = without_search(experiment)
    check_names(experiment)
    code = code_state(load_settings().root)
    resume = resume or flow_run.get_run_count() > 1  # put back after a spot notice or a crash
    with charged(experiment.name) as bill:
        ingested = ingest(experiment, data_dir, allow_invalid_data, refresh)
        trained = train_model(experiment, ingested, refresh, resume)
        bill.run_id = trained.run_id
        evaluated = evaluate_model(experiment, ingested, trained, refresh)
        released = release_model(experiment, ingested, trained, evaluated)
    create_table_artifact([_told(trained.run_id, released)], key=OUTCOME)
    return Outcome(
        flow_run_id=str(flow_run.get_id()), run_id=trained.run_id, code=code, ingested=ingested,
        evaluation=evaluated.evaluation, released=released,
    )  # fmt: skip


def _told(run_id: str, released: Released) -> dict[str, str | int]:
    version = released.identity
    return {"run_id": run_id, "model": version.name, "version": version.version, "standing": released.standing}
