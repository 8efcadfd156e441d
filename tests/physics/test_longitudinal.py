"""The depth of maximum of profiles that are known."""

from __future__ import annotations

import numpy as np
import pytest

from cascada.physics.longitudinal import Floats, depth_of_maximum

DEPTH = np.arange(0.0, 2000.0, 10.0)


def gaisser_hillas(xmax: float, *, start: float = -50.0, scale: float = 70.0) -> Floats:
    rise = np.maximum((DEPTH - start) / (xmax - start), 1e-12)
    return 1e9 * rise ** ((xmax - start) / scale) * np.exp((xmax - DEPTH) / scale)


@pytest.mark.parametrize("xmax", [300.0, 455.0, 601.0, 758.6, 880.0, 1012.0])
def test_gaisser_hillas_profiles_have_their_maximum(xmax: float) -> None:
    assert depth_of_maximum(DEPTH, gaisser_hillas(xmax)) == pytest.approx(xmax, abs=2.0)


@pytest.mark.parametrize("xmax", np.arange(400.0, 1000.0, 25.0).tolist())
def test_a_gaussian_has_its_maximum_exactly(xmax: float) -> None:
    assert depth_of_maximum(DEPTH, np.exp(-(((DEPTH - xmax) / 180) ** 2) / 2)) == pytest.approx(xmax, abs=1e-6)


def test_size_and_origin_do_not_matter() -> None:
    profile = gaisser_hillas(700)
    found = depth_of_maximum(DEPTH, profile)
    assert depth_of_maximum(DEPTH, 1e-6 * profile) == pytest.approx(found)
    assert depth_of_maximum(DEPTH + 100, profile) == pytest.approx(found + 100)


def test_the_ground_may_cut_the_tail_but_not_the_maximum() -> None:
    profile = gaisser_hillas(800)
    assert depth_of_maximum(DEPTH[:87], profile[:87]) == pytest.approx(800, abs=3)
    assert depth_of_maximum(DEPTH[:70], profile[:70]) is None


def test_a_ragged_profile_is_smoothed() -> None:
    rng = np.random.default_rng(4)
    found = [depth_of_maximum(DEPTH, rng.poisson(1e-6 * gaisser_hillas(700)).astype(float)) for _ in range(50)]
    assert np.mean(found) == pytest.approx(700, abs=3)
    assert np.std(found) < 8


@pytest.mark.parametrize("profile", [[], [0, 0, 0, 0, 0, 0], [1, 2], [0, 0, 5, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8]])
def test_without_a_maximum_inside_there_is_none(profile: list[float]) -> None:
    assert depth_of_maximum(10.0 * np.arange(len(profile)), np.array(profile, float)) is None
