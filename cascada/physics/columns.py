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
    dtype: Literal["int64", "float32", "str", "bool"]
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
        # What full simulations (CORSIKA 7 and 8) give in addition.
        Column("hadronic_model", "str", "", "domain", description="hadronic interaction model at high energies"),
        Column(
            "azimuth_deg",
            "float32",
            "deg",
            "observable",
            0.0,
            360.0,
            "azimuth of the shower's momentum, from x towards y (CORSIKA 7: from magnetic north towards west)",
        ),
        Column(
            "first_interaction_km", "float32", "km", "truth", 0.0, 1000.0, "height of the first interaction above sea"
        ),
        Column("n_gamma", "float32", "1", "observable", 0.0, 1e14, "photons at ground"),
        Column("n_e", "float32", "1", "observable", 0.0, 1e14, "electrons and positrons at ground"),
        Column("n_hadron", "float32", "1", "observable", 0.0, 1e12, "hadrons at ground, nuclei apart"),
        Column("n_other", "float32", "1", "truth", 0.0, 1e14, "neutrinos, taus and nuclei at ground"),
        *(
            Column(
                f"r_{kind}_{moment}_m",
                "float32",
                "m",
                "observable",
                0.0,
                1e6,
                f"{words} distance of the {particles} at ground from the shower axis",
            )
            for kind, particles in (("em", "photons, electrons and positrons"), ("mu", "muons"))
            for moment, words in (("mean", "mean"), ("rms", "root mean square"))
        ),
        *(
            Column(
                f"t_{kind}_{percent}_ns",
                "float32",
                "ns",
                "observable",
                0.0,
                1e9,
                f"when {percent} % of the {particles} have arrived: delay behind the plane shower front, counted from "
                "the first particle",
            )
            for kind, particles in (("em", "photons, electrons and positrons"), ("mu", "muons"))
            for percent in (10, 50, 90)
        ),
    )
}
"""The shower table, in order."""

COUNTS = ("n_mu", "n_em")
OBSERVABLES = tuple(c.name for c in COLUMNS.values() if c.role == "observable")

_FACTORS = {
    "energy_eev": {"EeV": 1.0, "PeV": 1e-3, "TeV": 1e-6, "GeV": 1e-9, "eV": 1e-18},
    "zenith_deg": {"deg": 1.0, "rad": 180.0 / math.pi},
    "n_mu": {"1": 1.0},
    "n_em": {"1": 1.0},
    "xmax_g_cm2": {"g/cm2": 1.0, "kg/m2": 0.1, "g/cm2 vertical": 1.0},
    "azimuth_deg": {"deg": 1.0, "rad": 180.0 / math.pi},
    "first_interaction_km": {"km": 1.0, "m": 1e-3, "cm": 1e-5},
    **{name: {"1": 1.0} for name in ("n_gamma", "n_e", "n_hadron", "n_other")},
    **{name: {"m": 1.0, "cm": 0.01, "km": 1e3} for name in ("r_em_mean_m", "r_em_rms_m", "r_mu_mean_m", "r_mu_rms_m")},
    **{f"t_{kind}_{percent}_ns": {"ns": 1.0, "us": 1e3, "s": 1e9} for kind in ("em", "mu") for percent in (10, 50, 90)},
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
