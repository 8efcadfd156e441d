"""Known answers of a cluster whose figures are round."""

from __future__ import annotations

from typing import Any

import pytest

from cascada.costs.comparison import break_even, compare
from cascada.costs.prices import OwnCluster, PriceTable


def own(**changes: Any) -> OwnCluster:
    facts: dict[str, Any] = {
        "currency": "EUR", "date": "2026-01-01", "source": "test", "gpu": "T4", "gpus": 10, "purchase": 87600,
        "years": 5, "utilisation": 0.5, "watts_per_gpu": 500, "price_per_kwh": 0.4, "pue": 1.5,
        "people_per_year": 43800, "exchange": {"USD": 0.5},
    }  # fmt: skip
    return OwnCluster.model_validate(facts | changes)


def rent(per_hour: float = 4.0, gpus: int = 1) -> PriceTable:
    machine = {"name": "m", "gpu": "T4", "gpus": gpus, "per_hour": per_hour}
    facts = {"provider": "aws", "region": "r", "currency": "USD", "date": "2026-01-01", "source": "test"}
    return PriceTable.model_validate(facts | {"instances": [machine]})


def test_an_hour_of_ones_own_by_its_parts() -> None:
    found = compare(100, own(), [rent()])
    # 87600 / 5 years / 10 GPUs / 4380 h = 0.4; 43800 / 10 / 4380 = 1.0; 0.5 kW · 1.5 · 0.4 = 0.3
    assert found.parts == pytest.approx({"depreciation": 0.4, "people": 1.0, "other": 0.0, "energy": 0.3})
    here, aws = found.places
    assert (here.money, aws.money) == pytest.approx((170.0, 200.0)), "4 USD an hour are 2 EUR"


def test_break_even_is_where_both_cost_the_same_a_year() -> None:
    hours = break_even(own(), 2.0)
    assert hours == pytest.approx((1752 + 4380) / 1.7)
    assert own().fixed_per_gpu_year + hours * 0.3 == pytest.approx(hours * 2.0)


@pytest.mark.parametrize("rent_per_hour", [0.2, 0.3, 0.9])
def test_there_is_none_below_the_own_energy_nor_beyond_the_year(rent_per_hour: float) -> None:
    assert break_even(own(), rent_per_hour) is None


def test_a_whole_machine_is_paid_though_one_gpu_of_it_works() -> None:
    _, aws = compare(1, own(), [rent(per_hour=8.0, gpus=8)], gpus=1).places
    assert aws.money == pytest.approx(4.0)
    assert aws.machine == "1 × m (r)"
