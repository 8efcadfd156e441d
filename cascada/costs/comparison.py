"""The same hours on the own cluster and in each cloud."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from cascada.costs.prices import HOURS_PER_YEAR, OwnCluster, PriceTable


class Place(BaseModel):
    """What hours cost in one place, in the currency of the own cluster.

    Attributes
    ----------
    machine
        What is rented, and how many of them.
    break_even_hours
        Hours a year and GPU from which the own cluster is cheaper; None if it never is: rent is below its energy, or
        a year has not so many hours.
    """

    model_config = ConfigDict(frozen=True)

    place: str
    machine: str
    per_hour: float
    money: float
    date: str
    source: str
    break_even_hours: float | None = None


class Comparison(BaseModel):
    """Hours of some GPUs, priced everywhere.

    Attributes
    ----------
    parts
        What an hour on the own cluster is made of.
    """

    model_config = ConfigDict(frozen=True)

    hours: float
    gpu: str
    gpus: int
    currency: str
    parts: dict[str, float]
    places: tuple[Place, ...]


def compare(hours: float, own: OwnCluster, tables: Sequence[PriceTable], *, gpu: str = "", gpus: int = 1) -> Comparison:
    """Price hours on the own cluster and on rented machines.

    Parameters
    ----------
    hours
        On the clock.
    gpu, gpus
        Kind of the rented GPU, the own cluster's when omitted; how many work at once.
    """
    gpu = gpu or own.gpu
    parts = {
        "depreciation": own.purchase / own.years / own.gpus,
        "people": own.people_per_year / own.gpus,
        "other": own.other_per_year / own.gpus,
    }
    parts = {name: gpus * value / (HOURS_PER_YEAR * own.utilisation) for name, value in parts.items()}
    parts["energy"] = gpus * own.energy_per_gpu_hour
    per_hour = sum(parts.values())
    here = Place(
        place="own", machine=f"{gpus} × {own.gpu}", per_hour=per_hour, money=hours * per_hour,
        date=own.date.isoformat(), source=own.source,
    )  # fmt: skip
    rented = [_rented(hours, own, table, gpu=gpu, gpus=gpus) for table in tables]
    return Comparison(
        hours=hours, gpu=gpu, gpus=gpus, currency=own.currency, parts=parts, places=(here, *rented)
    )  # fmt: skip


def _rented(hours: float, own: OwnCluster, table: PriceTable, *, gpu: str, gpus: int) -> Place:
    instance, count = table.cheapest(gpu, gpus)
    per_hour = own.converted(count * instance.per_hour, table.currency)
    return Place(
        place=table.provider, machine=f"{count} × {instance.name} ({table.region})", per_hour=per_hour,
        money=hours * per_hour, date=table.date.isoformat(), source=table.source,
        break_even_hours=break_even(own, per_hour / gpus),
    )  # fmt: skip


def break_even(own: OwnCluster, rent_per_gpu_hour: float) -> float | None:
    """Find the hours a year from which a GPU of one's own costs less than a rented one; None if there are none."""
    saved = rent_per_gpu_hour - own.energy_per_gpu_hour
    hours = own.fixed_per_gpu_year / saved if saved > 0 else float("inf")
    return hours if hours <= HOURS_PER_YEAR else None
