"""The packages of two environments side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cascada.repro.environment import Record, Software
from cascada.repro.fingerprint import file_sha256
from cascada.repro.manifest import write_text


class PackageChange(Record):
    """A package whose version differs; empty where it is not installed."""

    name: str
    recorded: str
    here: str

    def __str__(self) -> str:
        return f"{self.name} {self.recorded or 'not installed'} → {self.here or 'not installed'}"


def normalised(name: str) -> str:
    """Spell a distribution's name as indexes compare it (PyPA, name normalisation).

    Examples
    --------
    >>> normalised("Ruamel.YAML_clib")
    'ruamel-yaml-clib'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def package_changes(recorded: Mapping[str, str], here: Mapping[str, str]) -> tuple[PackageChange, ...]:
    """List the packages that two environments do not share in the same version, by name."""
    one = {normalised(name): version for name, version in recorded.items()}
    other = {normalised(name): version for name, version in here.items()}
    return tuple(
        PackageChange(name=name, recorded=one.get(name, ""), here=other.get(name, ""))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    )


def tell_changes(changes: tuple[PackageChange, ...], *, most: int = 8) -> str:
    """Put package changes into one line."""
    more = f" and {len(changes) - most} more" if len(changes) > most else ""
    return ", ".join(map(str, changes[:most])) + more


def write_lock(software: Software, path: Path) -> Software:
    """Write ``name==version`` of every installed distribution; returns the software with the hash of that file."""
    lines = (f"{name}=={version}\n" for name, version in sorted(software.packages.items()))
    write_text(path, "".join(lines))
    return software.model_copy(update={"lock_sha256": file_sha256(path)})
