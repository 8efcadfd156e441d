"""Traces: Poisson numbers, arrival times, and the shape that is measured."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, lognorm

from cascada.physics.stations import EM_PARTICLE_VEM, Expected
from cascada.physics.traces import (
    BIN_NS,
    draw_counts,
    draw_traces,
    from_start,
    median_arrival_ns,
    shape_of,
    start_bins,
)

SIZE = 4000
BINS = 400


def expected(
    muons: float, em: float, distance_m: float = 1000.0, beyond_g_cm2: float = 300.0, size: int = SIZE
) -> Expected:
    return Expected(*(np.full(size, value) for value in (muons, em, 1.1, distance_m, beyond_g_cm2)))


# 240 particles are drawn one by one, 260 bin by bin.
@pytest.mark.parametrize("mean", [3.0, 240.0, 260.0, 5000.0])
def test_numbers_are_poisson_and_times_log_normal(mean: float) -> None:
    later = np.full(SIZE, 40.0)
    counts = draw_counts(np.full(SIZE, mean), np.full(SIZE, 200.0), later, BINS, np.random.default_rng(3))
    total = counts.sum(axis=1)
    assert total.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / SIZE))
    assert total.var() == pytest.approx(mean, rel=0.12)
    share = counts.sum(axis=0) / counts.sum()
    truth = np.diff(lognorm(0.7, scale=200.0).cdf(BIN_NS * np.arange(BINS + 1) - 40.0))
    # chi2 of the histogram of all arrivals, over the bins that hold enough of them
    filled = truth * counts.sum() > 20
    chi2 = np.sum((share - truth)[filled] ** 2 / truth[filled]) * counts.sum()
    assert chi2 < filled.sum() + 5 * np.sqrt(2 * filled.sum())


def test_both_ways_of_drawing_are_the_same_process() -> None:
    def first_arrivals(mean: float, seed: int) -> np.ndarray:
        counts = draw_counts(
            np.full(SIZE, mean), np.full(SIZE, 300.0), np.zeros(SIZE), BINS, np.random.default_rng(seed)
        )
        return np.argmax(counts > 0, axis=1) + np.random.default_rng(seed + 9).random(SIZE)

    assert kstest(first_arrivals(249.9, 1), first_arrivals(250.1, 2)).pvalue > 1e-3


def test_signals_have_the_expected_mean_and_scatter() -> None:
    signal = draw_traces(expected(50.0, 960.0), BINS, np.random.default_rng(1)).sum(axis=1)
    assert signal.mean() == pytest.approx(50.0 * 1.1 + 960.0 / 24.0, rel=0.01)
    # muons: 50 x 1.1^2 (1 + 0.15^2); electromagnetic: 960 / 24^2; calibration: 3 % of the whole
    variance = 50.0 * 1.21 * (1 + 0.15**2) + 960.0 * EM_PARTICLE_VEM**2 + (0.03 * 95.0) ** 2
    assert signal.var() == pytest.approx(variance, rel=0.12)


def test_muons_scatter_one_by_one() -> None:
    # Ten thousand muons in a handful of bins: 15 % each is 0.15 % of the whole, besides their Poisson number.
    bright = expected(10_000.0, 0.0, distance_m=1.0)
    relative = draw_traces(bright, BINS, np.random.default_rng(1)).sum(axis=1) / 11_000.0
    assert relative.std() == pytest.approx(np.sqrt(0.03**2 + (1 + 0.15**2) / 10_000.0), rel=0.06)


def test_traces_are_never_negative_and_empty_without_particles() -> None:
    assert draw_traces(expected(2.0, 30.0), BINS, np.random.default_rng(1)).min() >= 0.0
    assert not draw_traces(expected(0.0, 0.0, size=3), BINS, np.random.default_rng(1)).any()


def test_particles_come_later_far_away_and_earlier_in_old_showers() -> None:
    near, far = (median_arrival_ns(np.array([r]), np.array([300.0])) for r in (500.0, 1500.0))
    young, old = (median_arrival_ns(np.array([1000.0]), np.array([d])) for d in (100.0, 800.0))
    for component in (0, 1):
        assert near[component] < far[component]
        assert old[component] < young[component]
    assert (near[0] < near[1]).all()
    # 50 + 140 (1 - 0.06) ns at 750 m, as published
    assert median_arrival_ns(np.array([750.0]), np.array([300.0]))[0] == pytest.approx(181.6)


def test_iron_rises_earlier_than_protons() -> None:
    # At 10 EeV and 38 degrees, 1000 m: more muons, and 95 g/cm2 more behind the maximum.
    proton = shape_of(draw_traces(expected(14.0, 650.0, beyond_g_cm2=325.0), 120, np.random.default_rng(1)))
    iron = shape_of(draw_traces(expected(19.0, 650.0, beyond_g_cm2=420.0), 120, np.random.default_rng(2)))
    rises = [shape.rise_time_ns for shape in (iron, proton)]
    error = np.hypot(*(values.std() / np.sqrt(SIZE) for values in rises))
    assert rises[1].mean() - rises[0].mean() > 3 * error
    # Auger: some 300 ns for vertical showers at 1000 m
    assert 200.0 < rises[1].mean() < 350.0


def test_the_shape_of_a_box_is_known() -> None:
    trace = np.zeros((3, 40), dtype=np.float32)
    trace[0, 5:25] = 2.0  # 500 ns long
    trace[1, 7] = 3.0
    shape = shape_of(trace)
    assert shape.rise_time_ns[:2] == pytest.approx([0.4 * 500.0, 0.4 * 25.0])
    assert shape.fall_time_ns[:2] == pytest.approx([0.4 * 500.0, 0.4 * 25.0])
    assert shape.area_over_peak_ns[:2] == pytest.approx([500.0, 25.0])
    assert np.isnan([shape.rise_time_ns[2], shape.area_over_peak_ns[2]]).all()


def test_shapes_do_not_depend_on_the_size_of_the_signal_or_its_start() -> None:
    trace = draw_traces(expected(30.0, 500.0, size=50), 100, np.random.default_rng(1))
    padded = np.concatenate([np.zeros((50, 7), dtype=np.float32), 4.0 * trace], axis=1)
    for name, values in vars(shape_of(trace)).items():
        assert getattr(shape_of(padded), name) == pytest.approx(values, rel=1e-5)


def test_a_trace_begins_with_its_start() -> None:
    trace = np.zeros((2, 6), dtype=np.float32)
    trace[0] = [0.0, 0.05, 0.3, 1.0, 0.2, 0.4]
    start = start_bins(trace)
    assert start.tolist() == [2, 0]
    assert from_start(trace, start)[0].tolist() == pytest.approx([0.3, 1.0, 0.2, 0.4, 0.0, 0.0])
