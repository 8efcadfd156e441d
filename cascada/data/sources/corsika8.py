"""Showers from output folders of CORSIKA 8: particles at ground and the longitudinal profile.

Conventions: x and y are the axes of the observation plane, azimuth and zenith those of the momentum, as for CORSIKA 7;
depths run along the shower axis (slant). Xmax comes from the profile of charged particles
(`cascada.physics.longitudinal`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascada.config import Corsika8Source
from cascada.data.sources.corsika8_folder import Folder, open_folder
from cascada.data.sources.corsika8_tables import read_table
from cascada.data.sources.files import InputFile, describe_origin, find_files, hash_files, names_for_messages
from cascada.data.sources.ground import GROUND_COLUMNS, GroundParticles, GroundSummary
from cascada.data.sources.table import SourceTable, from_rows, in_order
from cascada.errors import SourceError
from cascada.physics.longitudinal import depth_of_maximum
from cascada.physics.particles import UNKNOWN, species_of_pdg

_COLUMNS = in_order(
    ("shower_id", "group_id", "primary", "hadronic_model", "energy_eev", "zenith_deg", "azimuth_deg", "xmax_g_cm2",
     "first_interaction_km", *GROUND_COLUMNS)
)  # fmt: skip
_SHOWERS_PER_FOLDER = 10_000_000
_LONGEST_S = 1.0


def read_corsika8(config: Corsika8Source, directory: Path) -> SourceTable:
    """Open folders of CORSIKA 8; particles are read when the table is collected or sunk, row group by row group.

    A shower's id is ``position of its folder * 10 000 000 + its number``, folders in the order of `find_files`.

    Parameters
    ----------
    config
        Folders, and what those of early versions do not say about the primary.
    directory
        Folder that holds them.

    Raises
    ------
    SourceError
        If a module, a column or an entry is missing, or two folders are the same; on reading, if a table is damaged.
    """
    files = find_files(config, directory)
    _refuse_copies(files)
    folders = [open_folder(file.path, config, file.primary) for file in files]
    return SourceTable(
        from_rows(partial(_all_rows, folders), _COLUMNS), names_for_messages(files), describe_origin(config, files)
    )


def _refuse_copies(files: Sequence[InputFile]) -> None:
    seen: dict[str, Path] = {}
    for file in files:
        profile = file.path / "profile" / "profile.parquet"
        if not profile.is_file():
            continue
        [digest] = hash_files([InputFile(profile)]).values()
        if digest in seen:
            raise SourceError(
                "two folders hold the same showers: their profiles are the same",
                where=f"{seen[digest]} and {file.path}",
                hint="remove one of them",
            )
        seen[digest] = file.path


def _all_rows(folders: Sequence[Folder]) -> Iterator[Mapping[str, object]]:
    for position, folder in enumerate(folders):
        yield from _rows(folder, position)


def _rows(folder: Folder, position: int) -> Iterator[Mapping[str, object]]:
    grounds, maxima = _grounds(folder), _maxima(folder)
    for number, (primary, ground, xmax) in enumerate(zip(folder.primaries, grounds, maxima, strict=True)):
        identity = position * _SHOWERS_PER_FOLDER + number
        yield {
            "shower_id": identity,
            "group_id": identity,
            "primary": primary.name,
            "hadronic_model": folder.hadronic_model,
            "energy_eev": primary.energy_gev * 1e-9,
            "zenith_deg": primary.zenith_deg,
            "azimuth_deg": primary.azimuth_deg,
            "first_interaction_km": primary.first_interaction_km,
            "xmax_g_cm2": xmax,
            **ground,
        }


def _of_each_shower(
    folder: Folder, table: str, columns: Sequence[str]
) -> Iterator[tuple[int, Iterator[dict[str, NDArray[Any]]]]]:
    """Give every shower of the run its pieces of a table, showers without rows included."""
    path = folder.path / table / f"{table}.parquet"
    pieces = read_table(path, columns)
    ahead = next(pieces, None)

    def take(shower: int) -> Iterator[dict[str, NDArray[Any]]]:
        nonlocal ahead
        while ahead is not None and ahead[0] == shower:
            yield ahead[1]
            ahead = next(pieces, None)

    for shower in range(len(folder.primaries)):
        yield shower, take(shower)
    if ahead is not None:
        raise SourceError(
            "a table holds more showers than the run",
            where=str(path),
            expected=f"showers 0 to {len(folder.primaries) - 1}",
            got=f"shower {ahead[0]}",
        )


def _grounds(folder: Folder) -> Iterator[Mapping[str, float | None]]:
    for shower, pieces in _of_each_shower(folder, "particles", ("pdg", "x", "y", "time", "weight")):
        where = f"{folder.path / 'particles'}, shower {shower}"
        ground, rows = GroundSummary(folder.primaries[shower].axis), 0
        for piece in pieces:
            rows += len(piece["pdg"])
            ground.add(_particles(piece, folder, where))
        if folder.rows is not None and folder.rows[shower] != rows:
            raise SourceError(
                "the particles of a shower are not as many as the run counted",
                where=where,
                expected=f"{folder.rows[shower]}",
                got=f"{rows}",
                hint="copy the folder again",
            )
        yield ground.row()


def _particles(piece: Mapping[str, NDArray[Any]], folder: Folder, where: str) -> GroundParticles:
    codes = piece["pdg"].astype(np.int64)
    species = species_of_pdg(codes)
    if (species == UNKNOWN).any():
        raise SourceError(f"a particle has the unknown PDG code {codes[species == UNKNOWN][0]}", where=where)
    weight, time = piece["weight"].astype(np.float64), piece["time"].astype(np.float64) * folder.time_unit_ns
    if (weight <= 0).any():
        raise SourceError("a particle has a weight that is not positive", where=where, got=f"{weight.min():g}")
    if (np.abs(time) > _LONGEST_S * 1e9).any():
        raise SourceError(
            "a particle arrives after more than a second",
            where=where,
            got=f"{np.abs(time).max() * 1e-9:g} s",
            hint="if the times are in another unit, say so under units in particles/config.yaml: `time: ns`",
        )
    return GroundParticles(species, weight, piece["x"].astype(np.float64), piece["y"].astype(np.float64), time)


def _maxima(folder: Folder) -> Iterator[float | None]:
    for shower, pieces in _of_each_shower(folder, "profile", ("X", "charged")):
        # Behind the ground a profile is zero, for thousands of bins.
        kept = [{name: values[piece["charged"] != 0] for name, values in piece.items()} for piece in pieces]
        depth, charged = (
            np.concatenate([piece[name].astype(np.float64) for piece in kept]) if kept else np.empty(0)
            for name in ("X", "charged")
        )
        if (charged < 0).any() or (np.diff(depth) <= 0).any():
            raise SourceError(
                "a longitudinal profile is negative or its depths do not increase",
                where=f"{folder.path / 'profile'}, shower {shower}",
            )
        yield depth_of_maximum(depth, charged)
