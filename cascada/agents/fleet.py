"""`infra/agents/cloud.yaml`: which machines may be rented, for how long and for how much."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator

from cascada.config.reading import read_yaml, validate_section
from cascada.config.section import Section
from cascada.costs.prices import read_prices
from cascada.errors import ConfigError


class Fleet(Section):
    """The machines that the controller may rent.

    Attributes
    ----------
    types
        Types of machines, the preferred first; each stands in the price table of AWS.
    """

    project: str = Field(pattern=r"^[a-z0-9-]+$", description="tag of every machine; nothing without it is touched")
    region: str
    pool: str = "gpu-cloud"
    image: str = Field(description="AMI with the project and its .venv in `folder`, and the AWS CLI")
    folder: str = Field("/opt/cascada", pattern=r"^/[\w./-]+$")
    types: tuple[str, ...] = Field(min_length=1)
    spot: bool = Field(True, description="ask for spot first; on demand when there is no capacity")
    max_price: float = Field(gt=0, description="of a machine an hour, in `currency`; dearer types are left out")
    max_machines: int = Field(ge=1, le=64)
    subnet: str = ""
    security_groups: tuple[str, ...] = Field((), description="with no rule for what comes in")
    instance_profile: str = ""
    prefect_api: str = Field(pattern=r"^https?://[\w.:/-]+$", description="as the machine reaches it")
    auth_parameter: str = Field(
        "", pattern=r"^[\w./-]*$", description="SSM parameter that holds PREFECT_API_AUTH_STRING; empty without login"
    )
    environment: dict[str, str] = Field(
        description="of a machine's runs; MLFLOW_TRACKING_URI at least, and CASCADA_CHECKPOINTS to resume elsewhere"
    )
    ttl_hours: float = Field(gt=0, le=168, description="longest life of a machine")
    join_minutes: float = Field(10, gt=0, description="in which its worker must call")
    idle_minutes: float = Field(10, gt=0, description="without work")
    contact_minutes: float = Field(5, ge=0.1, description="without a word between server and worker")
    max_attempts: int = Field(5, ge=1, description="starts of one run before it is given up")
    currency: str = Field("USD", pattern="^[A-Z]{3}$")
    budget_per_month: float = Field(ge=0, description="of all machines; no machine that could exceed it is started")

    @field_validator("environment")
    @classmethod
    def _name_the_stores(cls, environment: dict[str, str]) -> dict[str, str]:
        """Without an address, what a machine trains would be lost with it."""
        if not environment.get("MLFLOW_TRACKING_URI"):
            raise ValueError("MLFLOW_TRACKING_URI, as the machine reaches it, is missing")
        if wrong := [name for name in environment if not re.fullmatch(r"[A-Za-z_]\w*", name)]:
            raise ValueError(f"{wrong[0]!r} is no name of a variable")
        return environment


def fleet_file(root: Path) -> Path:
    """Find a project's settings of rented machines."""
    return root / "infra" / "agents" / "cloud.yaml"


def read_fleet(path: Path) -> Fleet:
    """Read the settings of rented machines.

    Raises
    ------
    ConfigError
        If the file is missing or not valid.
    """
    return validate_section(Fleet, read_yaml(path, "settings of rented machines"), str(path))


def read_rates(fleet: Fleet, root: Path) -> dict[str, float]:
    """Read what an hour of each type costs on demand, in the order of preference.

    Raises
    ------
    SourceError
        If the price table of AWS is missing or lacks a type.
    ConfigError
        If the budget is in another currency, or every type is dearer than allowed.
    """
    table = read_prices(root, "aws")
    if table.currency != fleet.currency:
        raise ConfigError(
            "budget and price table have two currencies", where=str(fleet_file(root)), expected=table.currency,
            got=fleet.currency,
        )  # fmt: skip
    rates = {name: table.instance(name).per_hour for name in fleet.types}
    allowed = {name: rate for name, rate in rates.items() if rate <= fleet.max_price}
    if not allowed:
        raise ConfigError(
            "every type of machine is dearer than max_price", where=str(fleet_file(root)),
            expected=f"at most {fleet.max_price:g} {fleet.currency}",
            got=", ".join(f"{name} {rate:g}" for name, rate in rates.items()),
        )  # fmt: skip
    return allowed
