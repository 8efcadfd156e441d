"""A writer of CORSIKA 7 particle files of any content: plain or thinned, with Fortran record markers or without."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import zstandard
from numpy.typing import NDArray

Rows = NDArray[np.float32]

PLAIN, THINNED = 273, 312
EMPTY: Rows = np.zeros((0, 7), np.float32)


@dataclass
class Shower:
    """A shower to write; lengths in cm, angles in rad, energies in GeV, as CORSIKA has them."""

    event: int = 1
    primary: int = 14
    energy: float = 1e6
    zenith: float = 0.0
    azimuth: float = 0.0
    first_interaction: float = 2.5e6
    model: int = 3
    heights: Sequence[float] = (140_000.0,)
    rows: Rows = field(default_factory=lambda: EMPTY)
    fit: Sequence[float] = (0.0,) * 6
    long_blocks: int = 0
    written: int | None = None
    run: int | None = None
    words: dict[int, float] = field(default_factory=dict)
    """Further words of the event header, by their number in the guide."""


def particles(
    code: NDArray[np.int64] | Sequence[int],
    *,
    generation: int = 1,
    level: NDArray[np.int64] | int = 1,
    **columns: object,
) -> Rows:
    """Make rows of particles: columns px, py, pz, x, y, t and, thinned, weight; zero where not given."""
    codes = np.asarray(code)
    rows = np.zeros((len(codes), 8 if "weight" in columns else 7), np.float32)
    rows[:, 0] = codes * 1000 + generation * 10 + level
    for name, position in (("px", 1), ("py", 2), ("pz", 3), ("x", 4), ("y", 5), ("t", 6), ("weight", 7)):
        if name in columns:
            rows[:, position] = columns[name]
    return rows


def blocks(
    showers: Sequence[Shower], *, thinned: bool = False, run: int = 1, version: float = 7.75, counted: int | None = None
) -> Rows:
    """Lay a run out in sub-blocks, shape (n, 273) or (n, 312)."""
    words = THINNED if thinned else PLAIN
    laid = [_header("RUNH", words, {2: run, 4: version, 5: 1, 93: len(showers)})]
    for shower in showers:
        laid += [_event_header(shower, words, run, version), *_data(shower, words), _event_end(shower, words)]
    laid.append(_header("RUNE", words, {2: run, 3: len(showers) if counted is None else counted}))
    return np.concatenate(laid)


def pack(laid: Rows, *, fortran: bool = True) -> bytes:
    """Turn sub-blocks into the bytes of a file; the last record is filled up with zeros."""
    if not fortran:
        return laid.tobytes()
    words = laid.shape[1]
    records = np.zeros((-(-len(laid) // 21), 21 * words + 2), np.float32)
    padded = np.zeros((len(records) * 21, words), np.float32)
    padded[: len(laid)] = laid
    records[:, 1:-1] = padded.reshape(len(records), -1)
    records.view(np.uint32)[:, [0, -1]] = 4 * 21 * words
    return records.tobytes()


def encode(showers: Sequence[Shower], *, fortran: bool = True, **run: object) -> bytes:
    """Turn showers into the bytes of a file."""
    return pack(blocks(showers, **run), fortran=fortran)  # type: ignore[arg-type]


def write(path: Path, content: bytes) -> Path:
    """Write a file, compressed if its name says so."""
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".zst":
        content = zstandard.compress(content)
    path.write_bytes(content)
    return path


def _header(tag: str, words: int, values: dict[int, float]) -> Rows:
    block = np.zeros((1, words), np.float32)
    block.view("S4")[0, 0] = tag.encode()
    for position, value in values.items():
        block[0, position - 1] = value
    return block


def _event_header(shower: Shower, words: int, run: int, version: float) -> Rows:
    values: dict[int, float] = {
        2: shower.event, 3: shower.primary, 4: shower.energy, 7: shower.first_interaction, 11: shower.zenith,
        12: shower.azimuth, 13: 1, 14: run * 1000 + shower.event, 44: run if shower.run is None else shower.run,
        46: version, 47: len(shower.heights), 75: 1, 76: shower.model,
    }  # fmt: skip
    values |= {48 + position: height for position, height in enumerate(shower.heights)}
    return _header("EVTH", words, values | shower.words)


def _data(shower: Shower, words: int) -> list[Rows]:
    width = words // 39
    rows = np.zeros((-(-len(shower.rows) // 39) * 39, width), np.float32)
    rows[: len(shower.rows), : shower.rows.shape[1]] = shower.rows
    profile = [
        _header("LONG", words, {2: shower.event, 5: 2600 + shower.long_blocks}) for _ in range(shower.long_blocks)
    ]
    return [rows.reshape(-1, words), *profile]


def _event_end(shower: Shower, words: int) -> Rows:
    written = np.isin(shower.rows[:, 0] // 1000, (75, 76, 85, 86, 95, 96), invert=True) & (shower.rows[:, 0] > 0)
    count = int(np.count_nonzero(written)) if shower.written is None else shower.written
    fit = {256 + position: value for position, value in enumerate(shower.fit)}
    return _header("EVTE", words, {2: shower.event, 7: count, **fit})
