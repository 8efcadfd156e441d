"""The open data sets through their source sections: the numbers that their authors or carriers state."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
from open_data import open_data_section
from projects import REPOSITORY

from cascada.config import AugerSource, ColumnMap
from cascada.data.sources import read_source
from cascada.data.sources.table import SourceTable
from cascada.errors import SourceError
from cascada.physics.columns import COLUMNS

SHARED_DATA = REPOSITORY.parent / "shared" / "data"
FOLDERS = {
    "composition": "composition_5class_corsika",
    "magic": "magic",
    "fact": "fact_mc_gamma_proton",
    "xmax_26primaries": "xmax_26primaries",
    "auger_hybrid": "auger_open_hybrid",
    "auger_hybrid_sd": "auger_open_hybrid",
}


def folder_of(name: str) -> Path:
    folder = SHARED_DATA / FOLDERS[name]
    if not folder.is_dir():
        pytest.skip(f"the open data set is not at {folder}; data/catalog.yaml says where to get it")
    return folder


def read(name: str) -> SourceTable:
    return read_source(open_data_section(name), directory=folder_of(name), seed=1, threads=1)


def rows_of(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.group_by("primary").len().iter_rows())


@pytest.mark.parametrize("name", FOLDERS)
def test_every_number_is_one(name: str) -> None:
    frame = read(name).frame.collect(engine="streaming")
    numbers = frame.select(pl.col(pl.Float64))
    assert numbers.width > 0
    assert all(numbers.select(pl.all().is_finite().all()).row(0))
    assert frame["shower_id"].n_unique() == frame.height


def test_composition() -> None:
    """Expected (README): 9,988 protons and 10,000 of each other primary; an event is simulated with each of them."""
    frame = read("composition").frame.collect(engine="streaming")
    assert rows_of(frame) == {"photon": 10_000, "p": 9_988, "He": 10_000, "N": 10_000, "Fe": 10_000}
    assert frame["group_id"].n_unique() == 10_000
    vertical = frame["xmax_g_cm2"] * (frame["zenith_deg"] * math.pi / 180).cos()
    assert (vertical.min(), vertical.max()) == pytest.approx((-58, 80_268), abs=0.5)
    assert 0.99 < frame["energy_eev"].min() < frame["energy_eev"].max() <= 317


def test_magic() -> None:
    """Expected (README): 80 % of 12,332 gammas and 6,688 hadrons, sorted by class; 69 of the 115 repeated rows."""
    frame = read("magic").frame.collect()
    assert rows_of(frame) == {"photon": 9_866, "hadron": 5_351}
    assert frame["primary"].rle_id().max() == 1
    images = frame.drop("shower_id", "group_id")
    assert images.height - images.unique().height == 69
    assert frame["image_size_phe"][0] == pytest.approx(10**2.6449)
    assert frame["image_alpha_deg"].max() == 90
    assert (frame["image_concentration_1"] <= frame["image_concentration_2"]).all()


def test_fact() -> None:
    """Expected (README): 1,000 rows a file; CORSIKA's energies are truth, and no observable."""
    frame = read("fact").frame.collect()
    assert rows_of(frame) == {"photon": 1_000, "p": 1_000}
    by_primary = frame.group_by("primary").agg(pl.col("energy_true_eev").min() * 1e9)
    assert dict(by_primary.iter_rows()) == pytest.approx({"photon": 202.88, "p": 100.74}, rel=1e-4)
    assert {name: COLUMNS[name].role for name in frame.columns if "_true" in name} == dict.fromkeys(
        ("energy_true_eev", "zenith_true_deg", "impact_true_m"), "truth"
    )
    assert frame["zenith_true_deg"].is_between(0, 33).all()
    assert frame["image_delta_deg"].is_between(-90, 90).all()
    protons = frame.filter(primary="p")
    assert protons["group_id"].n_unique() == 965
    # The cubic root of the third moment over the length is the cubic root of the skewness.
    ratio = frame["image_m3_long_mm"] / frame["image_length_mm"]
    assert (ratio**3 - frame["image_skewness_long"]).abs().max() == pytest.approx(0, abs=1e-9)


def test_fact_has_263_columns() -> None:
    section = open_data_section("fact")
    columns = section.columns | {"n_mu": ColumnMap(column="corsika_energy")}
    with pytest.raises(SourceError, match="'corsika_energy', mapped to n_mu") as caught:
        read_source(section.model_copy(update={"columns": columns}), directory=folder_of("fact"), seed=1, threads=1)
    assert caught.value.got == "263 columns"


@pytest.mark.parametrize(("primary", "mean", "deviation"), [("p", 737.5, 59.0), ("Fe", 639.2, 19.0)])
def test_xmax_of_26_primaries(primary: str, mean: float, deviation: float) -> None:
    """Expected (README): in the first energy bin, 0.65 to 1 EeV, mean and standard deviation of Xmax."""
    frame = read("xmax_26primaries").frame.collect(engine="streaming")
    assert frame.height == 136_908
    assert frame["primary"].n_unique() == 26
    assert rows_of(frame)["Fe"] == 5_211
    showers = frame.filter(pl.col("energy_eev") < 1, primary=primary)["xmax_g_cm2"]
    assert (showers.mean(), showers.std()) == pytest.approx((mean, deviation), abs=1.0)


def test_auger_hybrid() -> None:
    """Expected (README): 3,091 records of telescopes and 1,565 of the surface detector, which cannot be joined."""
    eyes, surface = read("auger_hybrid").frame.collect(), read("auger_hybrid_sd").frame.collect()
    assert (eyes.height, surface.height) == (3_091, 1_565)
    assert "primary" not in eyes.columns
    assert "zenith_deg" not in eyes.columns
    assert (eyes["xmax_g_cm2"].min(), eyes["xmax_g_cm2"].max()) == (511.23, 1064.95)
    assert (eyes["calorimetric_energy_eev"] < eyes["energy_eev"]).all()
    assert surface["zenith_deg"].max() < 60


def test_a_cut_without_ids_is_no_summary_table() -> None:
    source = AugerSource.model_validate({"kind": "auger", "files": ["auger_hybrid_fdrec.csv"]})
    with pytest.raises(SourceError, match="no event ids") as caught:
        read_source(source, directory=folder_of("auger_hybrid"), seed=1, threads=1)
    assert "kind: text" in caught.value.hint
