"""The flux of showers: primaries, settings, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest

from cascada.config import SimulatorSource
from cascada.errors import ConfigError
from cascada.physics.showers import Flux, draw_flux, simulated_primaries

SIZE = 20_000
NUCLEI = ("p", "He", "N", "Fe")


def flux(**settings: object) -> Flux:
    defaults = {"kind": "simulator", "showers": SIZE, "primaries": NUCLEI}
    return draw_flux(SimulatorSource.model_validate(defaults | settings), SIZE, np.random.default_rng(1))


def test_a_mixture_has_equal_shares_of_showers_of_each_primary() -> None:
    drawn = flux()
    share = np.bincount(drawn.class_index, minlength=len(NUCLEI)) / SIZE
    assert share == pytest.approx([0.25] * 4, abs=5 * math.sqrt(0.25 * 0.75 / SIZE))
    lg_energy_ev = np.log10(drawn.energy_eev) + 18
    assert kstest((lg_energy_ev - 18.0) / 2.5, "uniform").pvalue > 1e-3
    depth = [drawn.showers.xmax_g_cm2[drawn.class_index == index].mean() for index in range(len(NUCLEI))]
    assert depth == sorted(depth, reverse=True)


def test_primaries_come_in_class_order_whatever_the_order_of_the_settings() -> None:
    assert simulated_primaries(("Fe", "Si", "photon", "O")) == ("photon", "O", "Si", "Fe")
    one, other = flux(primaries=("p", "O")), flux(primaries=("O", "p"))
    assert np.array_equal(one.showers.n_mu, other.showers.n_mu)


def test_every_nucleus_of_the_list_can_be_simulated() -> None:
    names = ("p", "He", "Li", "C", "N", "O", "Si", "Ca", "Mn", "Fe")
    drawn = flux(primaries=names)
    counts = [drawn.showers.n_mu[drawn.class_index == index].size for index in range(len(names))]
    assert min(counts) > 1000
    assert np.isfinite(drawn.showers.n_mu).all()


def test_the_muon_scale_moves_the_muons_and_nothing_else() -> None:
    plain, scaled = flux(), flux(muon_scale=1.3)
    assert scaled.showers.n_mu == pytest.approx(1.3 * plain.showers.n_mu)
    assert np.array_equal(scaled.showers.n_em, plain.showers.n_em)


def test_a_measured_composition_puts_its_nuclei_at_their_energies() -> None:
    drawn = flux(composition="auger_sibyll")
    high = drawn.energy_eev > 60.0
    share = np.bincount(drawn.class_index[high], minlength=4) / high.sum()
    assert share == pytest.approx([0.0, 0.0, 0.86, 0.14], abs=0.03)
    assert np.bincount(drawn.class_index[~high], minlength=4)[0] > 0


@pytest.mark.parametrize("name", ["electron", "hadron"])
def test_what_has_no_showers_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no showers of '{name}'") as caught:
        flux(primaries=("p", name))
    assert "photon" in caught.value.hint
