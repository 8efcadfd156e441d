"""Hashes of tables: every value, name, type, unit and place counts; how a table is cut and stored does not."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascada.repro.tables import TableDigest, hash_table, table_sha256

UNITS = {"energy_eev": "EeV", "xmax_g_cm2": "g/cm2"}
TABLE = pl.DataFrame(
    {
        "energy_eev": pl.Series([1.0, 2.0, 3.0], dtype=pl.Float32),
        "xmax_g_cm2": pl.Series([700.0, 750.0, 800.0], dtype=pl.Float32),
        "shower_id": [0, 1, 2],
        "primary": ["p", "He", "Fe"],
        "saturated": [True, False, True],
        "trace_vem": pl.Series([[0.5, 1.5], [], [2.0]], dtype=pl.List(pl.Float32)),
    }
)
CHANGES = {
    "one ulp": TABLE.with_columns(
        energy_eev=pl.Series([1.0, 2.0, np.nextafter(np.float32(3.0), np.float32(4.0))], dtype=pl.Float32)
    ),
    "nan": TABLE.with_columns(energy_eev=pl.Series([1.0, 2.0, math.nan], dtype=pl.Float32)),
    "null": TABLE.with_columns(energy_eev=pl.Series([1.0, 2.0, None], dtype=pl.Float32)),
    "zero": TABLE.with_columns(energy_eev=pl.Series([1.0, 2.0, 0.0], dtype=pl.Float32)),
    "float64": TABLE.with_columns(pl.col("energy_eev").cast(pl.Float64)),
    "int32": TABLE.with_columns(pl.col("shower_id").cast(pl.Int32)),
    "uint64": TABLE.with_columns(pl.col("shower_id").cast(pl.UInt64)),
    "text": TABLE.with_columns(primary=pl.Series(["p", "he", "Fe"])),
    "truth value": TABLE.with_columns(saturated=pl.Series([True, True, True])),
    "list border": TABLE.with_columns(trace_vem=pl.Series([[0.5], [1.5], [2.0]], dtype=pl.List(pl.Float32))),
    "list order": TABLE.with_columns(trace_vem=pl.Series([[1.5, 0.5], [], [2.0]], dtype=pl.List(pl.Float32))),
    "list value": TABLE.with_columns(trace_vem=pl.Series([[0.5, 1.5], [], [2.5]], dtype=pl.List(pl.Float32))),
    "swapped columns": TABLE.rename({"energy_eev": "xmax_g_cm2", "xmax_g_cm2": "energy_eev"}),
    "fewer rows": TABLE.head(2),
    "row twice": pl.concat([TABLE, TABLE.head(1)]),
    "column missing": TABLE.drop("primary"),
    "column renamed": TABLE.rename({"shower_id": "shower_no"}),
    "column more": TABLE.with_columns(weight=pl.lit(0.0)),
}


def digest(frame: pl.DataFrame, **units: str) -> TableDigest:
    return hash_table([frame], UNITS | units)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_table_counts(change: str) -> None:
    changed, usual = digest(CHANGES[change]), digest(TABLE)
    assert changed.ordered != usual.ordered
    assert changed.unordered != usual.unordered


def test_the_order_of_rows_counts_for_one_hash_and_not_for_the_other() -> None:
    reverse = digest(TABLE.reverse())
    assert reverse.ordered != digest(TABLE).ordered
    assert reverse.unordered == digest(TABLE).unordered


def test_values_moved_between_rows_count_in_any_order() -> None:
    moved = TABLE.with_columns(pl.col("energy_eev").reverse())
    assert digest(moved).unordered != digest(TABLE).unordered


def test_units_count() -> None:
    for one, other in (
        (digest(TABLE, energy_eev="PeV"), digest(TABLE)),
        (hash_table([TABLE], {}), digest(TABLE)),
    ):
        assert one.ordered != other.ordered
        assert one.unordered != other.unordered
    assert digest(TABLE, primary="", n_mu="1") == digest(TABLE)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_chunks_do_not_count(sizes: list[int]) -> None:
    whole = pl.concat([TABLE.with_columns(pl.col("primary").replace("He", None))] * 5)
    cuts, start = [], 0
    for size in sizes:
        cuts.append(whole.slice(start, size))
        start += size
    cuts.append(whole.slice(start))
    assert hash_table(cuts, UNITS) == hash_table([whole], UNITS)
    assert hash_table(cuts, UNITS).rows == 15


def test_storage_does_not_count() -> None:
    categories = TABLE.with_columns(pl.col("primary").cast(pl.Enum(["Fe", "He", "p"])))
    arrays = TABLE.select(pl.all().reverse()).reverse().rechunk()
    columns = TABLE.select(reversed(TABLE.columns))
    for same in (categories, arrays, columns, pl.concat([TABLE.head(1), TABLE.tail(2)], rechunk=False)):
        assert digest(same) == digest(TABLE)


@pytest.mark.parametrize(
    ("first", "second"), [(["ab", "c"], ["a", "bc"]), (["", "a"], ["a", ""]), (["aa"], ["a", "a"]), (["µ"], ["u"])]
)
def test_texts_keep_their_borders(first: list[str], second: list[str]) -> None:
    one, other = (digest(pl.DataFrame({"primary": values})) for values in (first, second))
    assert one.ordered != other.ordered


@given(st.lists(st.text(max_size=4) | st.none(), max_size=4), st.lists(st.text(max_size=4) | st.none(), max_size=4))
def test_texts_hash_alike_only_if_they_are_alike(first: list[str | None], second: list[str | None]) -> None:
    one, other = (table_sha256(pl.DataFrame({"t": pl.Series(v, dtype=pl.String)}), {}) for v in (first, second))
    assert (one == other) == (first == second)


def test_a_column_that_cannot_be_hashed_is_refused() -> None:
    with pytest.raises(TypeError, match="Struct"):
        digest(pl.DataFrame({"pair": [{"a": 1}]}))


# Written down once: the hash of a table must not change between versions of this code or of its libraries.
def test_the_hash_of_a_table_is_what_it_was() -> None:
    assert digest(TABLE).ordered == "642be74849f0b604bcc600c84603787edf97baeebcaf3b851843299df92ad821"
    assert digest(TABLE).unordered == "f498212e439b586d706595ea2078e163d56fbfe0b23cbe1806bffcc4dfa6e2c2"
