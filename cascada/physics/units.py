"""The units that files bring, and how they become the canonical unit of a column: the one place for factors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import polars as pl

from cascada.errors import ConfigError, SourceError, nearest
from cascada.physics.columns import COLUMNS, Column

Conversion = Callable[[pl.Expr], pl.Expr]


def _times(factor: float) -> Conversion:
    return lambda values: values * factor


def _lg(factor: float = 1.0) -> Conversion:
    return lambda values: factor * pl.lit(10.0).pow(values)


def _angle(function: Callable[[pl.Expr], pl.Expr]) -> Conversion:
    return lambda values: function(values).degrees()


_UNITS: dict[str, dict[str, Conversion]] = {
    "": {"1": _times(1)},
    "1": {"1": _times(1), "%": _times(0.01), "lg": _lg()},
    "EeV": {
        "EeV": _times(1), "PeV": _times(1e-3), "TeV": _times(1e-6), "GeV": _times(1e-9), "eV": _times(1e-18),
        "lg(EeV)": _lg(), "lg(TeV)": _lg(1e-6), "lg(GeV)": _lg(1e-9), "lg(eV)": _lg(1e-18),
    },
    "deg": {
        "deg": _times(1), "rad": _times(180.0 / math.pi), "cos": _angle(pl.Expr.arccos), "sin": _angle(pl.Expr.arcsin),
        "sec": _angle(lambda values: (1.0 / values).arccos()),
    },
    "g/cm2": {"g/cm2": _times(1), "kg/m2": _times(0.1)},
    "PeV/(g/cm2)": {"PeV/(g/cm2)": _times(1), "GeV/(g/cm2)": _times(1e-6)},
    "m": {"m": _times(1), "km": _times(1e3), "cm": _times(1e-2), "mm": _times(1e-3)},
    "km": {"km": _times(1), "m": _times(1e-3), "cm": _times(1e-5)},
    "mm": {"mm": _times(1), "cm": _times(10), "m": _times(1e3)},
    "ns": {"ns": _times(1), "us": _times(1e3), "s": _times(1e9), "0.5 ns": _times(0.5)},
    "ns/mm": {"ns/mm": _times(1), "0.5 ns/mm": _times(0.5)},
    "phe": {"phe": _times(1), "lg(phe)": _lg()},
    "VEM": {"VEM": _times(1), "lg(VEM)": _lg()},
}  # fmt: skip
"""Canonical unit to the units that files may bring. ``lg``: decimal logarithm; ``0.5 ns``: a sample at 2 GHz."""

VERTICAL = "g/cm2 vertical"
_OF_COLUMN: dict[str, dict[str, Conversion]] = {
    "xmax_g_cm2": {VERTICAL: _times(1)},
    "image_m3_long_mm": {"mm3": pl.Expr.cbrt},
    "image_m3_trans_mm": {"mm3": pl.Expr.cbrt},
}


def units_of(column: Column) -> Mapping[str, Conversion]:
    """List the units that a column can be read in, its canonical one first."""
    return _UNITS.get(column.unit, {column.unit: _times(1)}) | _OF_COLUMN.get(column.name, {})


def to_canonical(name: str, values: pl.Expr, unit: str, *, zenith_deg: pl.Expr | None = None) -> pl.Expr:
    """Convert a column of a file to its canonical unit.

    Parameters
    ----------
    name
        Canonical column.
    values
        Numbers in `unit`.
    unit
        One of `units_of` the column. ``g/cm2 vertical`` is a depth along the vertical: divided by cos(zenith) it
        becomes the slant depth of a flat atmosphere (better than 1 % up to 60 degrees). ``mm3`` is a third moment,
        whose cubic root is taken. Beyond the domain of ``cos``, ``sin`` and ``sec`` the angle is NaN.
    zenith_deg
        Degrees; needed for vertical depths only.

    Returns
    -------
    polars.Expr
        Named as the canonical column.

    Raises
    ------
    SourceError
        If the unit is not one of the column's.
    ConfigError
        If a vertical depth has no zenith angle beside it.

    Examples
    --------
    >>> pl.select(to_canonical("energy_eev", pl.lit(1e10), "GeV")).item()
    10.0
    """
    units = units_of(COLUMNS[name])
    if unit not in units:
        raise SourceError(
            f"column {name!r} cannot be read in unit {unit!r}", expected=", ".join(units), hint=nearest(unit, units)
        )
    converted = units[unit](values)
    if unit != VERTICAL:
        return converted.alias(name)
    if zenith_deg is None:
        raise ConfigError(
            f"column {name!r} in {unit!r} needs the zenith angle", hint="map zenith_deg as well, with its unit"
        )
    return (converted / zenith_deg.radians().cos()).alias(name)
