"""The flux: energies, directions and primaries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from cascada.config import SimulatorSource
from cascada.physics.spectrum import (
    FRACTIONS,
    SPECTRAL_INDICES,
    draw_classes,
    draw_directions,
    draw_lg_energy,
    draw_zenith,
    log_spectrum,
    shares,
)

SIZE = 20_000
NUCLEI = ("p", "He", "N", "Fe")


def source(**settings: object) -> SimulatorSource:
    return SimulatorSource.model_validate({"kind": "simulator", "showers": 10, "primaries": NUCLEI, **settings})


# Between its breaks the measured spectrum is a power law with these indices (Auger, arXiv:2008.06488).
@pytest.mark.parametrize(("lg_energy_ev", "index"), [(18.2, 3.29), (18.9, 2.51), (19.4, 3.05), (20.3, 5.1)])
def test_the_spectrum_has_the_measured_slopes(lg_energy_ev: float, index: float) -> None:
    assert index in SPECTRAL_INDICES
    low, high = log_spectrum(np.array([lg_energy_ev - 0.01, lg_energy_ev + 0.01]))
    assert (low - high) / (0.02 * math.log(10.0)) == pytest.approx(index, abs=0.06)


def test_energies_follow_the_spectrum() -> None:
    def flux(lg_energy: float) -> float:
        return math.exp(float(log_spectrum(np.array([lg_energy]))[0]) + math.log(10.0) * lg_energy - 45.0)

    chosen = source(spectrum="auger", lg_energy_ev_min=18.4, lg_energy_ev_max=20.0)
    drawn = draw_lg_energy(chosen, 200_000, np.random.default_rng(1))
    edges = [18.4, 18.6, 18.8, 19.1, 19.5, 20.0]
    expected = np.array([quad(flux, *pair)[0] for pair in itertools.pairwise(edges)])
    found, _ = np.histogram(drawn, edges)
    share = expected / expected.sum()
    assert np.abs(found / drawn.size - share).max() < 5 * math.sqrt(0.25 / drawn.size)
    assert found[-1] == pytest.approx(share[-1] * drawn.size, abs=5 * math.sqrt(share[-1] * drawn.size))


def test_a_flat_spectrum_is_flat_in_lg_energy() -> None:
    drawn = draw_lg_energy(source(lg_energy_ev_min=18.5, lg_energy_ev_max=19.0), SIZE, np.random.default_rng(1))
    assert kstest((drawn - 18.5) / 0.5, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("zenith_deg_max", [30.0, 60.0])
def test_directions_are_isotropic_on_a_flat_array(zenith_deg_max: float) -> None:
    zenith = draw_directions(SIZE, zenith_deg_max, np.random.default_rng(11))
    assert zenith.min() >= 0
    assert zenith.max() <= zenith_deg_max
    share = np.square(np.sin(np.radians(zenith)) / math.sin(math.radians(zenith_deg_max)))
    assert kstest(share, "uniform").pvalue > 1e-3


def test_a_library_is_flat_in_the_secant() -> None:
    zenith = draw_zenith(source(zenith="flat_sec"), SIZE, np.random.default_rng(3))
    assert zenith.max() <= 60.0
    assert kstest(1.0 / np.cos(np.radians(zenith)) - 1.0, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("composition", sorted(FRACTIONS))
def test_measured_fractions_add_up_and_grow_heavier(composition: str) -> None:
    found = shares(source(composition=composition), NUCLEI, np.linspace(17.0, 21.0, 81))
    assert found.shape == (81, 4)
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(1.0)
    mean_ln_mass = found @ np.log([1, 4, 14, 56])
    assert mean_ln_mass[-1] > mean_ln_mass[30] + 1.0


def test_fractions_are_the_published_ones_at_their_energies() -> None:
    found = shares(source(composition="auger_epos"), NUCLEI, np.array([18.25, 19.44, 20.5]))
    assert found[0] == pytest.approx(np.array([0.66, 0.11, 0.19, 0.03]) / 0.99)
    assert found[1] == pytest.approx([0.10, 0.29, 0.51, 0.10])
    assert found[2] == pytest.approx([0.00, 0.10, 0.80, 0.10])


def test_classes_come_in_their_shares() -> None:
    chosen = source(composition={"p": 0.6, "He": 0.0, "N": 0.1, "Fe": 0.3})
    table = shares(chosen, NUCLEI, np.full(SIZE, 19.0))
    drawn = np.bincount(draw_classes(table, np.random.default_rng(2)), minlength=4) / SIZE
    assert drawn == pytest.approx([0.6, 0.0, 0.1, 0.3], abs=5 * math.sqrt(0.25 / SIZE))
    assert drawn[1] == 0.0
