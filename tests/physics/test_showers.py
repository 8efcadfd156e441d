"""The parametric physics against published moments and the laws it is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import digamma, polygamma
from scipy.stats import kstest, skew

from cascada.physics.primaries import PRIMARIES, find_primary
from cascada.physics.showers import (
    Floats,
    Showers,
    draw_directions,
    draw_gumbel,
    draw_mixture,
    draw_showers,
    draw_skewed,
    gumbel_parameters,
    photon_gumbel_parameters,
    universal_em_profile,
)

SIZE = 20_000
NUCLEI = ("p", "He", "N", "Fe")

# <Xmax> and sigma in g/cm2 for QGSJetII-04 at these lg(E/eV): De Domenico et al., JCAP 07 (2013) 050, refitted
# coefficients as distributed with astrotools.
LG_ENERGY_EV = np.array([17.0, 18.0, 18.5, 19.0, 19.5, 20.0])
XMAX_MOMENTS = {
    1: ([680.7, 736.1, 763.5, 790.7, 817.7, 844.5], [69.6, 65.4, 63.5, 61.6, 59.9, 58.2]),
    4: ([646.0, 702.0, 729.5, 756.7, 783.6, 810.1], [50.1, 46.8, 45.3, 43.9, 42.6, 41.4]),
    14: ([614.5, 672.3, 700.4, 728.0, 755.0, 781.5], [36.6, 34.6, 33.6, 32.8, 32.0, 31.2]),
    28: ([596.3, 655.2, 683.8, 711.7, 738.9, 765.5], [30.4, 28.9, 28.2, 27.6, 27.0, 26.4]),
    56: ([577.1, 637.4, 666.5, 694.7, 722.3, 749.0], [24.9, 23.8, 23.3, 22.8, 22.3, 21.9]),
}


def moments(mu: Floats, sigma: Floats, lam: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the generalised Gumbel distribution."""
    return mu + sigma * (np.log(lam) - digamma(lam)), sigma * np.sqrt(polygamma(1, lam))


def at_10_eev(primary: str, zenith_deg: float = 0.0) -> Showers:
    rng = np.random.default_rng(19)
    return draw_showers(find_primary(primary), np.full(SIZE, 10.0), np.full(SIZE, zenith_deg), rng)


@pytest.mark.parametrize("mass_number", XMAX_MOMENTS)
def test_xmax_of_nuclei_has_the_published_moments(mass_number: int) -> None:
    mean, width = moments(*gumbel_parameters(LG_ENERGY_EV, math.log(mass_number)))
    published_mean, published_width = XMAX_MOMENTS[mass_number]
    assert mean == pytest.approx(published_mean, abs=0.051)
    assert width == pytest.approx(published_width, abs=0.051)


# Moments of the fit over a bin of lg E beside CORSIKA; those numbers come from some 2000 showers each, so the mean of
# the highest bin is uncertain by 157 / sqrt(2000) = 3.5 g/cm2.
@pytest.mark.parametrize(("lg_energy_ev", "mean", "width"), [(18.5, 915, 68), (19.3, 1036, 98), (20.1, 1216, 157)])
def test_xmax_of_photons_has_the_moments_of_the_fit(lg_energy_ev: float, mean: float, width: float) -> None:
    means, widths = moments(*photon_gumbel_parameters(np.linspace(lg_energy_ev - 0.2, lg_energy_ev + 0.2, 401)))
    assert means.mean() == pytest.approx(mean, abs=5.0)
    assert math.sqrt(np.square(widths).mean() + means.var()) == pytest.approx(width, abs=2.5)


@pytest.mark.parametrize(("mu", "sigma", "lam"), [(758.65, 35.4, 0.67), (700.0, 30.0, 3.0), (952.0, 84.0, 1.53)])
def test_gumbel_samples_have_the_analytic_moments(mu: float, sigma: float, lam: float) -> None:
    parameters = (np.full(100_000, mu), np.full(100_000, sigma), np.full(100_000, lam))
    drawn = draw_gumbel(*parameters, np.random.default_rng(7))
    mean, width = (values[0] for values in moments(*parameters))
    kurtosis = float(polygamma(3, lam) / polygamma(1, lam) ** 2)
    assert abs(drawn.mean() - mean) < 5 * width / math.sqrt(drawn.size)
    assert abs(drawn.var() / width**2 - 1) < 5 * math.sqrt((kurtosis + 2) / drawn.size)


