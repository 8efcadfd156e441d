"""A writer of CORSIKA 8 output folders, with the modules and columns of its versions since 2023."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

EARTH_RADIUS_M = 6_371_000.0


@dataclass
class Shower:
    """A shower to write; `particles` holds columns pdg, x, y, time (s), weight, `profile` X and charged."""

    pdg: int = 2212
    energy_gev: float = 1e6
    direction: tuple[float, float, float] = (0.0, 0.0, -1.0)
    first_interaction_m: tuple[float, float, float] = (0.0, 0.0, 20_000.0)
    particles: dict[str, Sequence[float]] = field(default_factory=dict)
    profile: dict[str, Sequence[float]] = field(default_factory=dict)


def particles_table(showers: Sequence[Shower]) -> pl.DataFrame:
    """Lay the particles at ground out in one table."""
    types = {"pdg": pl.Int32, "x": pl.Float32, "y": pl.Float32, "time": pl.Float64, "weight": pl.Float32}
    return _stack(showers, "particles", types)


def profile_table(showers: Sequence[Shower]) -> pl.DataFrame:
    """Lay the profiles out in one table."""
    return _stack(showers, "profile", {"X": pl.Float32, "charged": pl.Float32})


def _stack(showers: Sequence[Shower], table: str, types: dict[str, Any]) -> pl.DataFrame:
    schema = {"shower": pl.UInt32, **types}
    parts = [pl.DataFrame(schema=schema)]
    for number, shower in enumerate(showers):
        columns = getattr(shower, table)
        length = len(next(iter(columns.values()), ()))
        filled = {name: np.asarray(columns.get(name, np.full(length, float(name == "weight")))) for name in types}
        parts.append(pl.DataFrame({"shower": np.full(length, number), **filled}).cast(schema))
    return pl.concat(parts)


def write_folder(path: Path, showers: Sequence[Shower], *, args: str = "", observation_m: float = 1400.0) -> Path:
    """Write a whole folder."""
    plane = {"center": [0, 0, EARTH_RADIUS_M + observation_m], "normal": [0, 0, 1]}
    write_yaml(path / "config.yaml", {"name": path.name, "creator": "CORSIKA8", "args": args})
    write_yaml(path / "summary.yaml", {"showers": len(showers), "runtime": "00:00:01.000"})
    write_yaml(path / "primary/summary.yaml", {f"shower_{n}": _primary(s) for n, s in enumerate(showers)})
    places = {f"shower_{n}": dict(zip("xyz", s.first_interaction_m, strict=True)) for n, s in enumerate(showers)}
    write_yaml(path / "interactions/summary.yaml", places)
    write_yaml(path / "particles/config.yaml", {"type": "ObservationPlane", "units": {"length": "m"}, "plane": plane})
    write_yaml(path / "profile/config.yaml", {"type": "LongitudinalProfile", "units": {"grammage": "g/cm^2"}})
    particles_table(showers).write_parquet(path / "particles/particles.parquet", row_group_size=100)
    profile_table(showers).write_parquet(path / "profile/profile.parquet", row_group_size=100)
    return path


def write_yaml(path: Path, content: object) -> None:
    """Write a YAML file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))


def _primary(shower: Shower) -> dict[str, Any]:
    facts = {"pdg": shower.pdg, "total_energy": shower.energy_gev}
    return facts | dict(zip(("nx", "ny", "nz"), map(float, shower.direction), strict=True))
