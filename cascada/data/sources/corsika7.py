"""Showers from CORSIKA 7 particle files: one row a shower, and the particles themselves when asked for.

Conventions, all of them CORSIKA's: x points to magnetic north, y to the west, z up; zenith and azimuth are those of the
momentum, so that the azimuth is where the shower goes to and not where it comes from; counts are of particles above
the energy cuts of the run, thinning weights applied. Of several observation levels the lowest one, which has the
largest number, is the ground.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from cascada.config import Corsika7Source
from cascada.data.sources.corsika7_particles import Particles, read_particles
from cascada.data.sources.corsika7_showers import Run, Shower, ShowerEnd, read_run
from cascada.data.sources.files import InputFile, describe_origin, find_files, names_for_messages
from cascada.data.sources.ground import GROUND_COLUMNS, GroundSummary, shower_axis
from cascada.data.sources.table import SourceTable, from_rows, from_typed_chunks, in_order
from cascada.errors import SourceError
from cascada.physics.particles import pdg_of_corsika
from cascada.physics.units import VERTICAL, to_canonical

HITS_SCHEMA: dict[str, pl.DataType] = {
    "shower_id": pl.Int64(), "pdg": pl.Int64(), "px_gev": pl.Float32(), "py_gev": pl.Float32(), "pz_gev": pl.Float32(),
    "x_m": pl.Float32(), "y_m": pl.Float32(), "t_ns": pl.Float32(), "weight": pl.Float32(), "level": pl.Int8(),
}  # fmt: skip
"""The table of hits, all observation levels in it. `pz_gev` counts downwards; `t_ns` is CORSIKA's, counted from the
first interaction or from the top of the atmosphere; level 1 is the highest."""

_DEPTHS = {"vertical": VERTICAL, "slant": "g/cm2"}
_COLUMNS = in_order(
    ("shower_id", "group_id", "primary", "hadronic_model", "energy_eev", "zenith_deg", "azimuth_deg", "xmax_g_cm2",
     "first_interaction_km", *GROUND_COLUMNS)
)  # fmt: skip


def read_corsika7(config: Corsika7Source, directory: Path) -> SourceTable:
    """Open CORSIKA 7 files; showers are read when the table is collected or sunk, in bounded memory.

    A shower's id is ``run number * 10 000 000 + event number``. Where several files have the same run number, the
    second one's run number counts from 1 000 000, the third one's from 2 000 000 and so on, in the order of the files.

    Parameters
    ----------
    config
        Files, what longitudinal depths run along, and whether to offer the table ``hits``.
    directory
        Folder that holds the files.

    Raises
    ------
    SourceError
        If a file is missing, is no CORSIKA 7 particle file, or holds the showers of another one; on reading, if one
        is truncated or damaged, or holds another primary than `config.files` says.
    """
    files = find_files(config, directory)
    numbered = _number(files)
    for file in files:
        _check_depths(file.path, config.depths)
    tables: dict[str, pl.LazyFrame] = {}
    if config.hits:
        tables["hits"] = from_typed_chunks(partial(_all_hits, numbered), HITS_SCHEMA)
    xmax = to_canonical("xmax_g_cm2", pl.col("xmax_g_cm2"), _DEPTHS[config.depths], zenith_deg=pl.col("zenith_deg"))
    return SourceTable(
        from_rows(partial(_all_rows, numbered), _COLUMNS).with_columns(xmax),
        names_for_messages(files),
        describe_origin(config, files),
        tables,
    )


def read_hits(path: Path, *, serial: int = 0) -> Iterator[pl.DataFrame]:
    """Read all particles of a file, at all observation levels, in pieces of some ten thousand.

    Parameters
    ----------
    path
        A CORSIKA 7 particle file.
    serial
        How many files before this one had its run number; part of `shower_id` (see `read_corsika7`).

    Yields
    ------
    pl.DataFrame
        Columns of `HITS_SCHEMA`. Rows that only describe the origin of the next particle are left out.

    Raises
    ------
    SourceError
        While iterating: if the file is truncated, damaged or no CORSIKA 7 particle file.
    """
    for shower, part in read_particles(path):
        if not isinstance(part, ShowerEnd):
            yield _hits(part, _shower_id(shower, serial))


@dataclass(frozen=True)
class _NumberedFile:
    file: InputFile
    serial: int


def _number(files: Sequence[InputFile]) -> list[_NumberedFile]:
    numbered, seen, first_events = [], dict[int, int](), dict[bytes, Path]()
    for file in files:
        run = read_run(file.path)
        _refuse_copy(run, first_events)
        serial = seen.get(run.number, 0)
        seen[run.number] = serial + 1
        numbered.append(_NumberedFile(file, serial))
    return numbered


def _refuse_copy(run: Run, first_events: dict[bytes, Path]) -> None:
    if not run.first_event:
        return
    if run.first_event in first_events:
        raise SourceError(
            "two files hold the same showers: the header of their first one is the same, random seeds included",
            where=f"{first_events[run.first_event]} and {run.path}",
            hint="remove one of them",
        )
    first_events[run.first_event] = run.path


def _check_depths(path: Path, depths: str) -> None:
    """Refuse to take vertical depths for slant ones, or the reverse, where the table beside the file says which."""
    bare = path.with_suffix("") if path.suffix in (".gz", ".zst") else path
    table = bare.with_name(f"{bare.name}.long")
    if not table.is_file():
        return
    with table.open("rb") as lines:
        words = lines.readline(200).decode("latin-1").split()
    found = next((word.lower() for word in words if word in ("SLANT", "VERTICAL")), depths)
    if found != depths:
        raise SourceError(
            f"source.depths says that longitudinal depths are {depths}, the table beside the file says {found}",
            where=str(table),
            hint=f"set source.depths to {found}",
        )


def _all_rows(files: Sequence[_NumberedFile]) -> Iterator[Mapping[str, object]]:
    for numbered in files:
        yield from _rows(numbered)


def _rows(numbered: _NumberedFile) -> Iterator[Mapping[str, object]]:
    ground: GroundSummary | None = None
    for shower, part in read_particles(numbered.file.path):
        if ground is None:
            _check_primary(shower, numbered.file.primary)
            ground = GroundSummary(shower_axis(shower.zenith_deg, shower.azimuth_deg))
        if isinstance(part, ShowerEnd):
            yield _describe(shower, part, numbered.serial) | ground.row()
            ground = None
        else:
            ground.add(part.at_ground(shower))


def _check_primary(shower: Shower, declared: str) -> None:
    if declared and declared != shower.primary:
        raise SourceError(
            f"the file holds showers of {shower.primary}, but source.files says {declared}",
            where=shower.where,
            hint="correct source.files, or make it a list: these files say themselves what they hold",
        )


def _shower_id(shower: Shower, serial: int) -> int:
    return (serial * 1_000_000 + shower.run) * 10_000_000 + shower.event


def _describe(shower: Shower, end: ShowerEnd, serial: int) -> dict[str, object]:
    identity = _shower_id(shower, serial)
    return {
        "shower_id": identity,
        "group_id": identity,
        "primary": shower.primary,
        "hadronic_model": shower.hadronic_model,
        "energy_eev": shower.energy_gev * 1e-9,
        "zenith_deg": shower.zenith_deg,
        "azimuth_deg": shower.azimuth_deg,
        "xmax_g_cm2": end.xmax_g_cm2,
        "first_interaction_km": shower.first_interaction_km,
    }


def _hits(particles: Particles, shower_id: int) -> pl.DataFrame:
    words = particles.words
    return pl.DataFrame(
        {
            "shower_id": np.full(len(words), shower_id, np.int64),
            "pdg": pdg_of_corsika(particles.code),
            "px_gev": words[:, 1],
            "py_gev": words[:, 2],
            "pz_gev": words[:, 3],
            "x_m": words[:, 4] * np.float32(0.01),
            "y_m": words[:, 5] * np.float32(0.01),
            "t_ns": words[:, 6],
            "weight": particles.weight,
            "level": particles.level,
        },
        schema=HITS_SCHEMA,
    )


def _all_hits(files: Sequence[_NumberedFile]) -> Iterator[pl.DataFrame]:
    for numbered in files:
        yield from read_hits(numbered.file.path, serial=numbered.serial)
