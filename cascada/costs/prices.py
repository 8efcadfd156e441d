"""Price tables: dated files of `infra/prices/`, one a provider and one of the own cluster."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from cascada.config.reading import read_yaml, validate_section
from cascada.config.section import Section
from cascada.errors import ConfigError, SourceError, nearest

logger = logging.getLogger(__name__)

OLD_AFTER_DAYS = 365
HOURS_PER_YEAR = 8760
PROVIDERS = ("aws", "azure", "gcp")


class Dated(Section):
    """What every price table says of itself."""

    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217")
    date: dt.date = Field(description="day on which the prices were read")
    source: str = Field(min_length=1, description="where they were read")
    note: str = ""


class Instance(Section):
    """A machine for rent, with all its GPUs."""

    name: str
    gpu: str = Field(description="kind of GPU, as in the own cluster's table")
    gpus: int = Field(ge=1)
    per_hour: float = Field(gt=0, description="on demand, of the whole machine")


class PriceTable(Dated):
    """List prices of one provider in one region."""

    provider: str
    region: str
    instances: tuple[Instance, ...] = Field(min_length=1)

    def cheapest(self, gpu: str, gpus: int) -> tuple[Instance, int]:
        """Find the machines that give so many GPUs of a kind for the least money, and how many of them.

        Raises
        ------
        SourceError
            If the table has no machine with this GPU.
        """
        fitting = [(one, -(-gpus // one.gpus)) for one in self.instances if one.gpu == gpu]
        if not fitting:
            hint = nearest(gpu, {one.gpu for one in self.instances})
            raise SourceError(f"the price table of {self.provider} has no machine with a GPU {gpu!r}", hint=hint)
        return min(fitting, key=lambda found: found[0].per_hour * found[1])

    def instance(self, name: str) -> Instance:
        """Find a machine by its name.

        Raises
        ------
        SourceError
            If the table does not have it.
        """
        for one in self.instances:
            if one.name == name:
                return one
        hint = nearest(name, {one.name for one in self.instances})
        raise SourceError(f"the price table of {self.provider} has no machine {name!r}", hint=hint)


class OwnCluster(Dated):
    """What the own cluster costs.

    Attributes
    ----------
    exchange
        Value of one unit of another currency in this table's currency.
    """

    gpu: str
    gpus: int = Field(ge=1)
    purchase: float = Field(ge=0, description="of all nodes, racks and network")
    years: float = Field(gt=0, description="of depreciation, in a straight line")
    utilisation: float = Field(gt=0, le=1, description="share of the year in which a GPU computes")
    watts_per_gpu: float = Field(ge=0, description="of a busy GPU with its share of the node")
    watts_per_core: float = Field(7.5, ge=0, description="of a busy core of a processor")
    price_per_kwh: float = Field(ge=0)
    pue: float = Field(ge=1, description="power of the building over power of the machines")
    people_per_year: float = Field(ge=0, description="salaries of those who run it, by their share of time")
    other_per_year: float = Field(0, ge=0, description="housing, support contracts, licences")
    exchange: dict[str, float] = Field(default_factory=dict)

    @property
    def fixed_per_gpu_year(self) -> float:
        """What a GPU costs a year whether it computes or not."""
        return (self.purchase / self.years + self.people_per_year + self.other_per_year) / self.gpus

    @property
    def energy_per_gpu_hour(self) -> float:
        return self.energy_money(self.watts_per_gpu / 1000)

    @property
    def fixed_per_gpu_hour(self) -> float:
        return self.fixed_per_gpu_year / (HOURS_PER_YEAR * self.utilisation)

    def energy_money(self, kwh: float) -> float:
        """Price energy that the machines took."""
        return kwh * self.pue * self.price_per_kwh

    def converted(self, amount: float, currency: str) -> float:
        """Turn an amount of another currency into this table's.

        Raises
        ------
        ConfigError
            If the table has no rate.
        """
        if currency == self.currency:
            return amount
        if currency not in self.exchange:
            raise ConfigError(
                f"no rate from {currency} to {self.currency}", where="infra/prices/own.yaml",
                expected=f"exchange: {{{currency}: value of 1 {currency} in {self.currency}}}",
                got=f"rates of {', '.join(sorted(self.exchange)) or 'no currency'}",
            )  # fmt: skip
        return amount * self.exchange[currency]


AnyTable = TypeVar("AnyTable", bound=Dated)


def price_folder(root: Path) -> Path:
    """Find a project's price tables."""
    return root / "infra" / "prices"


def read_prices(root: Path, provider: str) -> PriceTable:
    """Read the table of a provider: ``aws``, ``azure`` or ``gcp``; one of more than a year ago is a warning.

    Raises
    ------
    SourceError
        If there is no table.
    ConfigError
        If it is not valid.
    """
    return _read(PriceTable, price_folder(root) / f"{provider}.yaml")


def read_own(root: Path) -> OwnCluster:
    """Read the table of the own cluster; see `read_prices`."""
    return _read(OwnCluster, price_folder(root) / "own.yaml")


def find_own(root: Path) -> OwnCluster | None:
    """Read the table of the own cluster; None if the project has none."""
    return read_own(root) if (price_folder(root) / "own.yaml").exists() else None


def _read(model: type[AnyTable], path: Path) -> AnyTable:
    if not path.exists():
        there = sorted(p.name for p in path.parent.glob("*.yaml"))
        raise SourceError(
            f"the price table {path.name} is missing", where=str(path),
            expected="a dated table with source and currency", got=f"tables: {', '.join(there) or 'none'}",
            hint="docs/cost.md tells what stands in one; take today's list prices",
        )  # fmt: skip
    table = validate_section(model, read_yaml(path, "price table"), str(path))
    age = (dt.datetime.now(dt.UTC).date() - table.date).days
    if age > OLD_AFTER_DAYS:
        logger.warning("%s is %d days old: read the prices again at %s", path.name, age, table.source)
    return table
