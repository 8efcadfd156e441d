"""What a feature is: a named function of the observables, and the columns that it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Observables = Mapping[str, Floats]
"""Column name -> shape (n,), float64, in canonical units."""


@dataclass(frozen=True)
class Feature:
    """A feature and the columns of the shower table that it is computed from."""

    compute: Callable[[Observables], Floats]
    columns: tuple[str, ...]
