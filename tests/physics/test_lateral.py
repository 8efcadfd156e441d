"""Lateral distributions, the geometry of array and tank, and the signals that follow from them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from cascada.physics.array import Axes, draw_axes, station_positions
from cascada.physics.lateral import em_density, log_ldf, muon_density, shower_age
from cascada.physics.primaries import find_primary
from cascada.physics.reconstruction import attenuation
from cascada.physics.showers import Showers, draw_showers
from cascada.physics.stations import (
    TANK_HEIGHT_M,
    TANK_RADIUS_M,
    Expected,
    expect,
    muon_signal_vem,
    tank_area_m2,
)

SIZE = 4000
AT = np.array


def integral(density: object) -> float:
    """Integrate a density over the shower plane, in ln r."""

    def shell(ln_distance: float) -> float:
        distance = AT([np.exp(ln_distance)])
        return float(2 * np.pi * density(distance)[0] * distance[0] ** 2)  # type: ignore[operator]

    return quad(shell, np.log(1e-4), np.log(1e7), limit=500, epsrel=1e-8)[0]


@pytest.mark.parametrize("age", [0.6, 0.8, 1.0, 1.2345, 1.5, 1.8])
def test_electromagnetic_particles_add_up(age: float) -> None:
    assert integral(lambda r: em_density(r, AT([3e10]), AT([age]))) == pytest.approx(3e10, rel=2e-3)


@pytest.mark.parametrize("secant", [1.0, 1.27, 1.613, 2.0])
def test_muons_add_up(secant: float) -> None:
    assert integral(lambda r: muon_density(r, AT([5e7]), AT([secant]))) == pytest.approx(5e7, rel=2e-3)


def test_the_age_is_1_at_the_maximum_and_grows() -> None:
    assert shower_age(AT([700.0, 1400.0, 350.0]), AT([700.0] * 3)) == pytest.approx([1.0, 1.5, 0.6])


def test_old_showers_and_inclined_muons_are_flatter() -> None:
    distance = AT([500.0, 1500.0])
    young, old = (em_density(distance, AT([1.0]), AT([age])) for age in (1.0, 1.4))
    assert old[1] / old[0] > young[1] / young[0]
    vertical, inclined = (muon_density(distance, AT([1.0]), AT([secant])) for secant in (1.0, 2.0))
    assert inclined[1] / inclined[0] > vertical[1] / vertical[0]


@pytest.mark.parametrize("zenith_deg", [0.0, 20.0, 38.0, 60.0, 85.0])
def test_a_muon_per_m2_leaves_10_vem_at_any_angle(zenith_deg: float) -> None:
    zenith = np.radians(AT([zenith_deg]))
    signal = tank_area_m2(zenith) * muon_signal_vem(zenith)
    assert signal == pytest.approx(np.pi * TANK_RADIUS_M**2)
    assert signal == pytest.approx(10.0, rel=0.02)


@pytest.mark.parametrize("zenith_deg", [0.0, 35.0, 60.0])
def test_area_and_track_are_those_of_rays_through_a_cylinder(zenith_deg: float) -> None:
    rng = np.random.default_rng(8)
    zenith, half = np.radians(zenith_deg), 3.0
    # Rays along (sin, 0, cos) through a plane across them; where each enters and leaves the tank.
    a, b = rng.uniform(-half, half, (2, 400_000))
    start = np.column_stack([a * np.cos(zenith), b, -a * np.sin(zenith)])
    run, rise = np.sin(zenith), np.cos(zenith)
    bottom, top = sorted(
        ((-TANK_HEIGHT_M / 2 - start[:, 2]) / rise, (TANK_HEIGHT_M / 2 - start[:, 2]) / rise), key=np.mean
    )
    inside = TANK_RADIUS_M**2 - start[:, 1] ** 2
    reach = np.sqrt(np.maximum(inside, 0.0))
    with np.errstate(divide="ignore"):
        enter, leave = (-reach - start[:, 0]) / run, (reach - start[:, 0]) / run
    if zenith_deg == 0.0:
        within = start[:, 0] ** 2 < inside
        enter, leave = np.where(within, -np.inf, np.inf), np.where(within, np.inf, -np.inf)
    track = np.where(inside > 0, np.minimum(top, leave) - np.maximum(bottom, enter), 0.0)
    hit = track > 0
    assert hit.mean() * (2 * half) ** 2 == pytest.approx(tank_area_m2(AT([zenith]))[0], rel=0.01)
    assert track[hit].mean() / TANK_HEIGHT_M == pytest.approx(muon_signal_vem(AT([zenith]))[0], rel=0.01)


def expected_at(primary: str, zenith_deg: float, distance_m: float, energy_eev: float = 10.0) -> Expected:
    """Stations upstream and downstream of vertical or inclined showers, in the shower plane."""
    zenith = np.full(SIZE, zenith_deg)
    showers = draw_showers(find_primary(primary), np.full(SIZE, energy_eev), zenith, np.random.default_rng(4))
    axes = Axes(np.radians(zenith), np.zeros(SIZE), np.zeros(SIZE), np.zeros(SIZE))
    along = distance_m / np.cos(np.radians(zenith_deg))
    return expect(showers, axes, AT([[along, 0.0], [-along, 0.0], [0.0, distance_m], [0.0, -distance_m]]))


def mean_signal(zenith_deg: float, distance_m: float = 1000.0) -> float:
    """Of protons and iron in equal parts."""
    return float(
        np.mean([np.exp(np.log(expected_at(p, zenith_deg, distance_m).signal_vem).mean()) for p in ("p", "Fe")])
    )


def test_10_eev_leave_48_vem_at_1000_m_and_38_degrees() -> None:
    # Auger: E = 1.86e17 eV S38^1.03 (arXiv:2008.06486), 47.8 VEM at 10 EeV. Simulations have fewer muons than nature.
    assert mean_signal(38.0) == pytest.approx(47.8, rel=0.15)


def test_signals_fall_with_the_zenith_angle_about_as_measured() -> None:
    # Auger's attenuation: 1 + 0.95 x - 1.64 x^2 - 1.42 x^3, x = cos^2 - cos^2(38 degrees): 1.05, 0.86 and 0.49.
    reference = mean_signal(38.0)
    ratios = [mean_signal(zenith) / reference for zenith in (0.0, 48.0, 60.0)]
    assert ratios == pytest.approx([1.05, 0.80, 0.49], abs=0.19)
    assert ratios == pytest.approx(attenuation(np.radians([0.0, 48.0, 60.0])), abs=0.04)


def test_the_lateral_distribution_is_about_as_steep_as_measured() -> None:
    # Auger at 38 degrees: beta = -2.2 or so, S falls as r^(beta (1 + 1000 / 1700)) at 1000 m.
    near, far = mean_signal(38.0, 900.0), mean_signal(38.0, 1100.0)
    assert np.log(far / near) / np.log(1100.0 / 900.0) == pytest.approx(-3.5, abs=0.5)


def test_iron_brings_more_muons() -> None:
    iron, proton = (expected_at(name, 38.0, 1000.0).muons.mean() for name in ("Fe", "p"))
    assert iron / proton == pytest.approx(1.35, abs=0.06)


def test_the_early_side_sees_more() -> None:
    upstream, downstream, left, right = expected_at("p", 45.0, 1000.0).signal_vem.mean(axis=0)
    # 1 +- 0.1 tan(45 degrees)
    assert [upstream / left, downstream / left] == pytest.approx([1.1, 0.9])
    assert left == pytest.approx(right)
    assert np.ptp(expected_at("p", 0.0, 1000.0).signal_vem.mean(axis=0)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("rings", "number"), [(1, 7), (2, 19), (3, 37)])
@pytest.mark.parametrize("spacing", [433.0, 1500.0])
def test_an_array_is_a_triangular_lattice(rings: int, number: int, spacing: float) -> None:
    positions = station_positions(spacing, rings)
    assert positions.shape == (number, 2)
    assert positions[0] == pytest.approx([0.0, 0.0])
    distances = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1))
    np.fill_diagonal(distances, np.inf)
    assert distances.min(axis=1) == pytest.approx(spacing)
    assert (np.isclose(distances[0], spacing).sum()) == 6
    assert np.hypot(*positions.T).max() == pytest.approx(rings * spacing)


def test_the_first_station_is_nearest_the_axis_and_cores_fill_its_cell() -> None:
    axes = draw_axes(
        np.degrees(np.arccos(1.0 / np.random.default_rng(1).uniform(1.0, 2.0, SIZE))), 1500.0, np.random.default_rng(2)
    )
    distance = np.hypot(*axes.shower_plane(station_positions(1500.0, 3)))
    assert (distance.argmin(axis=1) == 0).all()
    vertical = draw_axes(np.zeros(SIZE), 1500.0, np.random.default_rng(2))
    # The hexagon around a station: inscribed circle of half the spacing, pi / (2 sqrt 3) of the area.
    inside = np.hypot(vertical.core_x_m, vertical.core_y_m) < 750.0
    assert inside.mean() == pytest.approx(np.pi / (2 * np.sqrt(3.0)), abs=0.02)


def test_the_front_is_a_plane_that_moves_at_the_speed_of_light_with_a_curvature() -> None:
    axes = Axes(np.radians(AT([30.0])), np.radians(AT([90.0])), AT([0.0]), AT([0.0]))
    north, south, east = axes.front_ns(AT([[0.0, 3000.0], [0.0, -3000.0], [3000.0, 0.0]]))[0]
    assert south - north == pytest.approx(2 * 3000.0 * 0.5 / 0.299792458)
    assert north < 0 < south
    assert east == pytest.approx(3000.0**2 / 24_000.0 / 0.299792458)


def test_the_ldf_is_1_at_1000_m() -> None:
    assert log_ldf(AT([1000.0]), AT([-2.3]), 0.0) == pytest.approx(0.0)
    assert log_ldf(AT([500.0]), AT([-2.3]), 0.0) == pytest.approx(2.3 * np.log(2.0 * 1700.0 / 1200.0))


def test_showers_of_no_muons_leave_an_electromagnetic_signal_alone() -> None:
    axes = Axes(*np.zeros((2, 1)), np.zeros(1), np.zeros(1))
    expected = expect(Showers(AT([750.0]), AT([0.0]), AT([4e10])), axes, AT([[1000.0, 0.0]]))
    assert expected.muons[0, 0] == 0.0
    assert expected.signal_vem[0, 0] == pytest.approx(expected.em_particles[0, 0] / 24.0)
