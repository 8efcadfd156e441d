"""Running sums are undone exactly, and every row is kept or has its reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascada.data import etl
from cascada.data.etl import Limits, reasons_of
from cascada.data.repeats import repeated_rows
from cascada.data.validation import load_suite

SHOWER = {
    "shower_id": 0, "group_id": 0, "primary": "p", "energy_eev": 10.0, "zenith_deg": 30.0,
    "n_mu": 1e7, "n_em": 1e10, "xmax_g_cm2": 800.0,
}  # fmt: skip


def table(*changes: dict[str, object]) -> pl.DataFrame:
    """Good showers, all different, with changes to each."""
    rows = [
        SHOWER | {"shower_id": i, "group_id": i, "energy_eev": 10.0 + i} | change for i, change in enumerate(changes)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


LIMITS = load_suite(Path(__file__).resolve().parents[2] / "expectations", "training_showers").limits


@dataclass(frozen=True)
class Parts:
    """Both parts of a sieved table, in memory."""

    kept: pl.DataFrame
    quarantined: pl.DataFrame


def sieve(frame: pl.DataFrame, limits: Limits = LIMITS) -> Parts:
    repeated = repeated_rows(frame.lazy(), etl.physics_of(frame.columns))
    sieved = etl.sieve(frame.lazy(), limits, repeated)
    return Parts(sieved.kept.collect(), sieved.quarantined.collect())


def difference_running_sums(frame: pl.DataFrame) -> pl.DataFrame:
    return etl.difference_running_sums(frame.lazy()).collect()


counts = st.integers(2, 10**7)
showers = st.lists(st.tuples(st.sampled_from(["p", "Fe", "photon"]), counts, counts, st.booleans()), min_size=1)


def running_sums(rows: list[tuple[str, int, int, bool]]) -> pl.DataFrame:
    """Sum up row by row within a primary; begin anew where a block may end and every sum falls."""
    sums: dict[str, tuple[int, int]] = {}
    summed = []
    for primary, n_mu, n_em, ends in rows:
        mu, em = sums.get(primary, (0, 0))
        anew = ends and n_mu < mu and n_em < em
        sums[primary] = (n_mu, n_em) if anew else (mu + n_mu, em + n_em)
        summed.append((primary, *map(float, sums[primary])))
    return pl.DataFrame(summed, schema=["primary", "n_mu", "n_em"], orient="row")


@given(showers)
def test_differences_undo_running_sums_exactly(rows: list[tuple[str, int, int, bool]]) -> None:
    undone = difference_running_sums(running_sums(rows))
    assert undone.rows() == [(primary, float(n_mu), float(n_em)) for primary, n_mu, n_em, _ in rows]


def test_a_block_ends_only_where_every_count_falls() -> None:
    frame = pl.DataFrame({"primary": ["p"] * 3, "n_mu": [5.0, 4.0, 3.0], "n_em": [1.0, 2.0, 1.5]})
    assert difference_running_sums(frame)["n_mu"].to_list() == [5.0, -1.0, 3.0]


def test_primaries_are_summed_apart() -> None:
    frame = pl.DataFrame({"primary": ["p", "Fe", "p", "Fe"], "n_mu": [1.0, 10.0, 3.0, 30.0]})
    assert difference_running_sums(frame)["n_mu"].to_list() == [1.0, 10.0, 2.0, 20.0]


def test_differences_touch_counts_alone() -> None:
    frame = table({}, {"n_mu": 3e7, "n_em": 3e10}, {"n_mu": 4e7, "n_em": 5e10})
    before = frame.clone()
    undone = difference_running_sums(frame)
    assert undone.drop("n_mu", "n_em").equals(frame.drop("n_mu", "n_em"))
    assert undone.columns == frame.columns
    assert frame.equals(before)


def test_a_hole_in_the_sums_spoils_its_neighbour_and_no_other() -> None:
    frame = pl.DataFrame({"primary": ["p"] * 5, "n_mu": [1.0, 3.0, math.nan, 9.0, 12.0]})
    found = difference_running_sums(frame)["n_mu"].to_list()
    assert [found[i] for i in (0, 1, 4)] == [1.0, 2.0, 3.0]
    assert math.isnan(found[2])
    assert math.isnan(found[3])


def test_good_rows_are_kept_in_order_and_in_storage_types() -> None:
    sieved = sieve(table({}, {}, {}))
    assert sieved.quarantined.is_empty()
    assert sieved.kept["shower_id"].to_list() == [0, 1, 2]
    assert dict(sieved.kept.schema) == {
        "shower_id": pl.Int64, "group_id": pl.Int64, "primary": pl.String, "energy_eev": pl.Float32,
        "zenith_deg": pl.Float32, "n_mu": pl.Float32, "n_em": pl.Float32, "xmax_g_cm2": pl.Float32,
    }  # fmt: skip


def test_optional_columns_may_be_absent() -> None:
    assert "xmax_g_cm2" not in sieve(table({}, {}).drop("xmax_g_cm2")).kept.columns


@pytest.mark.parametrize("column", ["energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_is_no_number_is_quarantined(column: str, value: float | None) -> None:
    sieved = sieve(table({}, {column: value}, {}))
    assert sieved.quarantined["shower_id"].to_list() == [1]
    assert sieved.quarantined["reason"].to_list() == [f"{column} not finite"]


@pytest.mark.parametrize(
    ("column", "low", "high", "reason"),
    [
        ("energy_eev", 0.99, 320.0, "energy_eev outside [0.99, 320] EeV"),
        ("zenith_deg", 0.0, 60.001, "zenith_deg outside [0, 60.001] deg"),
        ("n_mu", 1.0, 1e12, "n_mu outside [1, 1e+12] 1"),
        ("n_em", 1.0, 1e14, "n_em outside [1, 1e+14] 1"),
        ("xmax_g_cm2", 400.0, 1600.0, "xmax_g_cm2 outside [400, 1600] g/cm2"),
    ],
)
def test_ranges_are_inclusive_and_named(column: str, low: float, high: float, reason: str) -> None:
    below, above = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    sieved = sieve(table(*({column: value} for value in (below, low, high, above))))
    assert sieved.kept["shower_id"].to_list() == [1, 2]
    assert sieved.quarantined["shower_id"].to_list() == [0, 3]
    assert set(sieved.quarantined["reason"]) == {reason}


def test_the_same_shower_again_is_quarantined_whatever_its_id() -> None:
    same = {"energy_eev": 10.0}
    sieved = sieve(table(same, {}, same, same | {"primary": "Fe"}, same))
    assert sieved.kept["shower_id"].to_list() == [0, 1, 3]
    assert sieved.quarantined["shower_id"].to_list() == [2, 4]
    assert set(sieved.quarantined["reason"]) == {"duplicate of an earlier row"}


def test_a_row_tells_all_its_reasons() -> None:
    bad = {"n_mu": math.nan, "energy_eev": 500.0}
    sieved = sieve(table({}, bad, bad))
    first, second = sieved.quarantined["reason"]
    assert first == "energy_eev outside [0.99, 320] EeV; n_mu not finite"
    assert second == f"{first}; duplicate of an earlier row"
    assert reasons_of(sieved.quarantined.lazy()) == {
        "energy_eev outside [0.99, 320] EeV": 2, "n_mu not finite": 2, "duplicate of an earlier row": 1,
    }  # fmt: skip
    assert list(reasons_of(sieved.quarantined.lazy()).values()) == [2, 2, 1]


def test_quarantine_keeps_the_values_as_they_came() -> None:
    sieved = sieve(table({}, {"energy_eev": 1e9 + 1}))
    assert sieved.quarantined["energy_eev"].to_list() == [1e9 + 1]
    assert sieved.quarantined.schema["energy_eev"] == pl.Float64


def test_nothing_in_quarantine_has_no_reasons() -> None:
    assert reasons_of(sieve(table({})).quarantined.lazy()) == {}


@given(st.lists(st.sampled_from([math.nan, math.inf, None, 0.0, 1.0, 5.0, 1e13]), min_size=1, max_size=30))
def test_no_row_is_lost_and_none_is_in_both_parts(n_mu: list[float | None]) -> None:
    frame = table({}, *({"n_mu": value, "energy_eev": 20.0} for value in n_mu))
    sieved = sieve(frame)
    kept, refused = sieved.kept["shower_id"].to_list(), sieved.quarantined["shower_id"].to_list()
    assert sorted(kept + refused) == frame["shower_id"].to_list()
    assert all(a < b for part in (kept, refused) for a, b in pairwise(part))
    good = dict.fromkeys(value for value in n_mu if value in (1.0, 5.0))  # each once: the others are duplicates
    assert len(kept) == 1 + len(good)
    assert all(sieved.quarantined["reason"])


def test_without_limits_only_repeated_rows_are_refused() -> None:
    sieved = sieve(table({}, {"n_mu": math.nan}, {"energy_eev": 1e9}, {}, {"energy_eev": 10.0}), {})
    assert sieved.quarantined["reason"].to_list() == ["duplicate of an earlier row"]


def test_a_limit_of_the_suite_is_the_limit_of_the_sieve() -> None:
    sieved = sieve(table({}, {"energy_eev": 11.5}, {}), {"energy_eev": (0.0, 11.0)})
    assert sieved.quarantined["reason"].to_list() == ["energy_eev outside [0, 11] EeV"] * 2
