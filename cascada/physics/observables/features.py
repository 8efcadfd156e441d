"""Features by name, and the matrix that models see."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cascada.errors import ConfigError, nearest
from cascada.physics.columns import COLUMNS, OBSERVABLES, Role
from cascada.physics.observables.events import EVENT_FEATURES
from cascada.physics.observables.feature import Feature, Floats, Observables
from cascada.physics.observables.images import IMAGE_FEATURES
from cascada.physics.observables.showers import SHOWER_FEATURES

FEATURES = {**SHOWER_FEATURES, **EVENT_FEATURES, **IMAGE_FEATURES}
"""Every computed feature; columns with role ``observable`` are features, too, under their own names."""

_REFUSED: dict[Role, str] = {
    "truth": "is what only the simulation knows",
    "label": "is the answer",
    "id": "numbers the rows, and a number may hold the answer",
    "group": "tells which rows belong together, and may hold the answer",
    "domain": "names the conditions of a simulation, which nature does not tell",
    "weight": "says how much a row counts",
}


def find_feature(name: str) -> Feature:
    """Look a feature up by its name, or by the name of an observable column.

    Raises
    ------
    ConfigError
        If there is no such feature, or if it is a column that a model must not see: truth, label, id, group, domain
        or weight.
    """
    if name in FEATURES:
        return FEATURES[name]
    column = COLUMNS.get(name)
    if column is None:
        raise ConfigError(f"unknown feature {name!r}", hint=nearest(name, (*FEATURES, *OBSERVABLES)))
    if column.role != "observable":
        raise ConfigError(
            f"{name!r} cannot be a feature: it {_REFUSED[column.role]}",
            expected="a feature of cascada.physics.observables, or a column with role observable",
            got=f"a column with role {column.role}: {column.description}",
            hint=nearest(name, (*FEATURES, *OBSERVABLES)),
        )
    return Feature(functools.partial(_take, name), (name,))


def _take(name: str, observables: Observables) -> Floats:
    return observables[name]


def required_columns(features: Sequence[str]) -> tuple[str, ...]:
    """List the columns that features are computed from, sorted.

    Raises
    ------
    ConfigError
        If a feature is unknown, or a model must not see it.
    """
    return tuple(sorted({column for name in features for column in find_feature(name).columns}))


def feature_matrix(observables: Observables, features: Sequence[str]) -> NDArray[np.float32]:
    """Compute features: shape (n, number of features), float32 as the model takes them.

    Raises
    ------
    ConfigError
        If a feature is unknown, or a model must not see it.
    """
    return np.stack([find_feature(name).compute(observables) for name in features], axis=1).astype(np.float32)