@pytest.mark.parametrize("skewness", [-0.6, 0.0, 0.1])
def test_skewed_numbers(skewness: float) -> None:
    drawn = draw_skewed(skewness, 200_000, np.random.default_rng(3))
    assert skew(drawn) == pytest.approx(skewness, abs=0.03)
    assert drawn.mean() == pytest.approx(0.0, abs=5 / math.sqrt(drawn.size))
    assert drawn.var() == pytest.approx(1.0, abs=0.02)


# CORSIKA / QGSJetII-04 at 10 EeV; 1 - beta of Heitler-Matthews (Astropart. Phys. 22 (2005) 387) is 0.0745.
@pytest.mark.parametrize(("primary", "ratio"), [("He", 1.109), ("N", 1.215), ("Fe", 1.349)])
def test_heavier_nuclei_make_more_muons(primary: str, ratio: float) -> None:
    measured = at_10_eev(primary).n_mu.mean() / at_10_eev("p").n_mu.mean()
    assert measured == pytest.approx(ratio, rel=0.01)
    assert measured == pytest.approx(find_primary(primary).mass_number ** 0.0745, rel=0.01)


@pytest.mark.parametrize(
    ("primary", "correlation", "fluctuation"),
    [("p", 0.17, 0.13), ("He", 0.38, 0.080), ("N", 0.55, 0.057), ("Fe", 0.68, 0.041)],
)
def test_muons_fluctuate_with_the_depth(primary: str, correlation: float, fluctuation: float) -> None:
    showers = at_10_eev(primary)
    ln_n_mu = np.log(showers.n_mu)
    assert np.corrcoef(ln_n_mu, showers.xmax_g_cm2)[0, 1] == pytest.approx(correlation, abs=0.04)
    assert ln_n_mu.std() == pytest.approx(fluctuation, abs=0.003)


@pytest.mark.parametrize(("primary", "beta"), [("p", 0.951), ("He", 0.942), ("N", 0.937), ("Fe", 0.934)])
def test_muons_grow_with_energy_as_in_heitler_matthews(primary: str, beta: float) -> None:
    energy = np.geomspace(1.0, 316.0, SIZE)
    showers = draw_showers(find_primary(primary), energy, np.zeros(SIZE), np.random.default_rng(5))
    assert np.polyfit(np.log(energy), np.log(showers.n_mu), 1)[0] == pytest.approx(beta, abs=0.004)


@pytest.mark.parametrize(("primary", "loss"), [("p", 0.948), ("He", 0.959), ("N", 0.968), ("Fe", 0.973)])
def test_muons_decay_on_inclined_paths(primary: str, loss: float) -> None:
    vertical, inclined = (np.log(at_10_eev(primary, zenith).n_mu).mean() for zenith in (0.0, 60.0))
    assert vertical - inclined == pytest.approx(loss, abs=0.006)


# Fit to CORSIKA photons: mean ln N_mu at 10 EeV, and a spread that widens with energy.
@pytest.mark.parametrize(("lg_energy_ev", "spread"), [(18.5, 0.33), (19.4, 0.33), (19.8, 0.46), (20.2, 0.84)])
def test_photons_make_few_muons_that_fluctuate_more_at_the_highest_energies(lg_energy_ev: float, spread: float) -> None:
    energy = np.full(SIZE, 10 ** (lg_energy_ev - 18))
    photons = draw_showers(PRIMARIES["photon"], energy, np.zeros(SIZE), np.random.default_rng(2))
    assert np.log(photons.n_mu).std() == pytest.approx(spread, rel=0.03)
    protons = draw_showers(PRIMARIES["p"], energy, np.zeros(SIZE), np.random.default_rng(2))
    assert photons.n_mu.mean() < 0.4 * protons.n_mu.mean()


