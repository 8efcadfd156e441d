"""The reaper as a flow: it ends rented machines whose lease is over, where no controller runs all the time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger

from cascada.agents.cloud import Ec2
from cascada.agents.controller import Controller
from cascada.agents.fleet import fleet_file, read_fleet, read_rates
from cascada.costs.spending import Spending
from cascada.settings import load_settings
from flows.pool import PrefectPool


def open_controller(fleet_path: Path | None = None) -> Controller:
    """Bring together the fleet of this project, its pool in Prefect, EC2 and what was spent.

    Parameters
    ----------
    fleet_path
        Settings of rented machines; those of the project when omitted.
    """
    settings = load_settings()
    fleet = read_fleet(fleet_path or fleet_file(settings.root))
    rates = read_rates(fleet, settings.root)
    return Controller(PrefectPool(fleet.pool), Ec2(fleet, rates), fleet, rates, Spending(settings.home))


@flow(name="reap-leases")
def reap_leases() -> list[str]:
    """End every rented machine whose lease is over, and start none; returns their ids."""
    done = open_controller().reap(datetime.now(UTC))
    for line in done.lines():
        get_run_logger().info("%s", line)
    return [one.machine.id for one in done.ended]
