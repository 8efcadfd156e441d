"""What a project says that it needs (locks, requirement files, pyproject.toml) against what is installed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cascada.errors import ConfigError
from cascada.repro.packages import normalised

_LOCK_TABLES = {"uv.lock": "package", "pylock.toml": "packages"}
_EXACT = re.compile(r"^===?[^*]+$")


@dataclass(frozen=True)
class Needs:
    """The requirements of one file.

    Attributes
    ----------
    is_lock
        Whether every one of them is an exact version.
    partial
        Whether it also names what other platforms and extras need, so that what is not installed says nothing.
    hashed
        Whether every one comes with a hash.
    """

    file: str
    requirements: tuple[Requirement, ...]
    is_lock: bool
    partial: bool = False
    hashed: bool = False
    requires_python: str = ""

    def unmet(self, installed: Mapping[str, str]) -> Iterator[tuple[Requirement, str]]:
        """Go through what is missing (an empty version) or installed in another version."""
        for requirement in self.requirements:
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            version = installed.get(normalised(requirement.name), "")
            if not version and self.partial:
                continue
            if not version or not requirement.specifier.contains(version, prereleases=True):
                yield requirement, version


def read_needs(root: Path) -> list[Needs]:
    """Read pyproject.toml, uv.lock, pylock.toml, and the requirement files at the top and below ``requirements/``.

    Raises
    ------
    ConfigError
        If one of them cannot be read.
    """
    tables = [_toml(root / name) for name in ("pyproject.toml", *_LOCK_TABLES) if (root / name).is_file()]
    listings = [*sorted(root.glob("requirements*.txt")), *sorted(root.glob("requirements/*.txt"))]
    return [one for one in (*tables, *(_listing(path, root) for path in listings)) if one.requirements]


def choose_lock(needs: list[Needs], installed: Mapping[str, str]) -> Needs | None:
    """Take the lock that this environment was made from: of several, the one that most of it agrees with."""
    locks = [one for one in needs if one.is_lock]

    def agreement(lock: Needs) -> tuple[float, int]:
        unmet = sum(1 for _ in lock.unmet(installed))
        return 1 - unmet / len(lock.requirements), len(lock.requirements)

    return max(locks, key=agreement, default=None)


def _toml(path: Path) -> Needs:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("this file cannot be read", where=str(path), got=str(error)) from error
    if path.name in _LOCK_TABLES:
        pins = tuple(_pin(one) for one in table.get(_LOCK_TABLES[path.name], []) if one.get("version"))
        return Needs(path.name, pins, is_lock=True, partial=True, hashed=True)
    project = table.get("project", {})
    listed = tuple(_requirement(text, path) for text in project.get("dependencies", []))
    return Needs(path.name, listed, is_lock=False, requires_python=_python(project.get("requires-python", ""), path))


def _python(text: str, path: Path) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ConfigError(
            "requires-python is no version specifier", where=str(path), got=text, expected=">=3.11"
        ) from error
    return text


def _pin(package: dict[str, Any]) -> Requirement:
    marker = f" ; {package['marker']}" if package.get("marker") else ""
    return Requirement(f"{package['name']}=={package['version']}{marker}")


def _listing(path: Path, root: Path) -> Needs:
    """Read a requirement file; options, addresses and included files are left out."""
    text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8", errors="replace"))
    lines = [line for raw in text.splitlines() if (line := re.sub(r"(^|\s)#.*", "", raw).strip())]
    named = [line for line in lines if not line.startswith("-") and "://" not in line]
    listed = tuple(_requirement(line.split(" --hash")[0], path) for line in named)
    exact = all(_EXACT.match(str(one.specifier)) for one in listed)
    hashed = bool(named) and all("--hash" in line for line in named)
    return Needs(path.relative_to(root).as_posix(), listed, is_lock=exact, hashed=hashed)


def _requirement(text: str, path: Path) -> Requirement:
    try:
        return Requirement(text.strip())
    except InvalidRequirement as error:
        raise ConfigError("this is not a requirement", where=str(path), got=text.strip()) from error
