"""The middle layer of a CORSIKA 7 file: runs and showers, from sub-blocks in their turn.

``RUNH (EVTH (particles | LONG)* EVTE)* RUNE``, zeros up to the end of the record. A sub-block of particles cannot be
taken for another one: it begins with a description, which is a whole number, and none of the tags is one when read as
a float. Word numbers are those of the CORSIKA 7 user's guide, tables 7 to 14, counted from 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cascada.data.sources.corsika7_blocks import Blocks
from cascada.errors import SourceError
from cascada.physics.primaries import from_corsika_id

_TAGS = {name: int.from_bytes(name.encode(), "little") for name in ("RUNH", "EVTH", "LONG", "EVTE", "RUNE")}
_NAMES = {code: name for name, code in _TAGS.items()}
_DATA = "particles"
# What may stand after what.
_BEFORE = {"RUNH": "nothing", "EVTH": "run", "LONG": "shower", _DATA: "shower", "EVTE": "shower", "RUNE": "run"}
_AFTER = {"RUNH": "run", "EVTH": "shower", "EVTE": "run", "RUNE": "end"}
_EXPECTED = {
    "nothing": "RUNH",
    "run": "EVTH or RUNE",
    "shower": "particles, LONG or EVTE",
    "end": "the end of the file",
}

_OLDEST, _NEWEST = 6.0, 8.0
_LARGEST_RUN, _LARGEST_EVENT = 999_999, 9_999_999

# EVTH word 76 (user's guide, table 8).
_HADRONIC_MODELS = ("HDPM", "VENUS", "SIBYLL", "QGSJET", "DPMJET", "NEXUS", "EPOS")


@dataclass(frozen=True)
class Run:
    """A run, from its header.

    Attributes
    ----------
    first_event
        SHA-256 of the header of its first shower, random seeds included: what tells two runs of one number apart.
        Empty when the run holds no shower.
    """

    path: Path
    number: int
    version: float
    first_event: bytes = b""


@dataclass(frozen=True)
class Shower:
    """A shower, from its event header.

    Attributes
    ----------
    where
        File, run and event, for messages.
    azimuth_deg
        Direction of the momentum, from magnetic north (x) towards west (y), [0, 360).
    first_interaction_km
        Height above sea level.
    levels, ground
        Number of observation levels, and the number of the lowest one: the ground.
    """

    run: int
    event: int
    where: str
    primary: str
    energy_gev: float
    zenith_deg: float
    azimuth_deg: float
    first_interaction_km: float
    hadronic_model: str
    levels: int
    ground: int


@dataclass(frozen=True)
class ShowerEnd:
    """What the event end says: particles written, and the depth of the fitted maximum, if there is a fit."""

    particles: int
    xmax_g_cm2: float | None


Part = NDArray[np.float32] | ShowerEnd


def read_run(path: Path) -> Run:
    """Read the header of a run, and nothing beyond its first records.

    Raises
    ------
    SourceError
        If the file is no CORSIKA 7 particle file of a supported version.
    """
    for blocks in Blocks(path):
        if not len(blocks):
            continue
        second = blocks[1].tobytes() if len(blocks) > 1 else b""
        return _run(blocks[0], path, hashlib.sha256(second).digest() if second.startswith(b"EVTH") else b"")
    raise SourceError("the file is truncated inside its run header", where=str(path), hint="copy it again")


def read_showers(path: Path) -> Iterator[tuple[Shower, Part]]:
    """Read a file shower by shower, each in bounded pieces.

    Yields
    ------
    tuple
        A shower with some of its rows, shape (n, 7) or (n, 8) when thinned, bookkeeping and padding included; any
        number of times, then once with its end.

    Raises
    ------
    SourceError
        While iterating: as soon as the file turns out not to be whole or not to be what it should.
    """
    blocks = Blocks(path)
    walk = _Walk(path)
    for chunk in blocks:
        yield from walk.take(chunk)
    if walk.place != "end" or blocks.cut:
        raise SourceError(
            "the file is truncated",
            where=f"{path}, byte {blocks.offset}" + (" of the decompressed content" if _is_compressed(path) else ""),
            expected="a run that ends with RUNE, and whole records",
            got=f"{walk.done} whole showers, then the file ends",
            hint="copy the file again, or simulate the run anew",
        )


def _is_compressed(path: Path) -> bool:
    return path.suffix in (".gz", ".zst")


class _Walk:
    """Where in the run the reading stands; refuses what comes out of turn."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = "nothing"
        self.done = 0
        self._run = Run(path, 0, 0.0)
        self._shower: Shower | None = None
        self._last_event = 0

    def take(self, blocks: NDArray[np.float32]) -> Iterator[tuple[Shower, Part]]:
        for name, part in _split(blocks):
            if self.place == "end" and name == _DATA and not part.any():
                continue
            if _BEFORE[name] != self.place:
                raise SourceError(
                    f"sub-block {name} stands where none belongs",
                    where=f"{self.path}, after {self.done} whole showers",
                    expected=_EXPECTED[self.place],
                    hint="copy the file again; give runs that were joined as files of their own",
                )
            self.place = _AFTER.get(name, self.place)
            yield from self._enter(name, part)

    def _enter(self, name: str, part: NDArray[np.float32]) -> Iterator[tuple[Shower, Part]]:
        if name == "RUNH":
            self._run = _run(part[0], self.path, b"")
        elif name == "EVTH":
            self._shower = _shower(part[0], self._run, self._last_event)
            self._last_event = self._shower.event
        elif name == "RUNE":
            _check_run_end(part[0], self._run, self.done)
        elif name != "LONG" and self._shower is not None:
            if name == _DATA:
                yield self._shower, part.reshape(-1, part.shape[1] // 39)
            else:
                yield self._shower, _shower_end(part[0], self._shower)
                self.done += 1


def _split(blocks: NDArray[np.float32]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    tags = blocks.view("<u4")[:, 0]
    start = 0
    for mark in np.flatnonzero(np.isin(tags, list(_NAMES))).tolist():
        if start < mark:
            yield _DATA, blocks[start:mark]
        yield _NAMES[int(tags[mark])], blocks[mark : mark + 1]
        start = mark + 1
    if start < len(blocks):
        yield _DATA, blocks[start:]


def _word(words: NDArray[np.float32], position: int, what: str, where: str) -> float:
    value = float(words[position - 1])
    if not np.isfinite(value):
        raise SourceError(f"{what} is not a finite number", where=f"{where}, word {position}", got=str(value))
    return value


def _whole(words: NDArray[np.float32], position: int, what: str, where: str, low: int, high: int) -> int:
    value = _word(words, position, what, where)
    if value != np.floor(value) or not low <= value <= high:
        raise SourceError(
            f"{what} is not as it should be",
            where=f"{where}, word {position}",
            expected=f"a whole number from {low} to {high}",
            got=f"{value:g}",
        )
    return int(value)


def _run(words: NDArray[np.float32], path: Path, first_event: bytes) -> Run:
    where = f"{path}, RUNH"
    version = _word(words, 4, "the version of CORSIKA", where)
    if not _OLDEST <= version < _NEWEST:
        raise SourceError(
            "the file was written by a version of CORSIKA that is not supported",
            where=f"{where}, word 4",
            expected=f"{_OLDEST:g} to below {_NEWEST:g}",
            got=f"{version:g}",
        )
    return Run(path, _whole(words, 2, "the run number", where, 0, _LARGEST_RUN), version, first_event)


def _shower(words: NDArray[np.float32], run: Run, last_event: int) -> Shower:
    event = _whole(words, 2, "the event number", f"{run.path}, EVTH after event {last_event}", 1, _LARGEST_EVENT)
    where = f"{run.path}, run {run.number}, event {event}"
    if event <= last_event:
        raise SourceError(
            "event numbers do not increase", where=where, got=f"{event} after {last_event}", hint="copy the file again"
        )
    _whole(words, 44, "the run number of the event header", where, run.number, run.number)
    levels = _whole(words, 47, "the number of observation levels", where, 1, 10)
    heights = [_word(words, 48 + level, "the height of an observation level", where) for level in range(levels)]
    energy = _word(words, 4, "the energy", where)
    zenith = _word(words, 11, "the zenith angle", where)
    if not (energy > 0 and 0 <= zenith <= np.pi):
        raise SourceError("energy or zenith angle is out of range", where=where, got=f"{energy:g} GeV, {zenith:g} rad")
    return Shower(
        run=run.number,
        event=event,
        where=where,
        primary=_primary(words, where),
        energy_gev=energy,
        zenith_deg=float(np.degrees(zenith)),
        azimuth_deg=float(np.degrees(_word(words, 12, "the azimuth", where)) % 360.0 % 360.0),
        # Negative when times are counted from the top of the atmosphere instead of from there.
        first_interaction_km=abs(_word(words, 7, "the height of the first interaction", where)) * 1e-5,
        hadronic_model=_model(words, where),
        levels=levels,
        ground=int(np.argmin(heights)) + 1,
    )


def _primary(words: NDArray[np.float32], where: str) -> str:
    code = _whole(words, 3, "the particle code of the primary", where, 1, 9999)
    primary = from_corsika_id(code)
    if primary is None:
        raise SourceError(
            f"the primary has particle code {code}, which is none of the known primaries",
            where=where,
            expected="1 (photon), 2 or 3 (electron), 14 (proton), or A * 100 + Z of a nucleus up to iron",
        )
    return primary.name


def _model(words: NDArray[np.float32], where: str) -> str:
    code = _whole(words, 76, "the code of the hadronic model at high energies", where, 0, 99)
    return _HADRONIC_MODELS[code] if code < len(_HADRONIC_MODELS) else f"CORSIKA model {code}"


def _shower_end(words: NDArray[np.float32], shower: Shower) -> ShowerEnd:
    where = f"{shower.where}, EVTE"
    _whole(words, 2, "the event number of the event end", where, shower.event, shower.event)
    particles = _whole(words, 7, "the number of particles written", where, 0, 2**53)
    n_max, _, x_max = (_word(words, position, "the longitudinal fit", where) for position in (256, 257, 258))
    return ShowerEnd(particles, x_max if n_max > 0 and x_max > 0 else None)


def _check_run_end(words: NDArray[np.float32], run: Run, showers: int) -> None:
    where = f"{run.path}, RUNE"
    _whole(words, 2, "the run number of the run end", where, run.number, run.number)
    expected = _whole(words, 3, "the number of showers of the run", where, 0, _LARGEST_EVENT)
    if expected != showers:
        raise SourceError(
            "showers are missing from the run",
            where=where,
            expected=str(expected),
            got=str(showers),
            hint="copy it again",
        )
