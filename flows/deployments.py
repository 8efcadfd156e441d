"""What `cascada up` brings a Prefect server to: pools, the deployments of prefect.yaml, automations.

``python -m flows.deployments`` in the checkout; a second call changes nothing.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture

from cascada.errors import PlatformError
from cascada.settings import apply_environment, load_settings
from flows.notices import DRIFTED, PROMOTED
from flows.pool import PrefectPool

POOLS = ("default", "gpu-onprem", "gpu-cloud")

# Runs send a heartbeat every 30 s. A rented machine may be out of contact for `contact_minutes` (5) before it gives up.
_SILENCE = timedelta(minutes=6)
_SILENT = f"no heartbeat for {_SILENCE.seconds // 60} minutes"
# A run that was put back, or waits, has no process whose silence would mean anything.
_NO_ZOMBIES = ("Completed", "Failed", "Cancelled", "Crashed", "AwaitingRetry", "Scheduled", "Paused", "Suspended")
_MODEL = {"prefect.resource.id": "cascada.model.*"}
_TOLD = {"prefect.resource.role": "deployment", "prefect.resource.name": "!notify"}
_RUN = {"prefect.resource.id": "prefect.flow-run.*"}


async def set_up() -> None:
    """Bring the server, which has the pools, to what this checkout needs."""
    _deploy()
    async with get_client() as client:
        notify = (await client.read_deployment_by_name("notify/notify")).id
    for automation in automations(notify):
        await _renew(automation)


def _deploy() -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    answer = subprocess.run(command, cwd=load_settings().root, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise PlatformError(
            "the deployments of prefect.yaml were refused", got=(answer.stderr or answer.stdout)[-2000:]
        )


def automations(notify: UUID) -> tuple[Automation, ...]:
    """List what the server does by itself.

    Parameters
    ----------
    notify
        Deployment that tells people.
    """
    return (
        Automation(
            name="zombie-runs",
            description="A run whose process is gone ends as Crashed.",
            trigger=EventTrigger(
                after={"prefect.flow-run.heartbeat"}, match=_RUN, for_each={"prefect.resource.id"},
                expect={f"prefect.flow-run.{name}" for name in ("heartbeat", *_NO_ZOMBIES)},
                posture=Posture.Proactive, threshold=1, within=_SILENCE,
            ),
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=_SILENT)],
        ),
        Automation(
            name="tell-of-failed-runs",
            description="Runs of deployments, not their parts; a notice that fails makes no further one.",
            trigger=EventTrigger(
                expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
                match=_RUN, match_related=_TOLD, posture=Posture.Reactive, threshold=1,
            ),
            actions=[
                _tell(notify, "run {{ flow_run.name }} {{ flow_run.state.name }}", "{{ flow_run.state.message }}")
            ],
        ),
        Automation(
            name="tell-of-models",
            trigger=EventTrigger(
                expect={PROMOTED, DRIFTED}, match=_MODEL, posture=Posture.Reactive, threshold=1
            ),
            actions=[_tell(notify, "{{ event.resource.name }}: {{ event.event }}", "{{ event.payload.text }}")],
        ),
    )  # fmt: skip


def _tell(notify: UUID, title: str, text: str) -> RunDeployment:
    parameters: dict[str, Any] = {
        name: {"__prefect_kind": "jinja", "template": template} for name, template in (("title", title), ("text", text))
    }
    return RunDeployment(source="selected", deployment_id=notify, parameters=parameters)


async def _renew(automation: Automation) -> None:
    """Make an automation, or bring the one of its name to what is written here."""
    try:
        known = await Automation.aread(name=automation.name)
    except ValueError:
        await automation.acreate()
        return
    automation.id = known.id
    await automation.aupdate()


def main() -> None:
    """Set up the server that this process's environment names."""
    apply_environment(load_settings())
    for pool in POOLS:
        PrefectPool(pool).ensure()
    asyncio.run(set_up())


if __name__ == "__main__":
    main()
