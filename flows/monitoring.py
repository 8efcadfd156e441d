"""Drift: hold what the deployed models are asked against what they were fitted on, and tell when it changes.

What is told may also be answered: by a training of the same experiment, whose version the gate judges as any other.
"""

from __future__ import annotations

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact

from cascada.errors import CascadaError
from cascada.monitoring.drift import WINDOW
from cascada.monitoring.watch import DriftRecord, deployed_models, keep_drift, measure_drift
from cascada.settings import load_settings
from flows.notices import DRIFTED, announce
from flows.retraining import order_retraining


@task(task_run_name="{model}")
def watch_model(model: str, events: int, pool: str = "") -> str:
    """Judge a model's latest windows, keep what was found, and announce drift when it begins.

    Parameters
    ----------
    pool
        That trains the model anew while it drifts; nothing does when empty.
    """
    settings = load_settings()
    try:
        drift = measure_drift(model, settings, events=events)
    except CascadaError as error:
        get_run_logger().warning("%s", error)
        return f"not judged: {error.what}"
    record = keep_drift(drift, settings)
    get_run_logger().info("%s version %d: %s, %s", model, drift.version, drift.state, drift.told)
    if record.begins:
        announce(DRIFTED, model, f"version {drift.version}: {drift.told}")
    return f"drifted, {_retrain(record, pool)}" if drift.state == "drifted" and pool else drift.state


def _retrain(record: DriftRecord, pool: str) -> str:
    """Order the training of this drift; asked again each time, so that an order that was refused is repeated."""
    try:
        run = order_retraining(record.drift.model, record.drift.version, since=record.since, pool=pool)
    except CascadaError as error:
        get_run_logger().warning("%s", error)
        return f"not trained anew: {error.what}"
    return f"trained anew by the flow run {run.name}"


@flow(name="drift")
def watch_drift(
    names: tuple[str, ...] = (), events: int = WINDOW, retrain: dict[str, str] | None = None
) -> dict[str, str]:
    """Watch the models that are deployed here; returns their states.

    Parameters
    ----------
    names
        Of models; all that are deployed when omitted.
    events
        Of a window.
    retrain
        Models that are trained anew once for each time that they drift, with the pool that does it; none when omitted.
    """
    pools = retrain or {}
    chosen = names or sorted({*deployed_models(load_settings()), *pools})
    states = {name: watch_model(name, events, pools.get(name, "")) for name in chosen}
    create_table_artifact([{"model": name, "drift": state} for name, state in states.items()], key="drift")
    return states
