"""Shifted tables: the same showers under other conditions, by factors that are known."""

from __future__ import annotations

from typing import get_args

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from cascada.config import Shifts, SimulatorSource, TextSource
from cascada.config.simulator import HadronicModel
from cascada.data.shifts import age_detector, scale_muons, shifted_tables, with_hadronic_model, with_muon_scale
from cascada.data.sources.simulator import simulate
from cascada.errors import ConfigError

SEED = 4
SHOWERS = SimulatorSource(kind="simulator", showers=6000)
EVENTS = SimulatorSource(kind="simulator", showers=400, level="detector", lg_energy_ev_min=18.5)
FILES = TextSource(kind="text", files=("showers.txt",), columns={"n_mu": {"column": 0}})  # type: ignore[dict-item]


def drawn(source: SimulatorSource) -> pl.DataFrame:
    return simulate(source, SEED, threads=1).frame.collect()


@pytest.fixture(scope="module")
def test_part() -> pl.DataFrame:
    """A test partition: one shower in three."""
    return drawn(SHOWERS).filter(pl.col("shower_id") % 3 == 0)


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    return drawn(EVENTS)


def test_another_model_changes_the_shower_and_nothing_before_it(test_part: pl.DataFrame) -> None:
    test_part = test_part.sample(fraction=1.0, shuffle=True, seed=1)
    shifted = with_hadronic_model(SHOWERS, test_part, "EPOS-LHC", seed=SEED)
    same = ["shower_id", "group_id", "primary", "energy_eev", "zenith_deg"]
    assert shifted.select(same).equals(test_part.select(same))
    assert shifted.columns == test_part.columns
    assert shifted["hadronic_model"].unique().to_list() == ["EPOS-LHC"]


def test_protons_of_another_model_are_as_much_deeper_as_published(test_part: pl.DataFrame) -> None:
    """<Xmax> of protons from 18 to 20.5 is 15.6 (EPOS-LHC) and 25.6 g/cm2 (Sibyll2.3d) deeper than QGSJetII-04's.

    With some 400 protons that scatter by 60 and 60, a difference of independent means is known to 4.2.
    """
    proton = pl.col("primary") == "p"
    before = test_part.filter(proton)["xmax_g_cm2"].mean()
    for model, deeper in (("EPOS-LHC", 15.6), ("Sibyll2.3d", 25.6)):
        after = with_hadronic_model(SHOWERS, test_part, model, seed=SEED).filter(proton)["xmax_g_cm2"].mean()
        assert isinstance(before, float)
        assert isinstance(after, float)
        assert after - before == pytest.approx(deeper, abs=13.0)


def test_photons_know_no_hadronic_model(test_part: pl.DataFrame) -> None:
    """Their depths are drawn from the same distribution; Kolmogorov and Smirnov agree at the 1 % level."""
    from scipy.stats import ks_2samp

    photon = pl.col("primary") == "photon"
    shifted = with_hadronic_model(SHOWERS, test_part, "Sibyll2.3d", seed=SEED)
    depths = [table.filter(photon)["xmax_g_cm2"].to_numpy() for table in (test_part, shifted)]
    assert ks_2samp(*depths).pvalue > 0.01


def test_more_muons_are_those_of_the_simulator_with_that_scale(test_part: pl.DataFrame) -> None:
    scaled = scale_muons(test_part, 1.3)
    simulated = drawn(SHOWERS.model_copy(update={"muon_scale": 1.3})).filter(pl.col("shower_id") % 3 == 0)
    assert scaled["n_mu"].to_numpy() == pytest.approx(simulated["n_mu"].to_numpy(), rel=1e-6)
    assert scaled.drop("n_mu").equals(test_part.drop("n_mu"))
    assert scaled.schema == test_part.schema


def test_more_muons_reach_the_traces(events: pl.DataFrame) -> None:
    """S38 grows with the muons, but by less than their factor: the electromagnetic part stays."""
    shifted = with_muon_scale(EVENTS, events, 1.5, seed=SEED)
    both = events.join(shifted, on="shower_id", suffix="_more")
    assert shifted.columns == events.columns
    growth = (both["s38_vem_more"] / both["s38_vem"]).to_numpy()
    assert 1.1 < np.median(growth) < 1.45


def test_the_muons_of_the_source_count(events: pl.DataFrame) -> None:
    with pytest.raises(ConfigError, match="so many muons") as caught:
        with_muon_scale(EVENTS.model_copy(update={"muon_scale": 1.2}), events, 1.3, seed=SEED)
    assert "1.3 on top of the source's muon_scale of 1.2" in caught.value.got


