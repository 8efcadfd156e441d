"""Standardisation of features: one scaling for all classes, from the training partition alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cascada.errors import InvalidDataError


class Scaling(BaseModel):
    """``(x - mean) / scale`` per feature; both of length (number of features)."""

    model_config = ConfigDict(frozen=True)

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise, shape (n, features)."""
        mean, scale = np.array(self.mean, np.float32), np.array(self.scale, np.float32)
        return np.asarray((features - mean) / scale, dtype=np.float32)


def fit_scaling(features: NDArray[np.float32], names: tuple[str, ...]) -> Scaling:
    """Measure mean and standard deviation of each feature.

    Parameters
    ----------
    features
        Training partition, shape (n, features).
    names
        Names of the features, for messages.

    Raises
    ------
    InvalidDataError
        If a feature is not finite or is constant.
    """
    wide = features.astype(np.float64)
    for index, name in enumerate(names):
        if not np.isfinite(wide[:, index]).all():
            raise InvalidDataError(
                f"feature {name!r} is not finite for every shower", hint="check its columns in the snapshot"
            )
    scale = wide.std(axis=0)
    for name, value in zip(names, scale, strict=True):
        if np.float32(value) == 0.0:
            raise InvalidDataError(f"feature {name!r} is constant", hint="leave it out of `features`")
    return Scaling(mean=tuple(wide.mean(axis=0).tolist()), scale=tuple(scale.tolist()))


def check_scaled(scaled: NDArray[np.float32], names: tuple[str, ...], *, partition: str) -> None:
    """Check that standardised features can be computed with.

    Parameters
    ----------
    scaled
        Shape (n, features).
    names, partition
        For messages.

    Raises
    ------
    InvalidDataError
        If one is not finite: standardisation is in float32, whose largest value is 3.4e38.
    """
    for name, bad in zip(names, (~np.isfinite(scaled)).sum(axis=0), strict=True):
        if bad:
            raise InvalidDataError(
                f"feature {name!r} is not finite after standardisation", where=f"the {partition} partition",
                expected="finite values below 3.4e38", got=f"{bad} of {scaled.shape[0]} showers are not",
                hint="take its logarithm, or check its unit",
            )  # fmt: skip
