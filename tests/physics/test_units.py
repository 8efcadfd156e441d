"""The units that files bring: known values, the inverse of each, and what is refused."""

from __future__ import annotations

import math

import polars as pl
import pytest

from cascada.errors import ConfigError, SourceError
from cascada.physics.columns import COLUMNS
from cascada.physics.units import to_canonical, units_of


def convert(name: str, values: list[float], unit: str, zenith_deg: list[float] | None = None) -> list[float]:
    frame = pl.DataFrame({"value": values, "zenith": zenith_deg or [0.0] * len(values)})
    return frame.select(to_canonical(name, pl.col("value"), unit, zenith_deg=pl.col("zenith")))[name].to_list()


@pytest.mark.parametrize(
    ("name", "unit", "value", "canonical"),
    [
        ("energy_eev", "EeV", 10.0, 10.0),
        ("energy_eev", "PeV", 1e4, 10.0),
        ("energy_eev", "TeV", 1e7, 10.0),
        ("energy_eev", "GeV", 1e10, 10.0),
        ("energy_eev", "eV", 1e19, 10.0),
        ("energy_eev", "lg(EeV)", 1.0, 10.0),
        ("energy_eev", "lg(TeV)", 7.0, 10.0),
        ("energy_eev", "lg(GeV)", 10.0, 10.0),
        ("energy_eev", "lg(eV)", 19.0, 10.0),
        ("energy_eev", "lg(eV)", 18.5, 10**0.5),
        ("zenith_deg", "deg", 30.0, 30.0),
        ("zenith_deg", "rad", math.pi / 3, 60.0),
        ("zenith_deg", "cos", 0.5, 60.0),
        ("zenith_deg", "sin", 0.5, 30.0),
        ("zenith_deg", "sec", 2.0, 60.0),
        ("n_mu", "1", 6e7, 6e7),
        ("n_mu", "lg", 7.0, 1e7),
        ("xmax_g_cm2", "g/cm2", 750.0, 750.0),
        ("xmax_g_cm2", "kg/m2", 7500.0, 750.0),
        ("core_x_m", "km", -1.5, -1500.0),
        ("core_x_m", "cm", 250.0, 2.5),
        ("image_length_mm", "cm", 2.5, 25.0),
        ("image_m3_long_mm", "mm3", -27.0, -3.0),
        ("image_size_phe", "lg(phe)", 2.0, 100.0),
        ("image_leakage_1", "%", 25.0, 0.25),
        ("image_timespread_ns", "0.5 ns", 3.0, 1.5),
        ("s1000_vem", "lg(VEM)", 1.0, 10.0),
    ],
)
def test_units_become_canonical(name: str, unit: str, value: float, canonical: float) -> None:
    assert convert(name, [value], unit) == pytest.approx([canonical], rel=1e-12)


@pytest.mark.parametrize("name", [name for name, column in COLUMNS.items() if column.dtype == "float32"])
def test_the_canonical_unit_changes_nothing(name: str) -> None:
    first = next(iter(units_of(COLUMNS[name])))
    assert first == COLUMNS[name].unit
    assert convert(name, [0.1, -3.0, 1e300], first) == [0.1, -3.0, 1e300]


@pytest.mark.parametrize(("unit", "value"), [("cos", 1.2), ("sin", -1.2), ("sec", 0.5), ("cos", math.nan)])
def test_no_angle_has_such_a_cosine(unit: str, value: float) -> None:
    assert math.isnan(convert("zenith_deg", [value], unit)[0])


def test_a_vertical_depth_becomes_slant() -> None:
    slant = convert("xmax_g_cm2", [700.0, 600.0, 400.0], "g/cm2 vertical", [0.0, 45.0, 60.0])
    assert slant == pytest.approx([700.0, 600.0 * math.sqrt(2), 800.0])


def test_a_vertical_depth_needs_the_zenith_angle() -> None:
    with pytest.raises(ConfigError, match="needs the zenith angle"):
        to_canonical("xmax_g_cm2", pl.col("depth"), "g/cm2 vertical")


@pytest.mark.parametrize(
    ("name", "unit", "some"),
    [
        ("energy_eev", "GEV", "EeV, PeV, TeV, GeV, eV"),
        ("zenith_deg", "degrees", "deg, rad, cos, sin, sec"),
        ("n_mu", "1e6", "1, %, lg"),
        ("xmax_g_cm2", "vertical", "g/cm2, kg/m2, g/cm2 vertical"),
        ("image_length_mm", "mm3", "mm, cm, m"),
        ("shower_id", "EeV", "1"),
    ],
)
def test_an_unknown_unit_lists_those_of_the_column(name: str, unit: str, some: str) -> None:
    with pytest.raises(SourceError, match=name) as caught:
        to_canonical(name, pl.col("x"), unit)
    assert repr(unit) in caught.value.what
    assert some in caught.value.expected
