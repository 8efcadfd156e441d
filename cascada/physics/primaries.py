"""The primaries that the platform tells apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cascada.errors import ConfigError, nearest


@dataclass(frozen=True)
class Primary:
    """A primary cosmic ray.

    Attributes
    ----------
    name
        Short name, used as label everywhere.
    mass_number
        A; 0 for what is no nucleus, or not known.
    charge
        Z.
    corsika_id
        Particle code of CORSIKA 7 (user's guide, table 4: A * 100 + Z for nuclei).
    """

    name: str
    mass_number: int
    charge: int
    corsika_id: int

    @property
    def is_nucleus(self) -> bool:
        return self.mass_number > 0

    @property
    def ln_mass(self) -> float:
        """Ln A.

        Raises
        ------
        ValueError
            For what has none.
        """
        if not self.is_nucleus:
            raise ValueError(f"{self.name} has no mass number")
        return math.log(self.mass_number)


# Symbol, mass number and charge of the nuclei that CORSIKA libraries hold: the most abundant isotope of each element.
_NUCLEI = (
    ("p", 1, 1), ("He", 4, 2), ("Li", 7, 3), ("Be", 9, 4), ("B", 11, 5), ("C", 12, 6), ("N", 14, 7), ("O", 16, 8),
    ("F", 19, 9), ("Ne", 20, 10), ("Na", 23, 11), ("Mg", 24, 12), ("Al", 27, 13), ("Si", 28, 14), ("P", 31, 15),
    ("S", 32, 16), ("Cl", 35, 17), ("Ar", 40, 18), ("K", 39, 19), ("Ca", 40, 20), ("Sc", 45, 21), ("Ti", 48, 22),
    ("V", 51, 23), ("Cr", 52, 24), ("Mn", 55, 25), ("Fe", 56, 26),
)  # fmt: skip

PRIMARIES = {
    primary.name: primary
    for primary in (
        Primary("photon", 0, 0, 1),
        Primary("electron", 0, -1, 3),
        Primary("hadron", 0, 0, 0),
        *(Primary(name, mass, charge, 14 if mass == 1 else 100 * mass + charge) for name, mass, charge in _NUCLEI),
    )
}
"""Every known primary by name, nuclei by charge: the order of classes, tables and figures. ``hadron`` is for data
that say only that the primary was no photon."""

_BY_CORSIKA_ID = {1: "photon", 2: "electron", 3: "electron", 14: "p"}
_BY_PDG = {22: "photon", 11: "electron", -11: "electron", 2212: "p"}
_NUCLEUS_PDG = 1_000_000_000  # a nucleus is 10LZZZAAAI, with L = 0 and I = 0 for ordinary ground states
_BY_CHARGE = {primary.charge: primary for primary in PRIMARIES.values() if primary.is_nucleus}


def from_corsika_id(code: int) -> Primary | None:
    """Find a primary by its CORSIKA particle code; None when it is none of ours.

    Isotopes count as their element: libraries code iron as Fe-56 (5626) or as Fe-54 (5426).

    Examples
    --------
    >>> from_corsika_id(5426).name, from_corsika_id(402).name, from_corsika_id(14).name
    ('Fe', 'He', 'p')
    """
    if code in _BY_CORSIKA_ID:
        return PRIMARIES[_BY_CORSIKA_ID[code]]
    mass, charge = divmod(code, 100)
    return _BY_CHARGE.get(charge) if mass > 1 else None


def from_pdg(code: int) -> Primary | None:
    """Find a primary by its code of the Particle Data Group; None when it is none of ours.

    Isotopes count as their element.

    Examples
    --------
    >>> from_pdg(22).name, from_pdg(2212).name, from_pdg(1000260560).name
    ('photon', 'p', 'Fe')
    """
    if code in _BY_PDG:
        return PRIMARIES[_BY_PDG[code]]
    charge, mass = divmod(code - _NUCLEUS_PDG, 10_000)
    return _BY_CHARGE.get(charge) if code > _NUCLEUS_PDG and mass % 10 == 0 and mass >= 10 * charge else None


def find_primary(name: str) -> Primary:
    """Look a primary up by name.

    Raises
    ------
    ConfigError
        If there is no such primary.
    """
    try:
        return PRIMARIES[name]
    except KeyError:
        raise ConfigError(f"unknown primary {name!r}", hint=nearest(name, PRIMARIES)) from None


def class_order(names: set[str]) -> tuple[str, ...]:
    """Put names of primaries into the order of `PRIMARIES`.

    Examples
    --------
    >>> class_order({"Fe", "photon", "He"})
    ('photon', 'He', 'Fe')
    """
    return tuple(name for name in PRIMARIES if name in names)
