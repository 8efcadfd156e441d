"""Standardisation: what it makes, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from cascada.errors import InvalidDataError
from cascada.training.scaling import check_scaled, fit_scaling

NAMES = ("a", "b", "c")


def features(rows: int = 300) -> NDArray[np.float32]:
    """Three columns with units of their own."""
    numbers = np.random.default_rng(1).standard_normal((rows, 3))
    return (numbers * [1.0, 100.0, 0.01] + [0.0, 5e3, 2.0]).astype(np.float32)


def test_scaling_standardises() -> None:
    scaled = fit_scaling(features(), NAMES).apply(features())
    assert scaled.dtype == np.float32
    assert scaled.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-4)
    assert scaled.std(axis=0) == pytest.approx(np.ones(3), rel=1e-4)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_feature_that_is_not_finite_is_refused_by_name(value: float) -> None:
    table = features(30)
    table[17, 1] = value
    with pytest.raises(InvalidDataError, match="'b' is not finite"):
        fit_scaling(table, NAMES)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e7])
def test_a_constant_feature_is_refused_by_name(value: float) -> None:
    table = features(1001)
    table[:, 2] = value
    with pytest.raises(InvalidDataError, match="'c' is constant"):
        fit_scaling(table, NAMES)


def test_a_spread_that_float32_cannot_hold_counts_as_constant() -> None:
    table = features()
    table[:, 0] = 0.0
    table[0, 0] = 1e-45  # the smallest number of float32; the standard deviation is a 17th of it
    with pytest.raises(InvalidDataError, match="'a' is constant"):
        fit_scaling(table, NAMES)


def test_what_is_not_finite_once_standardised_is_named() -> None:
    scaling = fit_scaling(features(), NAMES)
    table = features()
    table[:7, 2] = 3e38
    with np.errstate(over="ignore"), pytest.raises(InvalidDataError, match="'c' is not finite after") as caught:
        check_scaled(scaling.apply(table), NAMES, partition="validation")
    assert "validation" in caught.value.where
    assert caught.value.got == "7 of 300 showers are not"
    check_scaled(scaling.apply(features()), NAMES, partition="validation")
