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
        A; 0 for the photon.
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
            For the photon, which has none.
        """
        if not self.is_nucleus:
            raise ValueError(f"{self.name} has no mass number")
        return math.log(self.mass_number)


PRIMARIES = {
    primary.name: primary
    for primary in (
        Primary("photon", 0, 0, 1),
        Primary("p", 1, 1, 14),
        Primary("He", 4, 2, 402),
        Primary("N", 14, 7, 1407),
        Primary("Fe", 56, 26, 5626),
    )
}
"""Every known primary by name, lightest first: the order of classes, tables and figures."""


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
