"""Every column of the shower table, once: type, unit, range, role; and the units that files may bring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cascada.errors import SourceError, nearest

Role = Literal["id", "group", "label", "domain", "weight", "observable", "truth"]
"""What a column is for: ``domain`` names conditions such as the hadronic model; ``truth`` is what only a simulation
knows, never a feature."""

Floats = NDArray[np.float64]

SCHEMA_VERSION = 1
"""Version of the shower table: raised when a column, a unit or a meaning changes."""


@dataclass(frozen=True)
class Column:
    """A column of the shower table.

    Attributes
    ----------
    dtype
        NumPy name of the stored type.
    unit
        Canonical unit; "1" for counts, "" where none applies.
    minimum, maximum
        Range that the service accepts, inclusive; suites set the range of each data set.
    """

    name: str
    dtype: Literal["int64", "float32", "str", "bool", "float32[]"]
    unit: str
    role: Role
    minimum: float = -math.inf
    maximum: float = math.inf
    description: str = ""


COLUMNS = {
    column.name: column
    for column in (
        Column("shower_id", "int64", "", "id", description="unique within a snapshot"),
        Column("group_id", "int64", "", "group", description="rows of one group never stand on both sides of a split"),
        Column("primary", "str", "", "label", description="name in cascada.physics.primaries"),
        Column("energy_eev", "float32", "EeV", "observable", 0.99, 320.0, "primary energy"),
        Column("zenith_deg", "float32", "deg", "observable", 0.0, 60.001, "zenith angle of the shower axis"),
        Column("n_mu", "float32", "1", "observable", 1.0, 1e12, "muons at ground"),
        Column("n_em", "float32", "1", "observable", 1.0, 1e14, "photons, electrons and positrons at ground"),
        Column("xmax_g_cm2", "float32", "g/cm2", "observable", 400.0, 1600.0, "slant depth of the shower maximum"),
        # What a simulation ran with, and what only it knows.
        Column("hadronic_model", "str", "", "domain", description="model of the hadronic interactions"),
        Column("anomaly", "str", "", "truth", description="kind of unusual shower or detector, or none"),
        Column("energy_true_eev", "float32", "EeV", "truth", 0.0, 1e3, "energy of the primary"),
        Column("zenith_true_deg", "float32", "deg", "truth", 0.0, 90.0, "zenith angle of the shower axis"),
        Column("azimuth_true_deg", "float32", "deg", "truth", 0.0, 360.0, "where it comes from, from x towards y"),
        Column("core_x_true_m", "float32", "m", "truth", description="core, from the hottest station"),
        Column("core_y_true_m", "float32", "m", "truth", description="core, from the hottest station"),
        Column("xmax_true_g_cm2", "float32", "g/cm2", "truth", 0.0, 4e3, "slant depth of the shower maximum"),
        Column("n_mu_true", "float32", "1", "truth", 0.0, 1e12, "muons at ground"),
        Column("n_em_true", "float32", "1", "truth", 0.0, 1e14, "photons, electrons and positrons at ground"),
        # What a surface detector measures of an event.
        Column("energy_reco_eev", "float32", "EeV", "observable", 1e-3, 1e4, "energy from the signal at 38 degrees"),
        Column("zenith_reco_deg", "float32", "deg", "observable", 0.0, 90.0, "zenith angle of the fitted front"),
        Column("azimuth_reco_deg", "float32", "deg", "observable", 0.0, 360.0, "where it comes from, from x towards y"),
        Column("core_x_reco_m", "float32", "m", "observable", description="fitted core, from the hottest station"),
        Column("core_y_reco_m", "float32", "m", "observable", description="fitted core, from the hottest station"),
        Column("s1000_vem", "float32", "VEM", "observable", 0.0, 1e6, "fitted signal at the reference distance"),
        Column("s38_vem", "float32", "VEM", "observable", 0.0, 1e6, "what it would have been at 38 degrees"),
        Column("n_stations", "int64", "", "observable", 0, 1e4, "stations with a trigger"),
        # What one station measures; in the table of events, the station nearest the reference distance.
        Column("station_id", "int64", "", "id", description="number of the station around the hottest one, which is 0"),
        Column("station_x_m", "float32", "m", "observable", description="position, from the hottest station"),
        Column("station_y_m", "float32", "m", "observable", description="position, from the hottest station"),
        Column("distance_m", "float32", "m", "observable", 0.0, 1e5, "distance from the fitted axis"),
        Column("plane_azimuth_deg", "float32", "deg", "observable", 0.0, 360.0, "in the shower plane; 0 is upstream"),
        Column("signal_vem", "float32", "VEM", "observable", 0.0, 1e6, "signal"),
        Column("time_ns", "float32", "ns", "observable", description="start of the trace, from the first station"),
        Column("rise_time_ns", "float32", "ns", "observable", 0.0, 2e4, "from 10 to 50 % of the signal"),
        Column("fall_time_ns", "float32", "ns", "observable", 0.0, 2e4, "from 50 to 90 % of the signal"),
        Column("area_over_peak_ns", "float32", "ns", "observable", 0.0, 2e4, "signal over its highest bin of 25 ns"),
        Column("saturated", "bool", "", "observable", description="whether a bin reached the end of the scale"),
        Column("trace_vem", "float32[]", "VEM", "observable", description="signal per bin of 25 ns"),
    )
}
"""The shower table, in order."""

COUNTS = ("n_mu", "n_em")
OBSERVABLES = ("energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2")
"""Observables of the table of showers, which features are made of; those of events and stations are not among them."""

_FACTORS = {
    "energy_eev": {"EeV": 1.0, "PeV": 1e-3, "TeV": 1e-6, "GeV": 1e-9, "eV": 1e-18},
    "zenith_deg": {"deg": 1.0, "rad": 180.0 / math.pi},
    "n_mu": {"1": 1.0},
    "n_em": {"1": 1.0},
    "xmax_g_cm2": {"g/cm2": 1.0, "kg/m2": 0.1, "g/cm2 vertical": 1.0},
}


def to_canonical(name: str, values: Floats, unit: str, *, zenith_deg: Floats) -> Floats:
    """Convert a column of a file to its canonical unit.

    Parameters
    ----------
    name
        Canonical column.
    values
        Shape (n,), in `unit`.
    unit
        One of the units known for the column. ``g/cm2 vertical`` is a depth along the vertical: divided by
        cos(zenith) it becomes the slant depth of a flat atmosphere (better than 1 % up to 60 degrees).
    zenith_deg
        Shape (n,), degrees; used for vertical depths only.

    Raises
    ------
    SourceError
        If the unit is not one of the column's.
    """
    factors = _FACTORS[name]
    if unit not in factors:
        raise SourceError(
            f"column {name!r} cannot be read in unit {unit!r}", expected=", ".join(factors), hint=nearest(unit, factors)
        )
    converted = values * factors[unit]
    return converted / np.cos(np.radians(zenith_deg)) if unit.endswith("vertical") else converted
