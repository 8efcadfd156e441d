"""All randomness of a run from one root seed."""

from __future__ import annotations

import zlib

import numpy as np


def _stream(root: int, name: str, *, block: int | None) -> np.random.SeedSequence:
    key = (zlib.crc32(name.encode()),) if block is None else (zlib.crc32(name.encode()), block)
    return np.random.SeedSequence(root, spawn_key=key)


def generator(root: int, name: str, *, block: int | None = None) -> np.random.Generator:
    """Make the generator of a named stream: independent of every other name and block (NumPy SeedSequence, PCG64)."""
    return np.random.Generator(np.random.PCG64(_stream(root, name, block=block)))


def integer_seed(root: int, name: str) -> int:
    """Make a 32-bit seed for libraries that take an integer.

    Examples
    --------
    >>> integer_seed(1, "torch") == integer_seed(1, "torch") != integer_seed(2, "torch")
    True
    """
    return int(_stream(root, name, block=None).generate_state(1)[0])


def library_seeds(root: int) -> dict[str, int]:
    """Derive a seed for each library with global random state, 32 bits each (what NumPy's takes at most)."""
    return {name: integer_seed(root, name) for name in ("python", "numpy", "torch", "tensorflow", "hash")}
