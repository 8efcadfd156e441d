"""Source sections: where showers come from, one class a kind of source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cascada.config.section import Section
from cascada.config.simulator import SimulatorSource


class FileSource(Section):
    """What every source that reads files says about them.

    `files` is either a mapping of primary to file name, when each file holds one primary, or a list of names when the
    files say themselves what they hold (or nothing does). A name may be a shell pattern (``DAT*``), relative to the
    data folder.
    """

    origin: str = Field("own data", description="where a user downloads the files")
    licence: str = "not stated"
    citation: str = "not stated"
    files: dict[str, str] | tuple[str, ...] = Field(min_length=1)
    directory: Path | None = Field(None, description="data folder, relative to the project; --data overrides it")


class ColumnMap(Section):
    """Where a canonical column comes from in a table."""

    column: int | str = Field(description="name, or position (from 0)")
    unit: str = Field("1", description="unit in the file; converted to the canonical unit")
    floor_divide: int = Field(1, ge=1, description="integer division of the raw value, to turn an id into a group")


class LabelMap(Section):
    """The column that holds the label of each row, and what its values mean."""

    column: int | str
    values: dict[str, str] = Field(min_length=1, description="value in the file -> primary")


class MappedSource(FileSource):
    """A table of any format, through a column map.

    Canonical columns are those of `cascada.physics.columns`; `shower_id` is numbered in file order when no column is
    mapped to it, and `group_id` is `shower_id` unless mapped.
    """

    columns: dict[str, ColumnMap] = Field(min_length=1)
    label: LabelMap | None = Field(None, description="where files hold several primaries; without it, the file says")

    @model_validator(mode="after")
    def _one_label(self) -> Self:
        if self.label is not None and isinstance(self.files, dict):
            raise ValueError("the label comes from a column or from the file: give a list of files with `label`")
        return self


class TextSource(MappedSource):
    """Text tables: separated by white space, or CSV; also ``.gz``."""

    kind: Literal["text"]
    separator: Literal["whitespace", ",", ";", "\t"] = "whitespace"
    header: bool = Field(False, description="whether the first line holds column names")


class ParquetSource(MappedSource):
    """Parquet files."""

    kind: Literal["parquet"]


class Hdf5Source(MappedSource):
    """HDF5 files: a table (compound data set), or a group with one data set a column.

    Of several numbers a row (``values_block_0`` of pandas) the map takes one: ``name[0]``.
    """

    kind: Literal["hdf5"]
    table: str = Field("/", description="path of the table or of the group inside the file")


class RootSource(MappedSource):
    """ROOT files with a tree or an RNTuple.

    Of a branch with vectors the map takes one number: ``branch[0]``, or ``len(branch)``, and likewise ``sum``, ``max``,
    ``min`` and ``mean``.
    """

    kind: Literal["root"]
    tree: str


class Corsika7Source(FileSource):
    """CORSIKA 7 binary particle files, plain or thinned, also ``.gz`` and ``.zst``; the headers hold the label."""

    kind: Literal["corsika7"]
    depths: Literal["vertical", "slant"] = Field(
        "vertical", description="what longitudinal profiles run along: slant if CORSIKA was compiled with SLANT"
    )
    hits: bool = Field(False, description="also offer the table of all particles at the observation levels")


class Corsika8Source(FileSource):
    """Output folders of CORSIKA 8, each with the modules ``particles`` and ``profile``.

    What the module ``primary`` says about the primary counts. Folders of early versions do not have it: then `files`
    maps the primary to its folders, and energy and direction of all showers stand here.
    """

    kind: Literal["corsika8"]
    energy_eev: float | None = Field(None, gt=0, description="energy, for folders without the module primary")
    zenith_deg: float | None = Field(None, ge=0, lt=90, description="zenith, for folders without the module primary")
    azimuth_deg: float = Field(
        0.0, ge=0, le=360, description="azimuth of the momentum from the x axis, for folders without the module primary"
    )


class AugerSource(FileSource):
    """Pierre Auger Open Data: summary CSV or pseudo-raw JSON; there are no labels in nature."""

    kind: Literal["auger"]


class SnapshotSource(Section):
    """The kept rows of a snapshot of this project (`cascada data list`), judged anew."""

    kind: Literal["snapshot"]
    name: str


Source = Annotated[
    SimulatorSource
    | SnapshotSource
    | TextSource
    | ParquetSource
    | Hdf5Source
    | RootSource
    | Corsika7Source
    | Corsika8Source
    | AugerSource,
    Field(discriminator="kind"),
]
