"""Drift of known worlds: none where there is none, at the stated rate; and what a shift of muons or energies does."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from bundles import DOMAIN, NAMES, export, observables
from scipy import stats

from cascada.monitoring.drift import FALSE_ALARMS, WindowVerdict, alarms, distance, judge
from cascada.monitoring.windows import Window
from cascada.physics.observables import feature_matrix
from cascada.registry.bundle import Bundle, BundleSpec
from cascada.registry.export import measure_latents, measure_reference

_ALL = observables(60_000, seed=7)
_WORLD = {name: values[DOMAIN.contains(_ALL)] for name, values in _ALL.items()}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(tmp_path_factory.mktemp("drift") / "bundle")


@pytest.fixture(scope="module")
def bundle(toy: Bundle) -> Bundle:
    """The toy model, calibrated with showers of the world that it is asked about."""
    return referred_to(toy, take(slice(-1000, None)))


def window_of(bundle: Bundle, showers: dict[str, Any]) -> Window:
    said = bundle.predict(showers)
    return Window(showers, said.p_value, bundle.spec.domain.contains(showers), "2026-01-01", "2026-01-02")


def take(rows: Any) -> dict[str, Any]:
    return {name: values[rows] for name, values in _WORLD.items()}


def shifted(events: int = 5000, **factors: float) -> dict[str, Any]:
    return {name: values * factors.get(name, 1.0) for name, values in take(slice(events)).items()}


def judged(bundle: Bundle, showers: dict[str, Any], size: int = 1000) -> list[WindowVerdict]:
    starts = range(0, len(showers["n_mu"]), size)
    cut = [{name: values[a : a + size] for name, values in showers.items()} for a in starts]
    return [judge(window_of(bundle, one), bundle) for one in cut]


def referred_to(bundle: Bundle, showers: dict[str, Any]) -> Bundle:
    """Return the bundle as if it had been calibrated with other showers."""
    other, features = copy.copy(bundle), feature_matrix(showers, NAMES)
    references = {
        "feature_reference": measure_reference(features, NAMES),
        "latent_reference": measure_latents(bundle.encode(showers)),
    }
    other.spec = bundle.spec.model_copy(update=references)
    other._reference = np.sort(bundle.predict(showers).anomaly_score)
    return other


@pytest.mark.parametrize(("events", "showers"), [(150, 400), (1000, 300)])
def test_exchangeable_windows_drift_at_most_at_the_stated_rate(bundle: Bundle, events: int, showers: int) -> None:
    rng, drifted, tried = np.random.default_rng(11), 0, 400
    for _ in range(tried):
        rows = rng.choice(len(_WORLD["n_mu"]), events + showers, replace=False)
        known = referred_to(bundle, take(rows[events:]))
        drifted += bool(judge(window_of(known, take(rows[:events])), known).drifted)
    assert drifted <= stats.binom.ppf(0.999, tried, FALSE_ALARMS)


def test_the_same_world_raises_no_alarm(bundle: Bundle) -> None:
    assert not alarms(judged(bundle, take(slice(5000))))


def test_a_muon_scale_of_one_fifth_is_found_in_the_muons_alone(bundle: Bundle) -> None:
    windows = judged(bundle, shifted(n_mu=1.2))
    assert alarms(windows)
    assert {name for window in windows for name in window.drifted} >= {"muon_residual"}
    assert not {"lg_energy", "em_residual", "xmax_residual", "outside"} & set(windows[-1].drifted)


def muons_that_grow_with_depth(showers: dict[str, Any]) -> dict[str, Any]:
    """Give the showers each other's residuals of muons, the most to the deepest: they had the fewest before."""
    residuals = feature_matrix(showers, ("muon_residual", "xmax_residual")).astype(np.float64)
    muons, given = residuals[:, 0], np.empty(len(residuals))
    given[np.argsort(residuals[:, 1])] = np.sort(muons)
    return showers | {"n_mu": showers["n_mu"] * np.exp(given - muons)}


def test_a_broken_correlation_of_unchanged_features_is_found_by_the_latents_alone(bundle: Bundle) -> None:
    before = take(slice(5000))
    after = muons_that_grow_with_depth(before)
    old, new = (feature_matrix(showers, NAMES) for showers in (before, after))
    assert np.sort(new, axis=0) == pytest.approx(np.sort(old, axis=0), abs=1e-5), (
        "every feature is distributed as before"
    )
    assert np.corrcoef(old[:, 2], old[:, 4])[0, 1] < -0.8
    assert np.corrcoef(new[:, 2], new[:, 4])[0, 1] > 0.5
    windows = judged(bundle, after)
    assert alarms(windows)
    assert {name for window in windows for name in window.drifted} <= {"latent 1", "latent 2"}
    blind = copy.copy(bundle)
    blind.spec = bundle.spec.model_copy(update={"latent_reference": None})
    assert [window.drifted for window in judged(blind, after)] == [()] * 5


