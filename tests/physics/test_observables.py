"""Features: zero for a mean proton shower, known steps away from it, and the matrix that models see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest

from cascada.errors import ConfigError
from cascada.physics.columns import COLUMNS, OBSERVABLES
from cascada.physics.observables import FEATURES, Floats, feature_matrix, find_feature, required_columns
from cascada.physics.observables.showers import (
    mean_proton_xmax,
    muon_residual,
    slant_beyond_maximum,
    universality_residual,
    xmax_residual,
)

ENERGY_EEV = np.array([1.0, 10.0, 100.0, 10.0])
ZENITH_DEG = np.array([0.0, 0.0, 45.0, 60.0])


def some_of_everything() -> dict[str, Floats]:
    """Numbers in every observable column, from 0.2 to 0.8."""
    rng = np.random.default_rng(5)
    return {name: rng.uniform(0.2, 0.8, 4) for name in OBSERVABLES}


def mean_proton_showers() -> dict[str, Floats]:
    """Showers at the proton means of the fit to CORSIKA / QGSJetII-04 at the depth of Auger, 875 g/cm2."""
    secant = 1.0 / np.cos(np.radians(ZENITH_DEG))
    xmax = np.array([736.3, 790.7, 845.1, 790.7])
    ln_n_mu = 17.949 + 0.9437 * np.log(ENERGY_EEV / 10) - 0.665 * (secant - 1) - 0.283 * (secant - 1) ** 2
    x = (875.0 * secant - xmax) / 251.0
    n_em = 4.75e9 * ENERGY_EEV * (1 + 0.24 * x) ** (0.24**-2) * np.exp(-x / 0.24)
    return {
        "energy_eev": ENERGY_EEV, "zenith_deg": ZENITH_DEG, "n_mu": np.exp(ln_n_mu), "n_em": n_em, "xmax_g_cm2": xmax,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["muon_residual", "em_residual", "xmax_residual", "universality_residual"])
def test_a_mean_proton_shower_has_no_residual(name: str) -> None:
    assert FEATURES[name].compute(mean_proton_showers()) == pytest.approx(np.zeros(4), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "column", "factor", "step"),
    [
        ("muon_residual", "n_mu", 2.0, math.log(2)),
        ("em_residual", "n_em", 0.5, -math.log(2)),
        ("universality_residual", "n_em", 0.5, -math.log(2)),
        ("muon_share", "n_em", 0.5, math.log(2)),
    ],
)
def test_residuals_are_logarithms_of_a_ratio(name: str, column: str, factor: float, step: float) -> None:
    showers = mean_proton_showers()
    moved = FEATURES[name].compute(showers | {column: showers[column] * factor})
    assert moved - FEATURES[name].compute(showers) == pytest.approx(np.full(4, step))


def test_a_shower_100_g_cm2_deeper_is_one_unit_deeper() -> None:
    showers = mean_proton_showers()
    assert xmax_residual(showers | {"xmax_g_cm2": showers["xmax_g_cm2"] + 100}) == pytest.approx(np.ones(4))


def test_a_vertical_shower_with_its_maximum_at_375_g_cm2_has_500_g_cm2_before_it() -> None:
    deep = {"zenith_deg": np.array([0.0, 60.0]), "xmax_g_cm2": np.array([375.0, 875.0])}
    assert slant_beyond_maximum(deep) == pytest.approx([1.0, 875.0 / 500.0])


def test_a_deeper_shower_on_the_universal_profile_has_no_universality_residual() -> None:
    showers = mean_proton_showers()
    x = (875.0 / np.cos(np.radians(ZENITH_DEG)) - 900.0) / 251.0
    deeper = showers | {
        "xmax_g_cm2": np.full(4, 900.0),
        "n_em": 4.75e9 * ENERGY_EEV * (1 + 0.24 * x) ** (0.24**-2) * np.exp(-x / 0.24),
    }
    assert universality_residual(deeper) == pytest.approx(np.zeros(4), abs=1e-9)
    assert np.abs(FEATURES["em_residual"].compute(deeper)).min() > 0.01


# <Xmax> of protons for QGSJetII-04 at lg(E/eV) of 18, 18.5, 19, 19.5, 20 (De Domenico et al., JCAP 07 (2013) 050).
def test_the_proton_line_runs_through_the_published_means() -> None:
    energy = 10.0 ** (np.array([18.0, 18.5, 19.0, 19.5, 20.0]) - 18)
    assert mean_proton_xmax({"energy_eev": energy}) == pytest.approx([736.1, 763.5, 790.7, 817.7, 844.5], abs=0.7)


def test_energy_and_direction_features() -> None:
    matrix = feature_matrix(mean_proton_showers(), ["lg_energy", "sec_zenith"])
    assert matrix == pytest.approx(np.array([[-1, 0], [0, 0], [1, math.sqrt(2) - 1], [0, 1]]), abs=1e-6)


def test_the_matrix_has_a_column_a_feature_in_the_order_asked_for() -> None:
    showers = mean_proton_showers()
    matrix = feature_matrix(showers, ["sec_zenith", "muon_residual", "lg_energy"])
    assert matrix.dtype == np.float32
    assert matrix.shape == (4, 3)
    assert np.array_equal(matrix[:, ::-1], feature_matrix(showers, ["lg_energy", "muon_residual", "sec_zenith"]))


def test_the_matrix_of_no_showers_is_empty() -> None:
    assert feature_matrix({name: np.empty(0) for name in OBSERVABLES}, ["lg_energy", "muon_residual"]).shape == (0, 2)


class Watched(Mapping[str, Floats]):
    """Observables that remember which columns were read."""

    def __init__(self, showers: Mapping[str, Floats]) -> None:
        self.showers, self.read = showers, set[str]()

    def __getitem__(self, name: str) -> Floats:
        self.read.add(name)
        return self.showers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.showers)

    def __len__(self) -> int:
        return len(self.showers)


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_reads_the_columns_that_it_declares(name: str) -> None:
    watched = Watched(some_of_everything())
    FEATURES[name].compute(watched)
    assert watched.read == set(FEATURES[name].columns)


def test_required_columns_are_named_once_and_sorted() -> None:
    assert required_columns(["muon_residual", "lg_energy"]) == ("energy_eev", "n_mu", "zenith_deg")
    assert set(required_columns(tuple(FEATURES))) <= set(OBSERVABLES)
    assert list(required_columns(tuple(FEATURES))) == sorted(required_columns(tuple(FEATURES)))


@pytest.mark.parametrize("ask", [required_columns, lambda names: feature_matrix(mean_proton_showers(), names)])
def test_an_unknown_feature_names_the_nearest(ask: Callable[[list[str]], object]) -> None:
    with pytest.raises(ConfigError, match="unknown feature 'muon_residuals'") as caught:
        ask(["lg_energy", "muon_residuals"])
    assert caught.value.hint.startswith("did you mean muon_residual ")


def test_an_observable_column_is_a_feature_under_its_own_name() -> None:
    everything = some_of_everything()
    matrix = feature_matrix(everything, OBSERVABLES)
    assert np.array_equal(matrix, np.stack(list(everything.values()), axis=1).astype(np.float32))
    assert required_columns(("signal_vem", "image_dist_mm")) == ("image_dist_mm", "signal_vem")


def test_no_feature_hides_a_column() -> None:
    assert not set(FEATURES) & set(COLUMNS)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("energy_true_eev", "cannot be a feature: it is what only the simulation knows"),
        ("anomaly", "is what only the simulation knows"),
        ("primary", "cannot be a feature: it is the answer"),
        ("shower_id", "numbers the rows"),
        ("group_id", "which rows belong together"),
        ("hadronic_model", "names the conditions of a simulation"),
    ],
)
@pytest.mark.parametrize("ask", [required_columns, lambda names: feature_matrix(some_of_everything(), names)])
def test_a_column_that_no_model_may_see_is_refused(ask: Callable[[list[str]], object], name: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        ask(["lg_energy", name])
    assert repr(name) in caught.value.what


@pytest.mark.parametrize("name", [c.name for c in COLUMNS.values() if c.role != "observable"])
def test_every_column_is_an_observable_or_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a feature"):
        find_feature(name)


def test_observables_are_left_as_they_were() -> None:
    observables = some_of_everything()
    feature_matrix(observables, (*FEATURES, *OBSERVABLES))
    for name, values in some_of_everything().items():
        assert np.array_equal(observables[name], values)


def test_muons_and_energy_scale_together() -> None:
    showers = mean_proton_showers()
    scaled = showers | {"energy_eev": 3 * ENERGY_EEV, "n_mu": 3**0.9437 * showers["n_mu"]}
    assert muon_residual(scaled) == pytest.approx(muon_residual(showers), abs=1e-12)
