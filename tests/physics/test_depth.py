"""Depths of maximum against published moments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import digamma, polygamma

from benchmarks.bench_realism import LG_ENERGY_EV, XMAX_MOMENTS, check_moments
from cascada.errors import ConfigError
from cascada.physics.depth import Floats, draw_gumbel, gumbel_parameters, photon_gumbel_parameters
from cascada.physics.primaries import PRIMARIES

TABLE = [(model, name) for model, nuclei in XMAX_MOMENTS.items() for name in nuclei]


def moments(mu: Floats, sigma: Floats, lam: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the generalised Gumbel distribution."""
    return mu + sigma * (np.log(lam) - digamma(lam)), sigma * np.sqrt(polygamma(1, lam))


@pytest.mark.parametrize(("model", "name"), TABLE)
def test_nuclei_have_the_published_moments(model: str, name: str) -> None:
    mean, width = moments(*gumbel_parameters(np.array(LG_ENERGY_EV), PRIMARIES[name].ln_mass, model))
    published_mean, published_width = XMAX_MOMENTS[model][name]
    assert mean == pytest.approx(published_mean, abs=0.051)
    assert width == pytest.approx(published_width, abs=0.051)


def test_drawn_depths_have_the_published_moments_within_1_g_cm2() -> None:
    checks = list(check_moments(10_000, np.random.default_rng(1)))
    assert len(checks) == len(TABLE) * len(LG_ENERGY_EV)
    for check in checks:
        assert abs(check.mean_off) < 1.0 + 3 * check.mean_error, check
        assert abs(check.width_off) < 1.0 + 3 * check.width_error, check


# CORSIKA showers of the open benchmark, in bins of 0.4 in lg E, with some 2000 showers each: the mean of the highest is
# uncertain by 158 / sqrt(2000) = 3.5 g/cm2, and lacks what lies beyond 1600 g/cm2.
@pytest.mark.parametrize(("lg_energy_ev", "mean", "width"), [(18.5, 910, 59), (19.3, 1033, 97), (20.1, 1224, 158)])
def test_photons_have_the_moments_of_corsika(lg_energy_ev: float, mean: float, width: float) -> None:
    means, widths = moments(*photon_gumbel_parameters(np.linspace(lg_energy_ev - 0.2, lg_energy_ev + 0.2, 401)))
    assert means.mean() == pytest.approx(mean, abs=10.0)
    assert math.sqrt(np.square(widths).mean() + means.var()) == pytest.approx(width, rel=0.15)


@pytest.mark.parametrize(("mu", "sigma", "lam"), [(758.65, 35.4, 0.67), (700.0, 30.0, 3.0), (952.0, 84.0, 1.53)])
def test_gumbel_samples_have_the_analytic_moments(mu: float, sigma: float, lam: float) -> None:
    parameters = (np.full(100_000, mu), np.full(100_000, sigma), np.full(100_000, lam))
    drawn = draw_gumbel(*parameters, np.random.default_rng(7))
    mean, width = (values[0] for values in moments(*parameters))
    kurtosis = float(polygamma(3, lam) / polygamma(1, lam) ** 2)
    assert abs(drawn.mean() - mean) < 5 * width / math.sqrt(drawn.size)
    assert abs(drawn.var() / width**2 - 1) < 5 * math.sqrt((kurtosis + 2) / drawn.size)


@pytest.mark.parametrize("model", XMAX_MOMENTS)
def test_heavier_nuclei_have_shallower_and_narrower_showers_at_every_energy(model: str) -> None:
    energies = np.linspace(17.0, 21.0, 9)
    masses = [PRIMARIES[name].ln_mass for name in ("p", "He", "C", "N", "O", "Si", "Fe")]
    found = [moments(*gumbel_parameters(energies, mass, model)) for mass in masses]
    for quantity in zip(*found, strict=True):
        assert (np.diff(np.array(quantity), axis=0) < 0).all()


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="'EPOS-LCH'") as caught:
        gumbel_parameters(np.array([19.0]), 0.0, "EPOS-LCH")
    assert "did you mean EPOS-LHC?" in caught.value.hint