def test_energies_outside_are_found(bundle: Bundle) -> None:
    windows = judged(bundle, shifted(energy_eev=12.0))
    assert alarms(windows)
    assert {"lg_energy", "outside"} <= set(windows[-1].drifted)
    outside = next(one for one in windows[-1].findings if one.name == "outside")
    expected = float(np.mean(shifted(energy_eev=12.0)["energy_eev"][-1000:] > 100.0))
    assert outside.value == pytest.approx(expected, abs=1e-12)


def test_the_anomalous_are_counted_against_the_law_of_ranks(bundle: Bundle) -> None:
    m = bundle.reference_showers
    window = window_of(bundle, take(slice(1000)))
    p_value = np.ones(1000)
    p_value[:15] = 0.01
    found = judge(Window(window.observables, p_value, window.in_domain, "", ""), bundle)
    anomalous = next(one for one in found.findings if one.name == "anomalous")
    rank = int(0.01 * (m + 1))
    rng = np.random.default_rng(3)
    rates = rng.beta(rank, m + 1 - rank, 200_000)
    assert anomalous.value == 0.015
    assert anomalous.p_value == pytest.approx(np.mean(rng.binomial(1000, rates) >= 15), abs=0.005)


def test_the_distance_is_that_of_scipy_where_all_values_are_quantiles() -> None:
    rng = np.random.default_rng(5)
    reference, values = np.sort(rng.normal(size=101)), rng.normal(0.7, size=400)
    exact = stats.ks_2samp(values, reference).statistic
    assert exact - 0.01 <= distance(values, reference) + 0.01 <= exact + 0.02
    assert distance(reference, reference) <= 0.01


def test_values_that_repeat_are_no_drift() -> None:
    quantiles = np.repeat([0.0, 1.0, 2.0], [30, 41, 30])
    values = np.repeat([0.0, 1.0, 2.0], [300, 400, 300])
    assert distance(values, quantiles) < 0.01
    assert distance(np.repeat([0.0, 2.0], [300, 700]), quantiles) == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(
    ("pattern", "alarm"),
    [("", False), ("d", False), ("dd", False), ("ddd", True), ("dddd.", False), ("d.d.d", True), ("..d.d", False),
     ("ddd.....", False), ("dd....d", False)],
)  # fmt: skip
def test_an_alarm_needs_three_of_the_last_five_and_the_latest(bundle: Bundle, pattern: str, alarm: bool) -> None:
    quiet = judge(window_of(bundle, take(slice(1000))), bundle)
    loud = quiet.model_copy(
        update={"findings": tuple(one.model_copy(update={"drifted": True}) for one in quiet.findings)}
    )
    assert alarms([{"d": loud, ".": quiet}[letter] for letter in pattern]) is alarm


@pytest.mark.parametrize(
    ("lacking", "asked"),
    [
        ((), (*NAMES, "latent 1", "latent 2")),
        (("latent_reference",), NAMES),
        (("latent_reference", "feature_reference"), ()),
    ],
)
def test_a_bundle_of_before_opens_and_is_asked_what_it_can_tell(
    bundle: Bundle, lacking: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    facts = bundle.spec.model_dump(mode="json")
    for name in lacking:
        del facts[name]
    old = copy.copy(bundle)
    old.spec = BundleSpec.model_validate(facts)
    found = judge(window_of(old, take(slice(1000))), old)
    assert [one.name for one in found.findings] == [*asked, "anomalous", "outside"]


def test_the_reference_of_a_bundle_is_that_of_its_calibration(toy: Bundle) -> None:
    showers, spec = observables(999, seed=2), Bundle(toy.folder).spec
    features, latents = feature_matrix(showers, NAMES), toy.encode(showers)
    for reference, names, values in (
        (spec.feature_reference, NAMES, features), (spec.latent_reference, ("latent 1", "latent 2"), latents),
    ):  # fmt: skip
        assert reference is not None
        assert reference.showers == len(values) == toy.reference_showers
        assert tuple(reference.quantiles) == names
        for column, steps in zip(values.T, reference.quantiles.values(), strict=True):
            assert (steps[0], steps[-1]) == (column.min(), column.max())
            assert np.mean(column <= steps[25]) == pytest.approx(0.25, abs=2 / len(values))
            assert set(steps) <= set(column.tolist())
