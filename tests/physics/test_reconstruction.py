"""The reconstruction finds what it is given, and is as sharp as an array of this kind."""

from __future__ import annotations

import numpy as np
import pytest

from cascada.physics.array import Axes, distance_from_axis, station_positions
from cascada.physics.lateral import log_ldf
from cascada.physics.reconstruction import LDF_GAMMA, Reconstruction, attenuation, ldf_slope, reconstruct

SIZE = 200
POSITIONS = station_positions(1500.0, 2)


def perfect(rng: np.random.Generator) -> tuple[Axes, np.ndarray, np.ndarray]:
    """Axes, and signals and times without noise, of showers of S1000 = 50 VEM."""
    zenith, azimuth = np.radians(rng.uniform(5.0, 58.0, SIZE)), rng.uniform(0.0, 2.0 * np.pi, SIZE)
    axes = Axes(zenith, azimuth, *rng.uniform(-400.0, 400.0, (2, SIZE)))
    # The fit takes signals within 50 m of the axis as if they were at 50 m.
    distance = np.maximum(distance_from_axis(*axes.shower_plane(POSITIONS)), 50.0)
    signal = 50.0 * np.exp(log_ldf(distance, ldf_slope(axes.secant)[:, None], LDF_GAMMA))
    return axes, signal, axes.front_ns(POSITIONS)


def found(signal: np.ndarray, time: np.ndarray, seen: np.ndarray) -> Reconstruction:
    return reconstruct(signal, time, POSITIONS, seen=seen, saturated=np.zeros_like(seen))


@pytest.mark.parametrize("threshold", [0.0, 3.0])
def test_what_was_put_in_comes_out(threshold: float) -> None:
    axes, signal, time = perfect(np.random.default_rng(1))
    result = found(signal, time, signal > threshold)
    assert np.degrees(result.axes.zenith) == pytest.approx(np.degrees(axes.zenith), abs=0.05)
    turned = np.degrees(np.angle(np.exp(1j * (result.axes.azimuth - axes.azimuth)))) * np.sin(axes.zenith)
    assert turned == pytest.approx(0.0, abs=0.05)
    # the prior on the core pulls it a little towards the centre of the signals
    assert np.hypot(result.axes.core_x_m - axes.core_x_m, result.axes.core_y_m - axes.core_y_m).max() < 40.0
    assert result.s1000_vem == pytest.approx(50.0, rel=0.05)


def test_time_has_no_origin() -> None:
    _, signal, time = perfect(np.random.default_rng(2))
    seen = signal > 3.0
    shifted = time + np.random.default_rng(3).uniform(-1e6, 1e6, (SIZE, 1))
    assert found(signal, shifted, seen).axes.zenith == pytest.approx(found(signal, time, seen).axes.zenith, abs=1e-6)


def test_turning_the_sky_turns_the_answer() -> None:
    axes, _, _ = perfect(np.random.default_rng(4))
    answers = []
    for turn in (0.0, np.pi / 3.0):  # the array looks the same after 60 degrees
        x = axes.core_x_m * np.cos(turn) - axes.core_y_m * np.sin(turn)
        y = axes.core_x_m * np.sin(turn) + axes.core_y_m * np.cos(turn)
        turned = Axes(axes.zenith, axes.azimuth + turn, x, y)
        distance = distance_from_axis(*turned.shower_plane(POSITIONS))
        signal = 50.0 * np.exp(log_ldf(distance, ldf_slope(axes.secant)[:, None], LDF_GAMMA))
        answers.append(found(signal, turned.front_ns(POSITIONS), signal > 3.0))
    one, other = answers
    assert other.axes.zenith == pytest.approx(one.axes.zenith, abs=1e-7)
    assert other.s1000_vem == pytest.approx(one.s1000_vem, rel=1e-7)
    assert np.exp(1j * (other.axes.azimuth - one.axes.azimuth)) == pytest.approx(np.exp(1j * np.pi / 3.0), abs=1e-7)


def test_silent_and_saturated_stations_do_not_matter() -> None:
    _, signal, time = perfect(np.random.default_rng(5))
    seen = signal > 3.0
    plain = found(signal, time, seen)
    noise = np.random.default_rng(6).random(signal.shape)
    silent = found(np.where(seen, signal, noise), np.where(seen, time, np.nan), seen)
    assert np.array_equal(plain.s1000_vem, silent.s1000_vem)
    hot = np.zeros_like(seen)
    hot[:, 0] = True
    clipped = np.where(hot, np.minimum(signal, 100.0), signal)
    answer = reconstruct(clipped, time, POSITIONS, seen=seen, saturated=hot)
    enough = (seen & ~hot).sum(axis=1) >= 5
    assert answer.s1000_vem[enough] == pytest.approx(50.0, rel=0.15)


def test_the_energy_is_that_of_auger_at_38_degrees() -> None:
    zenith = np.radians(np.array([38.0, 60.0]))
    result = Reconstruction(Axes(zenith, *np.zeros((3, 2))), np.array([47.8, 47.8 * attenuation(zenith)[1]]))
    assert result.s38_vem == pytest.approx(47.8)
    assert result.energy_eev == pytest.approx(10.0, rel=0.01)
