"""ln A and its uncertainty, and the bias and resolution of the estimate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cascada.evaluation.mass import mean_and_deviation, measure_mass
from cascada.evaluation.metrics import Resampling
from cascada.evaluation.predictions import ln_mass_sigma, mean_ln_mass

CLASSES = ("photon", "p", "Fe")
LN_IRON = math.log(56)
SHARE = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])


def test_the_photon_has_no_say_in_ln_mass() -> None:
    assert mean_ln_mass(SHARE, CLASSES) == pytest.approx([0.0, LN_IRON, LN_IRON / 2, LN_IRON / 2])
    assert ln_mass_sigma(SHARE, CLASSES) == pytest.approx([0.0, 0.0, LN_IRON / 2, LN_IRON / 2], abs=1e-12)


def test_sigma_is_that_of_three_masses() -> None:
    share = np.array([[0.2, 0.3, 0.5]])
    ln_mass = np.log([1, 4, 56])
    mean = float(share[0] @ ln_mass)
    expected = math.sqrt(float(share[0] @ (ln_mass - mean) ** 2))
    assert ln_mass_sigma(share, ("p", "He", "Fe")) == pytest.approx([expected])


def test_bias_and_resolution_by_hand() -> None:
    share = np.array([[0.0, 1.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    made = measure_mass(share, np.array([1, 1, 2, 2]), CLASSES, Resampling(np.arange(4), np.random.default_rng(0)))
    named = {metric.name: metric for metric in made}
    assert named["ln_mass_bias_p"].value == pytest.approx(LN_IRON / 4)
    assert named["ln_mass_resolution_p"].value == pytest.approx(LN_IRON / 4)
    assert (named["ln_mass_bias_Fe"].value, named["ln_mass_resolution_Fe"].value) == pytest.approx((0.0, 0.0))
    assert named["ln_mass_coverage_2_sigma"].value == 1.0, "ln A = 0 is one sigma from ln 56 / 2"
    assert named["ln_mass_bias_p"].n == 2
    assert not any("photon" in name for name in named)


def test_too_sure_an_estimate_does_not_cover() -> None:
    share = np.array([[0.0, 0.01, 0.99]] * 3 + [[0.0, 0.6, 0.4]])
    labels = np.array([1, 2, 2, 1])
    made = measure_mass(share, labels, CLASSES, Resampling(np.arange(4), np.random.default_rng(0)))
    assert made[-1].value == pytest.approx(0.75)


def test_data_without_nuclei_have_no_mass() -> None:
    share = np.full((4, 2), 0.5)
    labels = np.array([0, 1, 0, 1])
    for classes in (("photon", "hadron"), ("photon", "p")):
        assert measure_mass(share, labels, classes, Resampling(labels, np.random.default_rng(0))) == []
    assert math.isnan(mean_and_deviation(np.ones(2), np.zeros(2))[0])
