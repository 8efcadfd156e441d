"""What all baselines have in common: a scaling in front of an estimator, on a fixed number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascada.training.scaling import Scaling

Features = NDArray[np.float32]
Floats = NDArray[np.float64]


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Hold OpenMP and linear algebra to a number of threads: the last digits of sums depend on it."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        yield


@dataclass(frozen=True)
class Estimator:
    """A fitted estimator.

    Attributes
    ----------
    scaling, threads
        What it was fitted with.
    evaluate
        Takes standardised features.
    """

    scaling: Scaling
    threads: int
    evaluate: Callable[[Features], Any]

    def apply(self, features: Features) -> Floats:
        """Standardise features and evaluate them, in float64."""
        with limited(self.threads):
            return np.asarray(self.evaluate(self.scaling.apply(features)), np.float64)
