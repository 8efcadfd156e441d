"""Notices: what people are told of, by the addresses of the settings."""

from __future__ import annotations

from prefect import flow
from prefect.events import emit_event

from cascada.notify import send
from cascada.settings import load_settings

PROMOTED, DRIFTED = "cascada.model.promoted", "cascada.model.drifted"


@flow(name="notify", flow_run_name="{title}")
def notify(title: str, text: str) -> int:
    """Tell the addresses of ``CASCADA_NOTIFY``; returns how many took the message. Started by automations."""
    return send(load_settings().notify.get_secret_value().split(), title, text)


def announce(event: str, model: str, text: str) -> None:
    """Emit an event about a model; the automations of `flows.deployments` make a notice of it."""
    resource = {"prefect.resource.id": f"cascada.model.{model}", "prefect.resource.name": model}
    emit_event(event, resource=resource, payload={"text": text})
