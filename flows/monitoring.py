"""Drift: hold what the deployed models are asked against what they were fitted on, and tell when it changes."""

from __future__ import annotations

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact

from cascada.errors import CascadaError
from cascada.monitoring.drift import WINDOW
from cascada.monitoring.watch import deployed_models, keep_drift, measure_drift
from cascada.settings import load_settings
from flows.notices import DRIFTED, announce


@task(task_run_name="{model}")
def watch_model(model: str, events: int) -> str:
    """Judge a model's latest windows, keep what was found, and announce drift when it begins."""
    settings = load_settings()
    try:
        drift = measure_drift(model, settings, events=events)
    except CascadaError as error:
        get_run_logger().warning("%s", error)
        return f"not judged: {error.what}"
    before = keep_drift(drift, settings)
    get_run_logger().info("%s version %d: %s, %s", model, drift.version, drift.state, drift.told)
    known = before is not None and (before.drift.state, before.drift.version) == ("drifted", drift.version)
    if drift.state == "drifted" and not known:
        announce(DRIFTED, model, f"version {drift.version}: {drift.told}")
    return drift.state


@flow(name="drift")
def watch_drift(names: tuple[str, ...] = (), events: int = WINDOW) -> dict[str, str]:
    """Watch the models that are deployed here; returns their states.

    Parameters
    ----------
    names
        Of models; all that are deployed when omitted.
    events
        Of a window.
    """
    states = {name: watch_model(name, events) for name in names or deployed_models(load_settings())}
    create_table_artifact([{"model": name, "drift": state} for name, state in states.items()], key="drift")
    return states
