"""The domain of a model: the ranges of the observables that it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float64]


class Domain(BaseModel):
    """Closed ranges of observables; outside of them a model extrapolates.

    Attributes
    ----------
    ranges
        Lowest and highest value seen of each observable, in its canonical unit.
    """

    model_config = ConfigDict(frozen=True)

    ranges: dict[str, tuple[float, float]] = Field(min_length=1)

    def contains(self, observables: Mapping[str, Floats]) -> NDArray[np.bool_]:
        """Tell which showers lie in the range of every observable, shape (n,); NaN lies in none.

        Parameters
        ----------
        observables
            Column name to values of shape (n,); columns that the domain does not name have no say.
        """
        inside = [(observables[name] >= low) & (observables[name] <= high) for name, (low, high) in self.ranges.items()]
        together: NDArray[np.bool_] = np.logical_and.reduce(inside)
        return together


def fit_domain(observables: Mapping[str, Floats]) -> Domain:
    """Measure the ranges of observables.

    Parameters
    ----------
    observables
        Of the training partition: column name to values of shape (n,), n > 0; values that are not finite are passed
        over.
    """
    ranges = {}
    for name, values in observables.items():
        finite = values[np.isfinite(values)]
        ranges[name] = (float(finite.min()), float(finite.max()))
    return Domain(ranges=ranges)
