"""The shower table: units, ranges that agree with the suites, and the names of primaries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import yaml
from projects import REPOSITORY

from cascada.errors import ConfigError, SourceError
from cascada.physics.columns import COLUMNS, OBSERVABLES, to_canonical
from cascada.physics.primaries import PRIMARIES, class_order, find_primary

RANGE = "expect_column_values_to_be_between"
SUITES = ("raw_showers", "training_showers")


def row_rules(suite: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml.safe_load((REPOSITORY / f"expectations/{suite}.yaml").read_text())["rows"]
    return rules


@pytest.mark.parametrize(
    ("name", "unit", "value", "canonical"),
    [
        ("energy_eev", "EeV", 10.0, 10.0),
        ("energy_eev", "PeV", 1e4, 10.0),
        ("energy_eev", "TeV", 1e7, 10.0),
        ("energy_eev", "GeV", 1e10, 10.0),
        ("energy_eev", "eV", 1e19, 10.0),
        ("zenith_deg", "deg", 30.0, 30.0),
        ("zenith_deg", "rad", math.pi / 3, 60.0),
        ("n_mu", "1", 6e7, 6e7),
        ("n_em", "1", 6e9, 6e9),
        ("xmax_g_cm2", "g/cm2", 750.0, 750.0),
        ("xmax_g_cm2", "kg/m2", 7500.0, 750.0),
    ],
)
def test_units_become_canonical(name: str, unit: str, value: float, canonical: float) -> None:
    converted = to_canonical(name, np.array([value]), unit, zenith_deg=np.array([60.0]))
    assert converted == pytest.approx([canonical], rel=1e-12)


def test_a_vertical_depth_becomes_slant() -> None:
    vertical, zenith = np.array([700.0, 600.0, 400.0]), np.array([0.0, 45.0, 60.0])
    slant = to_canonical("xmax_g_cm2", vertical, "g/cm2 vertical", zenith_deg=zenith)
    assert slant == pytest.approx([700.0, 600.0 * math.sqrt(2), 800.0])
    assert vertical.tolist() == [700.0, 600.0, 400.0]


@pytest.mark.parametrize(
    ("name", "unit", "units"),
    [
        ("energy_eev", "GEV", "EeV, PeV, TeV, GeV, eV"),
        ("zenith_deg", "degrees", "deg, rad"),
        ("n_mu", "1e6", "1"),
        ("xmax_g_cm2", "vertical", "g/cm2, kg/m2, g/cm2 vertical"),
    ],
)
def test_an_unknown_unit_lists_those_of_the_column(name: str, unit: str, units: str) -> None:
    with pytest.raises(SourceError, match=name) as caught:
        to_canonical(name, np.ones(1), unit, zenith_deg=np.zeros(1))
    assert repr(unit) in caught.value.what
    assert caught.value.expected == units


@pytest.mark.parametrize("suite", SUITES)
def test_suites_ask_for_the_ranges_of_the_columns(suite: str) -> None:
    ranges = {
        rule["kwargs"]["column"]: (rule["kwargs"]["min_value"], rule["kwargs"]["max_value"])
        for rule in row_rules(suite)
        if rule["type"] == RANGE
    }
    assert ranges == {name: (COLUMNS[name].minimum, COLUMNS[name].maximum) for name in ranges}
    assert {"energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2"} <= set(ranges)


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
