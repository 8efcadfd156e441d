"""The upper layer of a CORSIKA 7 file: the particles of each shower, freed of bookkeeping and padding, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascada.data.sources.corsika7_showers import Shower, ShowerEnd, read_showers
from cascada.data.sources.ground import GroundParticles
from cascada.errors import SourceError
from cascada.physics.particles import BOOKKEEPING, UNKNOWN, species_of_corsika

_SMALLEST_DESCRIPTION, _LARGEST_DESCRIPTION = 1000, 9_999_999
_COUNT_TOLERANCE = 1e-6  # the number of particles written is a float32


@dataclass(frozen=True)
class Particles:
    """Some particles of a shower.

    Attributes
    ----------
    words
        Shape (n, 7) or, thinned, (n, 8): description, px, py, pz (GeV/c, z downwards), x, y (cm), t (ns), weight.
    code, species, level
        Shape (n,): CORSIKA's particle code, position in `cascada.physics.particles.SPECIES`, observation level.
    """

    words: NDArray[np.float32]
    code: NDArray[np.int32]
    species: NDArray[np.uint8]
    level: NDArray[np.int8]

    @property
    def weight(self) -> NDArray[np.float32]:
        return self.words[:, 7] if self.words.shape[1] == 8 else np.ones(len(self.words), np.float32)

    def at_ground(self, shower: Shower) -> GroundParticles:
        """Choose those at the lowest observation level."""
        chosen = slice(None) if shower.levels == 1 else self.level == shower.ground
        return GroundParticles(
            species=self.species[chosen],
            weight=self.weight[chosen].astype(np.float64),
            x_m=self.words[chosen, 4] * np.float64(0.01),
            y_m=self.words[chosen, 5] * np.float64(0.01),
            t_ns=self.words[chosen, 6].astype(np.float64),
        )


def read_particles(path: Path) -> Iterator[tuple[Shower, Particles | ShowerEnd]]:
    """Read a file shower by shower, each in bounded pieces.

    Rows with negative descriptions (mothers and grandmothers, option EHISTORY) and those about the origin or the end of
    muons are no particles and left out.

    Yields
    ------
    tuple
        A shower with some of its particles, any number of times, then once with its end.

    Raises
    ------
    SourceError
        While iterating: if the file is truncated, damaged or no CORSIKA 7 particle file, or a particle is unknown.
    """
    particles = rows = 0
    for shower, part in read_showers(path):
        if isinstance(part, ShowerEnd):
            _check_count(shower, part.particles, particles, rows)
            particles = rows = 0
            yield shower, part
        else:
            chosen = _select(part, shower)
            particles += len(chosen.code)
            rows += int(np.count_nonzero(part[:, 0]))
            yield shower, chosen


def _check_count(shower: Shower, written: int, particles: int, rows: int) -> None:
    # Whether rows of bookkeeping count as written depends on the options of the run.
    slack = _COUNT_TOLERANCE * written
    if not particles - slack <= written <= rows + slack:
        raise SourceError(
            "the particles of a shower are not as many as its end says",
            where=shower.where,
            expected=f"{written} particles",
            got=f"{particles}",
            hint="part of the file is missing or doubled: copy it again",
        )


def _select(rows: NDArray[np.float32], shower: Shower) -> Particles:
    _check_finite(rows, shower)
    number = _descriptions(rows, shower)
    words, number = _where(number > 0, rows, number)
    code = number // 1000
    species = species_of_corsika(code)
    unknown = species == UNKNOWN
    if unknown.any():
        raise _bad_rows(unknown, words, shower, "a particle has a code that CORSIKA 7 does not know")
    words, number, code, species = _where(species != BOOKKEEPING, words, number, code, species)
    # The tenth level has no digit of its own.
    level = number % 10
    chosen = Particles(words, code, species, np.where(level == 0, 10, level).astype(np.int8))
    _check_rows(chosen, shower)
    return chosen


def _where(chosen: NDArray[np.bool_], *arrays: Any) -> tuple[Any, ...]:
    return arrays if chosen.all() else tuple(array[chosen] for array in arrays)


def _check_finite(rows: NDArray[np.float32], shower: Shower) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        total = rows.sum()
    if np.isfinite(total):  # no NaN and no infinity can be among the terms
        return
    bad = np.asarray(~np.isfinite(rows).all(axis=1))
    if bad.any():
        raise _bad_rows(bad, rows, shower, "a row of particles holds NaN or infinity")


def _descriptions(rows: NDArray[np.float32], shower: Shower) -> NDArray[np.int32]:
    with np.errstate(invalid="ignore"):
        number = rows[:, 0].astype(np.int32)
    size = np.abs(number)
    odd = (number != rows[:, 0]) | (size < _SMALLEST_DESCRIPTION) | (size > _LARGEST_DESCRIPTION)
    if odd.any():
        odd &= rows.any(axis=1)  # zeros fill up the last sub-block
        if odd.any():
            raise _bad_rows(odd, rows, shower, "a row has no particle description: these may be Cherenkov photons")
    return number


def _check_rows(particles: Particles, shower: Shower) -> None:
    beyond = particles.level > shower.levels
    if beyond.any():
        raise _bad_rows(
            beyond, particles.words, shower, f"a particle is at none of the {shower.levels} observation levels"
        )
    weightless = particles.weight <= 0
    if weightless.any():
        raise _bad_rows(weightless, particles.words, shower, "a particle has a weight that is not positive")


def _bad_rows(bad: NDArray[np.bool_], rows: NDArray[np.float32], shower: Shower, what: str) -> SourceError:
    first = rows[np.flatnonzero(bad)[0]]
    return SourceError(
        what,
        where=shower.where,
        expected="description (code * 1000 + generation * 10 + level), px, py, pz, x, y, t and, if thinned, weight",
        got=f"{np.count_nonzero(bad)} such rows, the first is {', '.join(f'{value:g}' for value in first)}",
        hint="copy the file again; photons of CERnnnnnn files are not supported",
    )
