"""`cascada agent`: workers on machines of one's own, and the controller of rented ones."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_facts, show_table, stderr, stdout
from cascada.errors import CascadaError, PlatformError

if TYPE_CHECKING:
    from cascada.agents.controller import Controller, Pass

logger = logging.getLogger(__name__)

app = typer.Typer(help="Workers on GPU machines: your own, and rented ones with a lease.", no_args_is_help=True)

ONPREM = "gpu-onprem"

FleetFile = Annotated[
    Path | None, typer.Option("--fleet", help="settings of rented machines; infra/agents/cloud.yaml when omitted")
]


@app.command()
def start(
    pool: Annotated[str, typer.Option(help="work pool of Prefect; made when new")] = ONPREM,
    name: Annotated[str, typer.Option(help="name of a single worker; one worker a GPU when omitted")] = "",
    limit: Annotated[int, typer.Option(min=1, help="runs that a worker takes at once")] = 1,
    idle_minutes: Annotated[
        float | None, typer.Option(min=0.05, help="end after so long without work; never when omitted")
    ] = None,
    contact_minutes: Annotated[
        float | None, typer.Option(min=0.05, help="end after so long without Prefect; never when omitted")
    ] = None,
    spot: Annotated[bool, typer.Option("--spot", help="end when AWS announces that it takes the machine")] = False,
) -> None:
    """Work in the foreground; when stopped, put the runs back, so that another agent goes on with them."""
    enter()
    from cascada.agents.gpus import find_gpus
    from flows.agent import Agent, Watch, plan_workers
    from flows.pool import PrefectPool

    work = PrefectPool(pool)
    work.ensure()
    workers = plan_workers(find_gpus(), name=name, limit=limit)
    stderr.print(f"pool {pool} at {os.environ['PREFECT_API_URL']}: {', '.join(one.name for one in workers)}")
    reason = Agent(work, workers, Watch(_seconds(idle_minutes), _seconds(contact_minutes), spot)).run()
    stderr.print(f"ended: {reason}")


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else 60 * minutes


@app.command()
def install(
    pool: Annotated[str, typer.Option(help="work pool of Prefect")] = ONPREM,
    user: Annotated[str, typer.Option(help="whom it runs as; the owner of the project when omitted")] = "",
    folder: Annotated[Path, typer.Option(help="where the unit goes")] = Path("/etc/systemd/system"),
    environment: Annotated[Path, typer.Option(help="file with addresses and login; written once")] = Path(
        "/etc/cascada/agent.env"
    ),
    show: Annotated[bool, typer.Option("--print", help="print the unit and write nothing")] = False,
) -> None:
    """Write a hardened systemd unit that runs `cascada agent start` on this machine."""
    settings = enter()
    from cascada.agents.gpus import find_gpus, gpu_devices
    from cascada.agents.units import NAME, Install

    command = Path(sys.executable).parent / "cascada"
    made = Install(pool, user or settings.root.owner(), settings.root, command, environment, gpu_devices())
    if show:
        typer.echo(made.unit(), nl=False)
        return
    written = made.write(folder, api=os.environ["PREFECT_API_URL"])
    gpus = ", ".join(gpu.label for gpu in find_gpus()) or "none; it will be one worker without a GPU"
    show_facts("Written", {"files": ", ".join(map(str, written)), "GPUs": gpus})
    stdout.print(f"put the login into {environment}, then: systemctl enable --now {NAME}")


@app.command()
def controller(
    once: Annotated[bool, typer.Option("--once", help="make one pass and end")] = False,
    every: Annotated[float, typer.Option(min=1, help="seconds between two passes")] = 15,
    fleet: FleetFile = None,
    as_json: Json = False,
) -> None:
    """Rent machines for due runs, and end those whose lease is over. Stateless: kill it, or run two, at any time."""
    enter()
    from flows.leases import open_controller
    from flows.pool import PrefectPool

    made = open_controller(fleet)

    PrefectPool(made.fleet.pool).ensure()
    if once:
        _tell(made.reconcile(datetime.now(UTC)), as_json=as_json)
        return
    while True:
        try:
            _tell(made.reconcile(datetime.now(UTC)), as_json=as_json)
        except PlatformError as error:  # the next pass finds what this one left
            logger.warning("a pass was cut off: %s", error)
        time.sleep(every)


@app.command()
def reap(fleet: FleetFile = None, as_json: Json = False) -> None:
    """End every rented machine whose lease is over, and start none."""
    enter()
    from flows.leases import open_controller

    _tell(open_controller(fleet).reap(datetime.now(UTC)), as_json=as_json)


def _tell(done: Pass, *, as_json: bool) -> None:
    if as_json:
        facts = {
            "launched": [one.id for one in done.launched],
            "ended": {one.machine.id: one.reason for one in done.ended},
            "put_back": [run.id for run in done.put_back], "given_up": [run.id for run in done.given_up],
            "waiting": done.waiting,
        }  # fmt: skip
        typer.echo(json.dumps(facts))
        return
    for line in done.lines():
        stdout.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {line}", markup=False, soft_wrap=True)


@app.command(name="ls")
def list_(fleet: FleetFile = None, as_json: Json = False) -> None:
    """List the workers that Prefect has heard of, and the rented machines with their leases."""
    enter()
    from flows.deployments import POOLS
    from flows.pool import PrefectPool

    heard = {pool: PrefectPool(pool).heartbeats() for pool in POOLS}
    workers = [
        {"pool": pool, "worker": name, "heard": at.isoformat(timespec="seconds")}
        for pool, names in heard.items() for name, at in sorted(names.items())
    ]  # fmt: skip
    machines, currency = _rented(fleet, heard)
    if as_json:
        typer.echo(json.dumps({"workers": workers, "machines": machines}))
        return
    show_table("Workers", ("pool", "worker", "heard last (UTC)"), [tuple(one.values()) for one in workers])
    columns = ("machine", "type", "market", "run", ">hours", f">{currency}", "ends by", "worker heard")
    shown = [
        (m["id"], m["type"], m["market"], m["run"], f"{m['hours']:.2f}", f"{m['money']:.2f}", m["expires"],
         m["heard"] or "never") for m in machines
    ]  # fmt: skip
    show_table("Rented machines", columns, shown)


def _rented(fleet: Path | None, heard: dict[str, dict[str, datetime]]) -> tuple[list[dict[str, Any]], str]:
    """List the rented machines; who rents none still sees the workers, and is told why there are no machines."""
    from flows.leases import open_controller

    try:
        made = open_controller(fleet)
        return _machines(made, heard.get(made.fleet.pool, {})), made.fleet.currency
    except CascadaError as error:
        stderr.print(f"no rented machines: {error.what}", markup=False, soft_wrap=True)
        return [], ""


def _machines(made: Controller, heard: dict[str, datetime]) -> list[dict[str, Any]]:
    rows = []
    for machine in (one for one in made.cloud.machines() if one.live):
        hours = (datetime.now(UTC) - machine.launched).total_seconds() / 3600
        at = heard.get(machine.lease)
        rows.append({
            "id": machine.id, "lease": machine.lease, "type": machine.type, "market": machine.market,
            "run": machine.run_id, "hours": hours, "money": hours * machine.rate, "expires": machine.expires,
            "heard": at.isoformat(timespec="seconds") if at else "",
        })  # fmt: skip
    return rows
