"""The shower table: units, ranges that agree with the suites, and the names of primaries."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from projects import REPOSITORY

from cascada.errors import ConfigError
from cascada.physics.columns import COLUMNS, OBSERVABLES
from cascada.physics.primaries import PRIMARIES, class_order, find_primary

RANGE = "expect_column_values_to_be_between"
SHOWER = ("energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2")
SUITES = ("raw_showers", "training_showers")


def row_rules(suite: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml.safe_load((REPOSITORY / f"expectations/{suite}.yaml").read_text())["rows"]
    return rules


@pytest.mark.parametrize("suite", SUITES)
def test_suites_ask_for_the_ranges_of_the_columns(suite: str) -> None:
    ranges = {
        rule["kwargs"]["column"]: (rule["kwargs"]["min_value"], rule["kwargs"]["max_value"])
        for rule in row_rules(suite)
        if rule["type"] == RANGE
    }
    assert ranges == {name: (COLUMNS[name].minimum, COLUMNS[name].maximum) for name in ranges}
    assert set(SHOWER) <= set(ranges)


@pytest.mark.parametrize("suite", SUITES)
def test_suites_know_the_primaries(suite: str) -> None:
    sets = [rule["kwargs"] for rule in row_rules(suite) if rule["type"] == "expect_column_values_to_be_in_set"]
    assert [rule["column"] for rule in sets] == ["primary"]
    assert tuple(sets[0]["value_set"]) == class_order(set(sets[0]["value_set"])), "known, and lightest first"


@pytest.mark.parametrize("name", OBSERVABLES)
def test_observables_have_a_unit_and_a_range(name: str) -> None:
    column = COLUMNS[name]
    assert column.unit
    assert -math.inf < column.minimum < column.maximum < math.inf


def test_truth_is_no_observable() -> None:
    truth = [name for name, column in COLUMNS.items() if column.role == "truth"]
    assert {"energy_true_eev", "zenith_true_deg"} <= set(truth)
    assert not set(truth) & set(OBSERVABLES)


@pytest.mark.parametrize("name", COLUMNS)
def test_names_say_the_unit(name: str) -> None:
    """Every dimensionful column ends in its unit, written as a name."""
    column = COLUMNS[name]
    endings = {"EeV": "eev", "g/cm2": "g_cm2", "PeV/(g/cm2)": "pev_g_cm2", "ns/mm": "ns_mm"}
    if column.unit not in ("", "1"):
        assert name.endswith("_" + endings.get(column.unit, column.unit.lower()))


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        ({"Fe", "photon", "He"}, ("photon", "He", "Fe")),
        ({"Si", "hadron", "C", "p", "photon"}, ("photon", "hadron", "p", "C", "Si")),
        (set(), ()),
    ],
)
def test_classes_stand_lightest_first(names: set[str], ordered: tuple[str, ...]) -> None:
    assert class_order(names) == ordered


# CORSIKA 7 user's guide, table 4.
@pytest.mark.parametrize(
    ("name", "mass_number", "corsika_id"),
    [("photon", 0, 1), ("p", 1, 14), ("He", 4, 402), ("N", 14, 1407), ("Fe", 56, 5626)],
)
def test_primaries_have_their_codes(name: str, mass_number: int, corsika_id: int) -> None:
    primary = find_primary(name)
    assert (primary.mass_number, primary.corsika_id) == (mass_number, corsika_id)
    if primary.is_nucleus:
        assert primary.ln_mass == math.log(mass_number)


def test_a_photon_has_no_mass_number() -> None:
    with pytest.raises(ValueError, match="photon"):
        _ = PRIMARIES["photon"].ln_mass


@pytest.mark.parametrize(("name", "hint"), [("fe", "Fe"), ("photons", "photon"), ("", "photon")])
def test_an_unknown_primary_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown primary {name!r}") as caught:
        find_primary(name)
    assert hint in caught.value.hint
