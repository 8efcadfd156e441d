"""The catalogue: public data sets of the field, where they come from, by which checksum, and how they are read.

The entries stand in ``data/catalog.yaml``; none of the data does. An entry holds all that a snapshot is made by
(`cascada.config.Dataset`), so that a data set is trained on by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from cascada.config import Dataset, Expectations, Section, Source, read_yaml, validate_section
from cascada.errors import ConfigError, nearest

PUBLISHED = "published"
"""Note of the version that lies at the origin, byte for byte."""

_SHARED_WITH_SOURCE = ("origin", "licence", "citation")


class Version(Section):
    """A version of a file that somebody has seen, by its checksum."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int | None = Field(None, ge=0, description="size; none when not stated")
    note: str = Field(PUBLISHED, description="what this version is: 'published', or which part or re-save of it")


class CatalogEntry(Section):
    """A public data set.

    Attributes
    ----------
    origin
        Repository and commit, archive or portal that the files come from.
    obtain
        How a user gets the files when they cannot be downloaded by a URL alone; "" when they can.
    base_url
        Address that the names of `files` are appended to.
    files
        Name relative to the data folder -> versions known by their checksum; empty when no checksum is known.
    traps
        What is wrong or easily misread in these data.
    source, repair, expectations
        As in an experiment; no source when the columns differ from user to user.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    title: str
    origin: str
    licence: str
    citation: str
    obtain: str = ""
    base_url: str = Field("", pattern=r"^(https?://.*/)?$")
    files: dict[str, tuple[Version, ...]] = Field(default_factory=dict)
    traps: tuple[str, ...] = ()
    source: Source | None = None
    repair: Literal["none", "difference_running_sums"] = "none"
    expectations: Expectations = Expectations()

    @model_validator(mode="before")
    @classmethod
    def _say_origin_once(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("source"), dict):
            return data
        shared = {key: data[key] for key in _SHARED_WITH_SOURCE if key in data}
        return data | {"source": shared | data["source"]}

    @model_validator(mode="after")
    def _can_be_obtained(self) -> Self:
        if not self.base_url and not self.obtain:
            raise ValueError("without base_url, obtain must say how a user gets the files")
        for name, versions in self.files.items():
            _stay_inside(name)
            if self.base_url and not any(version.note == PUBLISHED for version in versions):
                raise ValueError(f"{name}: what is downloaded needs the checksum of its published version")
        return self

    @property
    def downloadable(self) -> bool:
        return bool(self.base_url and self.files)

    @property
    def dataset(self) -> Dataset:
        """What a snapshot is made by.

        Raises
        ------
        ConfigError
            If the entry has no column map.
        """
        if self.source is None:
            raise ConfigError(
                f"the catalogue has no column map for {self.name!r}",
                expected=self.obtain,
                hint="write an experiment file with a source section that names your columns; see docs/data.md",
            )
        return Dataset(source=self.source, repair=self.repair, expectations=self.expectations)

    def url(self, name: str) -> str:
        """Return the address of a file, or "" when there is none."""
        return self.base_url + quote(name) if self.base_url else ""

    def published(self, name: str) -> Version:
        """Return the version of a file that lies at its origin.

        Raises
        ------
        ConfigError
            If the file is not in the entry, or its published checksum is not known.
        """
        for version in self.files.get(name, ()):
            if version.note == PUBLISHED:
                return version
        raise ConfigError(
            f"no checksum of a published file {name!r} is known", where=self.name, hint=nearest(name, self.files)
        )


class Catalog(Section):
    """All entries by name."""

    datasets: dict[str, CatalogEntry] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _name_entries(cls, data: Any) -> Any:
        entries = data.get("datasets") if isinstance(data, dict) else None
        if not isinstance(entries, dict):
            return data
        named = {key: {"name": key} | entry if isinstance(entry, dict) else entry for key, entry in entries.items()}
        return data | {"datasets": named}


def read_catalog(path: Path) -> Mapping[str, CatalogEntry]:
    """Read the catalogue, name to entry.

    Raises
    ------
    ConfigError
        If the file is missing or not valid; it names the key.
    """
    return validate_section(Catalog, read_yaml(path, "catalogue"), str(path)).datasets


def find_entry(catalog: Mapping[str, CatalogEntry], name: str) -> CatalogEntry:
    """Look a data set up by name.

    Raises
    ------
    ConfigError
        If there is none of that name; it names the nearest.
    """
    try:
        return catalog[name]
    except KeyError:
        raise ConfigError(f"the catalogue has no data set {name!r}", hint=nearest(name, catalog)) from None


def _stay_inside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in name:
        raise ValueError(f"{name!r} must be a relative path inside the data folder")
