"""The exceptions that users see, and the exit codes of the command line.

::

    CascadaError              1
     ├── ConfigError          2   experiment file, option or setting
     ├── InvalidDataError     3   data refused by an expectation suite
     ├── SourceError          4   input missing, unreadable or not as declared
     ├── PlatformError        5   git, ports, local servers
     ├── ArtifactError        6   snapshot, split or bundle missing or altered
     └── BudgetError          7   a run or machine would cost more than allowed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CascadaError(Exception):
    """An error that tells the user what happened, where, and what to do next.

    Parameters
    ----------
    what
        One sentence: what went wrong.
    where, expected, got
        The file, field or address; what was expected there; what was found.
    hint
        The next step.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", expected: str = "", got: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.got = got
        self.hint = hint

    def __str__(self) -> str:
        facts = {"where": self.where, "expected": self.expected, "got": self.got, "next": self.hint}
        lines = [self.what] + [f"  {name + ':':<10}{text}" for name, text in facts.items() if text]
        return "\n".join(lines)


class ConfigError(CascadaError):
    """An experiment file, an option or a setting is not valid."""

    exit_code = 2


class InvalidDataError(CascadaError):
    """Data did not meet an expectation suite."""

    exit_code = 3


class SourceError(CascadaError):
    """An input is missing, unreadable or not as declared."""

    exit_code = 4


class PlatformError(CascadaError):
    """Git, a port or a local server is not as needed."""

    exit_code = 5


class ArtifactError(CascadaError):
    """A snapshot, split or bundle is missing or was altered."""

    exit_code = 6


class BudgetError(CascadaError):
    """A run or a rented machine would cost more than the budget allows."""

    exit_code = 7


def nearest(name: str, valid: Iterable[str]) -> str:
    """Name the valid names closest to an unknown one.

    Examples
    --------
    >>> nearest("zenit_deg", ["zenith_deg", "energy_eev"])
    'did you mean zenith_deg?'
    >>> nearest("qqq", ["zenith_deg", "energy_eev"])
    'valid names: energy_eev, zenith_deg'
    """
    names = sorted(set(valid))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"valid names: {', '.join(names)}"