@pytest.mark.parametrize(("years", "kept"), [(1.0, 0.98), (10.0, 0.98**10)])
def test_an_older_detector_sees_less_of_everything_alike(test_part: pl.DataFrame, years: float, kept: float) -> None:
    aged = age_detector(test_part, years, signal_loss_per_year=0.02, pulse_loss_per_year=0.01)
    for name in ("n_mu", "n_em"):
        assert (aged[name] / test_part[name]).to_numpy() == pytest.approx(np.full(aged.height, kept), rel=1e-6)
    assert aged.drop("n_mu", "n_em").equals(test_part.drop("n_mu", "n_em"))
    assert aged.schema == test_part.schema


def test_an_older_tank_has_shorter_pulses_and_a_lower_energy(events: pl.DataFrame) -> None:
    aged = age_detector(events, 10.0, signal_loss_per_year=0.01, pulse_loss_per_year=0.03)
    ratio = {name: (aged[name] / events[name]).to_numpy() for name in ("s38_vem", "energy_reco_eev", "fall_time_ns")}
    assert ratio["s38_vem"] == pytest.approx(np.full(events.height, 0.99**10), rel=1e-6)
    assert ratio["energy_reco_eev"] == pytest.approx(np.full(events.height, 0.99**10.3), rel=1e-6)
    assert ratio["fall_time_ns"] == pytest.approx(np.full(events.height, 0.97**10), rel=1e-6)
    assert aged["rise_time_ns"].equals(events["rise_time_ns"])


def test_no_loss_is_no_change(events: pl.DataFrame) -> None:
    assert age_detector(events, 20.0, signal_loss_per_year=0.0, pulse_loss_per_year=0.0).equals(events)


def test_the_shifts_of_simulated_showers(test_part: pl.DataFrame) -> None:
    before = test_part.clone()
    shifts = Shifts(muon_scales=(1.2,), ageing_years=(10.0,), signal_loss_per_year=0.01)
    tables = shifted_tables(SHOWERS, test_part, shifts, seed=SEED)
    assert list(tables) == ["hadronic model EPOS-LHC", "hadronic model Sibyll2.3d", "muons x 1.2", "10 years older"]
    for table in tables.values():
        assert table["shower_id"].equals(test_part["shower_id"])
    assert tables["10 years older"]["n_em"].sum() == pytest.approx(test_part["n_em"].sum() * 0.99**10)
    assert test_part.equals(before)


def test_the_shifts_of_events_keep_events_that_trigger(events: pl.DataFrame) -> None:
    tables = shifted_tables(EVENTS, events, Shifts(muon_scales=(1.5,), ageing_years=(5.0,)), seed=SEED)
    assert list(tables) == ["hadronic model EPOS-LHC", "hadronic model Sibyll2.3d", "muons x 1.5", "5 years older"]
    for table in tables.values():
        assert set(table["shower_id"]) <= set(events["shower_id"])
        assert table.height > 0.9 * events.height
        assert table.columns == events.columns


def test_files_have_no_other_hadronic_model(test_part: pl.DataFrame) -> None:
    tables = shifted_tables(FILES, test_part, Shifts(muon_scales=(1.2,), ageing_years=(5.0,)), seed=SEED)
    assert list(tables) == ["muons x 1.2", "5 years older"]
    depths = test_part.select("shower_id", "xmax_g_cm2")
    assert shifted_tables(FILES, depths, Shifts(), seed=SEED) == {}


def test_tables_that_cannot_be_shifted(test_part: pl.DataFrame) -> None:
    depths = test_part.select("shower_id", "xmax_g_cm2")
    with pytest.raises(ConfigError, match="no muons to scale"):
        scale_muons(depths, 1.2)
    with pytest.raises(ConfigError, match="no column of the table ages"):
        age_detector(depths, 1.0, signal_loss_per_year=0.01, pulse_loss_per_year=0.01)


@pytest.mark.parametrize("values", [{"muon_scales": (0.9,)}, {"muon_scales": (1.6,)}, {"ageing_years": (0.0,)}])
def test_scales_and_years_have_bounds(values: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValidationError):
        Shifts.model_validate(values)


def test_every_model_of_the_simulator_is_a_domain() -> None:
    assert Shifts().hadronic_models == get_args(HadronicModel)