def test_photons_at_10_eev_have_the_muons_of_the_fit() -> None:
    ln_n_mu = np.log(at_10_eev("photon").n_mu)
    assert ln_n_mu.mean() == pytest.approx(16.010 - 0.033 * (979.4 - 1000) / 100, abs=5 * 0.33 / math.sqrt(SIZE))


# N0, R, L / (g/cm2) and scatter of the late shower, from the same fit.
@pytest.mark.parametrize(
    ("primary", "size", "r", "length", "scatter"),
    [
        ("p", 4.75e9, 0.24, 251, 0.084),
        ("He", 4.77e9, 0.29, 243, 0.079),
        ("N", 4.84e9, 0.34, 233, 0.073),
        ("Fe", 4.90e9, 0.41, 223, 0.064),
        ("photon", 4.94e9, 1e-5, 287, 0.11),
    ],
)
def test_em_particles_depend_on_the_distance_to_the_maximum_alone(
    primary: str, size: float, r: float, length: float, scatter: float
) -> None:
    showers = at_10_eev(primary, zenith_deg=45.0)
    x = (875.0 * math.sqrt(2.0) - showers.xmax_g_cm2) / length
    residual = np.log(showers.n_em / (10.0 * size)) - (np.log1p(r * x) / r**2 - x / r)
    assert residual.mean() == pytest.approx(0.0, abs=5 * scatter / math.sqrt(SIZE))
    assert residual.std() == pytest.approx(scatter, rel=0.03)


@pytest.mark.parametrize("r", [0.0, 0.1, 0.41])
def test_the_profile_peaks_at_the_maximum(r: float) -> None:
    distance = np.array([-2000.0, -300.0, -1.0, 0.0, 1.0, 300.0, 2000.0])
    profile = universal_em_profile(distance, r, 250.0)
    assert profile[3] == 0.0
    assert (np.delete(profile, 3) < 0).all()
    assert np.isfinite(profile).all()


def test_the_profile_of_small_asymmetry_becomes_a_gaussian() -> None:
    distance = np.linspace(-500.0, 500.0, 11)
    gaussian = universal_em_profile(distance, 0.0, 250.0)
    assert gaussian == pytest.approx(-(distance**2) / (2 * 250.0**2))
    assert universal_em_profile(distance, 1e-4, 250.0) == pytest.approx(gaussian, abs=1e-3)


@pytest.mark.parametrize("zenith_deg_max", [30.0, 60.0])
def test_directions_are_isotropic_on_a_flat_array(zenith_deg_max: float) -> None:
    zenith = draw_directions(SIZE, zenith_deg_max, np.random.default_rng(11))
    assert zenith.min() >= 0
    assert zenith.max() <= zenith_deg_max
    share = np.square(np.sin(np.radians(zenith)) / math.sin(math.radians(zenith_deg_max)))
    assert kstest(share, "uniform").pvalue > 1e-3


def test_a_mixture_has_equal_shares_of_showers_of_each_primary() -> None:
    showers = draw_mixture(NUCLEI, SIZE, lg_energy_ev=(18.0, 20.5), zenith_deg_max=60.0, rng=np.random.default_rng(1))
    share = np.bincount(showers["class_index"], minlength=len(NUCLEI)) / SIZE
    assert share == pytest.approx([0.25] * 4, abs=5 * math.sqrt(0.25 * 0.75 / SIZE))
    lg_energy_ev = np.log10(showers["energy_eev"]) + 18
    assert kstest((lg_energy_ev - 18.0) / 2.5, "uniform").pvalue > 1e-3
    depth = [showers["xmax_g_cm2"][showers["class_index"] == index].mean() for index in range(len(NUCLEI))]
    assert depth == sorted(depth, reverse=True)


def test_the_same_generator_draws_the_same_showers() -> None:
    first, second = at_10_eev("N"), at_10_eev("N")
    assert np.array_equal(first.n_mu, second.n_mu)
    assert np.array_equal(first.n_em, second.n_em)
