"""Two files as numbers: whether they say the same within a tolerance.

Text (CSV, JSON, tables, reports) is the same when the text between the numbers is equal, the whole numbers are equal,
and every other number is within the tolerance. Arrays (``.npy``) are the same when type, shape and whole numbers are
equal and every other number is within it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_MAX_BYTES = 64 * 2**20  # what is larger is judged by its hash

Allows = Callable[[float, float], bool]


class Incomparable(Exception):  # noqa: N818 - an answer, not an error
    """The files are no numbers that can be put side by side; the argument says why."""


def compare_numbers(original: Path, replay: Path, allows: Allows) -> str:
    """Compare two files as numbers.

    Parameters
    ----------
    allows
        Tells whether a replayed number is near enough to a recorded one.

    Returns
    -------
    str
        Empty when all is within the tolerance, else the first thing that is not.

    Raises
    ------
    Incomparable
        If the files are neither text nor arrays, or are larger than 64 MiB.
    """
    if max(original.stat().st_size, replay.stat().st_size) > _MAX_BYTES:
        raise Incomparable("larger than 64 MiB")
    if original.suffix == ".npy":
        return _compare_arrays(original, replay, allows)
    try:
        one, other = (path.read_bytes().decode("utf-8") for path in (original, replay))
    except UnicodeDecodeError as error:
        raise Incomparable("neither text nor an array") from error
    return _compare_texts(one, other, allows)


def _compare_texts(one: str, other: str, allows: Allows) -> str:
    if _NUMBER.split(one) != _NUMBER.split(other):
        return "the text between the numbers differs"
    found = zip(_NUMBER.finditer(one), _NUMBER.finditer(other), strict=True)
    pairs = ((a, b[0]) for a, b in found if a[0] != b[0])
    far = next(((a, b) for a, b in pairs if not _near(a[0], b, allows)), None)
    if far is None:
        return ""
    return f"line {one.count(chr(10), 0, far[0].start()) + 1}: {far[0][0]} became {far[1]}"


def _near(one: str, other: str, allows: Allows) -> bool:
    whole = one.lstrip("+-").isdigit() and other.lstrip("+-").isdigit()
    return not whole and allows(float(one), float(other))


def _compare_arrays(original: Path, replay: Path, allows: Allows) -> str:
    import numpy as np

    try:
        one, other = (np.load(path, allow_pickle=False) for path in (original, replay))
    except ValueError as error:
        raise Incomparable("an array of objects") from error
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return f"{one.dtype} {one.shape} became {other.dtype} {other.shape}"
    if one.dtype.kind != "f":
        return "" if np.array_equal(one, other) else f"the {one.dtype} values differ"
    differing: Iterable[tuple[int, ...]] = zip(*np.nonzero(one != other), strict=True)
    for place in differing:
        if not allows(float(one[place]), float(other[place])):
            return f"at {tuple(map(int, place))}: {one[place]!r} became {other[place]!r}"
    return ""
