"""An output folder of CORSIKA 8: what its YAML files say, and its Parquet tables in pieces."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from cascada.config import Corsika8Source
from cascada.errors import SourceError, nearest
from cascada.physics.primaries import from_pdg

_EARTH_RADIUS_M = 6_371_000.0  # CORSIKA 8, constants::EarthRadius::Mean
_TIME_UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_BATCH_ROWS = 65_536
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


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    """Read columns of a Parquet table shower by shower, each shower in bounded pieces.

    Yields
    ------
    tuple
        Number of the shower, and some of its rows by column. Numbers never decrease.

    Raises
    ------
    SourceError
        While iterating: if the file or a column is missing, or holds what no number is.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, columns, path)
            last = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=["shower", *columns]):
                for shower, rows in _parts(
                    {name: _numbers(batch.column(name), name, path) for name in batch.schema.names}
                ):
                    if shower < last:
                        raise SourceError("the showers of a table are not in order", where=str(path), got=f"{shower}")
                    last = shower
                    yield shower, rows
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, pa.ArrowException) as error:
        raise SourceError(
            "a table of CORSIKA 8 cannot be read", where=str(path), got=str(error)[:200], hint="copy it again"
        ) from error


def _check_columns(present: Sequence[str], columns: Sequence[str], path: Path) -> None:
    for name in ("shower", *columns):
        if name not in present:
            raise SourceError(
                f"a table of CORSIKA 8 has no column {name!r}",
                where=str(path),
                got=", ".join(present),
                hint=nearest(name, present),
            )


def _numbers(column: Any, name: str, path: Path) -> NDArray[Any]:
    values = column.to_numpy(zero_copy_only=False)
    if column.null_count or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise SourceError(f"column {name!r} holds what no number is", where=str(path), hint="copy the folder again")
    return np.asarray(values)


def _parts(table: dict[str, NDArray[Any]]) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    shower = table.pop("shower").astype(np.int64)
    starts = np.flatnonzero(np.diff(shower, prepend=shower[:1] - 1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(shower)], strict=True):
        yield int(shower[start]), {name: values[start:stop] for name, values in table.items()}


def _missing(path: Path) -> SourceError:
    folder = path.parent.parent
    present = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    return SourceError(
        f"the folder has no {path.parent.name}/{path.name}",
        where=str(folder),
        expected="the output folder of CORSIKA 8 with the modules particles and profile",
        got=f"modules {', '.join(present)}" if present else "no modules",
        hint=nearest(path.parent.name, present) if present else "give the folder that holds particles and profile",
    )


def _yaml(path: Path, *, optional: bool = False) -> Mapping[Any, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if optional:
            return {}
        raise _missing(path) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise SourceError("a YAML file of CORSIKA 8 cannot be read", where=str(path), got=str(error)[:200]) from error
    if not isinstance(content, Mapping):
        raise SourceError("a YAML file of CORSIKA 8 holds no mapping", where=str(path), got=repr(content)[:80])
    return content


def _number(node: object, key: str, where: str) -> float:
    value = node.get(key) if isinstance(node, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        keys = [str(name) for name in node] if isinstance(node, Mapping) else []
        raise SourceError(
            f"{key!r} is no number", where=where, got=repr(value)[:80], hint=nearest(key, keys) if keys else ""
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
            "the observation plane has no centre and normal", where=str(file), got=repr(plane)[:80]
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
    zenith, azimuth = math.radians(config.zenith_deg), math.radians(config.azimuth_deg)
    axis = (math.sin(zenith) * math.cos(azimuth), math.sin(zenith) * math.sin(azimuth), -math.cos(zenith))
    return PrimaryFacts(declared, config.energy_eev * 1e9, axis, None)


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
