"""What a rented machine does when it boots: run one agent, and power off whatever ends it."""

from __future__ import annotations

import shlex

from cascada.agents.fleet import Fleet

_SCRIPT = """#!/bin/bash
# The machine of lease {lease}. Whatever ends this script ends the machine: it shuts down, and EC2 terminates it.
set -u
trap 'shutdown -h now' EXIT
shutdown -h +{ttl_minutes}
cd {folder} || exit
export PREFECT_API_URL={api}
{environment}{login}.venv/bin/cascada agent start --pool {pool} --name {lease} --limit 1 --spot \\
  --idle-minutes {idle:g} --contact-minutes {contact:g}
"""

_LOGIN = """PREFECT_API_AUTH_STRING=$(aws ssm get-parameter --region {region} --name {parameter} --with-decryption \\
  --query Parameter.Value --output text) || exit
export PREFECT_API_AUTH_STRING
"""


def boot_script(lease: str, fleet: Fleet) -> str:
    """Write the user data of a machine; it holds no secret, the login comes from SSM by the machine's own role."""
    login = ""
    if fleet.auth_parameter:
        login = _LOGIN.format(region=shlex.quote(fleet.region), parameter=shlex.quote(fleet.auth_parameter))
    environment = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in fleet.environment.items())
    return _SCRIPT.format(
        lease=lease, ttl_minutes=round(fleet.ttl_hours * 60), folder=shlex.quote(fleet.folder),
        api=shlex.quote(fleet.prefect_api), login=login, environment=environment, pool=shlex.quote(fleet.pool),
        idle=fleet.idle_minutes, contact=fleet.contact_minutes,
    )  # fmt: skip
