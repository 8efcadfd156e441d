"""Temperature scaling: known temperatures come back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from cascada.training.calibration import fit_temperature


def showers(rows: int, *, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits, and labels drawn from their softmax."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * rng.standard_normal((rows, 4))
    cumulated = softmax(logits, axis=1).cumsum(axis=1)
    return logits, (rng.random((rows, 1)) > cumulated).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.2, 0.5, 1.0, 3.0, 40.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    logits, labels = showers(40_000, seed=1)
    assert fit_temperature(temperature * logits[None], labels) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_minimises_the_log_loss_of_the_mean_of_several_networks() -> None:
    logits, labels = showers(4000, seed=2)
    several = 3.0 * np.stack(
        [logits + 0.5 * np.random.default_rng(seed).standard_normal(logits.shape) for seed in (3, 4)]
    )

    def log_loss(temperature: float) -> float:
        share = softmax(several / temperature, axis=2).mean(axis=0)
        return float(-np.log(share[np.arange(labels.size), labels]).mean())

    found = fit_temperature(several, labels)
    grid = np.geomspace(found / 3, 3 * found, 201)
    assert log_loss(found) <= min(map(log_loss, grid)) + 1e-9


def test_a_ranking_of_classes_is_left_alone() -> None:
    logits, labels = showers(1000, seed=5)
    scaled = logits / fit_temperature(7.0 * logits[None], labels)
    assert np.array_equal(np.argsort(scaled, axis=1), np.argsort(logits, axis=1))


def test_logits_that_are_always_right_or_always_wrong_give_a_temperature_within_bounds() -> None:
    logits = np.eye(3)[np.arange(30) % 3][None]
    assert 1e-3 <= fit_temperature(logits, np.arange(30) % 3) < 0.1
    assert 10.0 < fit_temperature(logits, (np.arange(30) + 1) % 3) <= 1e3
