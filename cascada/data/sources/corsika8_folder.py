"""An output folder of CORSIKA 8: what its YAML files say about the run and the primaries."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from cascada.config import Corsika8Source
from cascada.data.sources.corsika8_tables import missing_module
from cascada.data.sources.ground import shower_axis
from cascada.errors import SourceError, nearest
from cascada.physics.primaries import from_pdg

_EARTH_RADIUS_M = 6_371_000.0  # CORSIKA 8, constants::EarthRadius::Mean
_TIME_UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_HORIZONTAL = 1e-6


@dataclass(frozen=True)
class PrimaryFacts:
    """The primary of one shower; `axis` is the unit vector it flies along, in the frame of the observation plane."""

    name: str
    energy_gev: float
    axis: tuple[float, float, float]
    first_interaction_km: float | None

    @property
    def zenith_deg(self) -> float:
        return math.degrees(math.acos(min(1.0, max(-1.0, -self.axis[2]))))

    @property
    def azimuth_deg(self) -> float:
        return math.degrees(math.atan2(self.axis[1], self.axis[0])) % 360.0 % 360.0


@dataclass(frozen=True)
class Folder:
    """One run.

    Attributes
    ----------
    primaries
        One a shower, in their order.
    time_unit_ns
        Unit of the arrival times.
    rows
        Particles of each shower at ground, as the run itself counted them; None when it did not.
    """

    path: Path
    primaries: Sequence[PrimaryFacts]
    hadronic_model: str | None
    time_unit_ns: float
    rows: Sequence[int] | None


def open_folder(path: Path, config: Corsika8Source, declared: str) -> Folder:
    """Read the YAML files of a folder.

    Parameters
    ----------
    path
        The folder.
    config
        What to take for folders that do not say it.
    declared
        The primary that the experiment says the folder holds; "" if it does not.

    Raises
    ------
    SourceError
        If a module or an entry is missing, or entries contradict each other or `declared`.
    """
    showers = _showers(path)
    plane = _plane(path)
    return Folder(
        path=path,
        primaries=_primaries(path, config, declared, showers, float(np.linalg.norm(plane))),
        hadronic_model=_hadronic_model(path),
        time_unit_ns=_time_unit(path),
        rows=_counted(path, showers),
    )


def _yaml(path: Path, *, optional: bool = False) -> Mapping[Any, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if optional:
            return {}
        raise missing_module(path) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise SourceError("a YAML file of CORSIKA 8 cannot be read", where=str(path), got=str(error)[:200]) from error
    if not isinstance(content, Mapping):
        raise SourceError("a YAML file of CORSIKA 8 holds no mapping", where=str(path), got=type(content).__name__)
    return content


def _brief(value: object) -> str:
    # Aliases let a small YAML file stand for a structure that fills the memory once it is written out.
    return repr(value)[:80] if value is None or isinstance(value, str | int | float) else type(value).__name__


def _number(node: object, key: str, where: str) -> float:
    value = node.get(key) if isinstance(node, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        keys = [str(name) for name in node] if isinstance(node, Mapping) else []
        raise SourceError(
            f"{key!r} is no number", where=where, got=_brief(value), hint=nearest(key, keys) if keys else ""
        )
    return float(value)


def _showers(path: Path) -> int:
    file = path / "summary.yaml"
    if not file.is_file():
        raise SourceError(
            "the folder has no summary.yaml, which CORSIKA 8 writes when a run ends",
            where=str(path),
            hint="give the folder that holds particles and profile; repeat runs that were stopped",
        )
    showers = _number(_yaml(file), "showers", str(file))
    if showers < 1 or showers != int(showers):
        raise SourceError("the run holds no showers", where=str(file), got=f"{showers:g}")
    return int(showers)


def _plane(path: Path) -> NDArray[np.float64]:
    """Give the centre of the observation plane (m, from the centre of the earth); an inclined plane is refused."""
    file = path / "particles" / "config.yaml"
    plane = _yaml(file).get("plane")
    try:
        center, normal = (np.asarray(plane[name], np.float64).reshape(3) for name in ("center", "normal"))  # type: ignore[index]
        upright = float(center @ normal) / float(np.linalg.norm(center) * np.linalg.norm(normal))
    except (TypeError, KeyError, ValueError, ZeroDivisionError) as error:
        raise SourceError(
            "the observation plane has no centre and normal", where=str(file), got=type(plane).__name__
        ) from error
    if not abs(upright - 1.0) < _HORIZONTAL:
        raise SourceError("the observation plane is not horizontal, which is not supported", where=str(file))
    return center


def _time_unit(path: Path) -> float:
    file = path / "particles" / "config.yaml"
    units = _yaml(file).get("units")
    unit = str(units.get("time", "s")) if isinstance(units, Mapping) else "s"
    if unit not in _TIME_UNITS_NS:
        raise SourceError(
            f"times in unit {unit!r} cannot be read",
            where=str(file),
            expected=", ".join(_TIME_UNITS_NS),
            hint=nearest(unit, _TIME_UNITS_NS),
        )
    return _TIME_UNITS_NS[unit]


def _hadronic_model(path: Path) -> str | None:
    try:
        words = shlex.split(str(_yaml(path / "config.yaml").get("args", "")))
    except ValueError:
        return None
    for word, following in itertools.pairwise([*words, ""]):
        if word in ("-M", "--hadronModel"):
            return following
        if word.startswith("--hadronModel="):
            return word.partition("=")[2]
    return None


def _counted(path: Path, showers: int) -> Sequence[int] | None:
    file = path / "particles" / "summary.yaml"
    summary = _yaml(file, optional=True)
    counts = []
    for shower in range(showers):
        kinds = summary.get(f"shower_{shower}")
        if not isinstance(kinds, Mapping):
            return None
        counts.append(sum(int(_number(kind, "count", f"{file}, shower {shower}")) for kind in kinds.values()))
    return counts


def _primaries(
    path: Path, config: Corsika8Source, declared: str, showers: int, plane_radius_m: float
) -> Sequence[PrimaryFacts]:
    file = path / "primary" / "summary.yaml"
    if not file.is_file():
        return [_configured(path, config, declared)] * showers
    summary = _yaml(file)
    interactions = _yaml(path / "interactions" / "summary.yaml", optional=True)
    primaries = []
    for shower in range(showers):
        name, where = f"shower_{shower}", f"{file}, shower {shower}"
        if name not in summary:
            raise SourceError(
                f"{name!r} is missing", where=str(file), expected=f"{showers} showers", got=f"{len(summary)}"
            )
        height = _height(interactions.get(name), plane_radius_m, where)
        primaries.append(_primary(summary[name], declared, height, where))
    return primaries


def _configured(path: Path, config: Corsika8Source, declared: str) -> PrimaryFacts:
    if not declared or config.energy_eev is None or config.zenith_deg is None:
        raise SourceError(
            "the folder does not say what its primary is: it has no primary/summary.yaml",
            where=str(path),
            expected="the module primary, or source.files as a mapping, source.energy_eev and source.zenith_deg",
            hint="write source.files: {p: FOLDER}, source.energy_eev and source.zenith_deg into the experiment",
        )
    return PrimaryFacts(declared, config.energy_eev * 1e9, shower_axis(config.zenith_deg, config.azimuth_deg), None)


def _primary(node: object, declared: str, height: float | None, where: str) -> PrimaryFacts:
    code = int(_number(node, "pdg", where))
    primary = from_pdg(code)
    if primary is None:
        raise SourceError(f"the primary has PDG code {code}, which is none of the known primaries", where=where)
    if declared and declared != primary.name:
        raise SourceError(f"the folder holds a shower of {primary.name}, but source.files says {declared}", where=where)
    nx, ny, nz = (_number(node, name, where) for name in ("nx", "ny", "nz"))
    length, energy = math.sqrt(nx * nx + ny * ny + nz * nz), _number(node, "total_energy", where)
    if energy <= 0 or not abs(length - 1) < 1e-3:
        raise SourceError("energy or direction is out of range", where=where, got=f"{energy:g} GeV, length {length:g}")
    return PrimaryFacts(primary.name, energy, (nx / length, ny / length, nz / length), height)


def _height(node: object, plane_radius_m: float, where: str) -> float | None:
    """Height above sea of the first interaction, km; its place is given from the centre of the observation plane."""
    if node is None:
        return None
    x, y, z = (_number(node, name, f"{where}, first interaction") for name in ("x", "y", "z"))
    return (math.hypot(x, y, plane_radius_m + z) - _EARTH_RADIUS_M) / 1000.0
