"""The flow behind `cascada tune`: ingest, search, and the training of the best that was found."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment
from cascada.tracking import runs
from cascada.training.dataset import check_names
from cascada.training.space import require_search, with_values, without_search
from flows.bills import charged
from flows.ingest import ingest
from flows.searching import Searched, search_values
from flows.training import Outcome, train


class Tuned(BaseModel):
    """A search, the experiment that won it, and the outcome of its training."""

    model_config = ConfigDict(frozen=True)

    searched: Searched
    best: Experiment
    outcome: Outcome


@flow(name="tune-experiment", flow_run_name="{experiment.name}")
def tune(
    experiment: Experiment,
    data_dir: Path | None = None,
    allow_invalid_data: bool = False,
    refresh: bool = False,
    resume: bool = False,
) -> Tuned:
    """Search the space of an experiment on its validation partition, and train the best that was found.

    Parameters
    ----------
    experiment
        With a section `search`.
    data_dir
        Folder of the input files, for sources that read files.
    allow_invalid_data
        Go on although a suite refused the data; the model can never be promoted.
    refresh
        Ignore cached results.
    resume
        Go on with a search that was interrupted; a flow that is run again does so by itself.
    """
    check_names(experiment)
    require_search(experiment)
    resume = resume or flow_run.get_run_count() > 1
    with charged(experiment.name) as bill:
        ingested = ingest(without_search(experiment), data_dir, allow_invalid_data, refresh)
        state = search_values.with_options(refresh_cache=refresh)(experiment, ingested, resume, return_state=True)
        searched = state.result()
        bill.run_id = searched.run_id
        if state.name != "Cached":  # Ray's processes are children of its own
            bill.elsewhere_cpu_s = sum(tried.cpu_seconds for tried in searched.trials)
    best = with_values(experiment, searched.best.parameters)
    outcome = train(best, data_dir, allow_invalid_data, refresh, resume)
    runs.set_tags(outcome.run_id, {"search": searched.run_id, "search_trial": str(searched.best.number)})
    return Tuned(searched=searched, best=best, outcome=outcome)
