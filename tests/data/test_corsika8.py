"""CORSIKA 8 folders: the open one of the workshop, folders of our own, and what is refused."""

from __future__ import annotations

import contextlib
import math
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from corsika8_folders import Shower, particles_table, profile_table, write_folder, write_yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from projects import REPOSITORY

from cascada.config import Corsika8Source
from cascada.data.sources import read_source
from cascada.data.sources.ground import LIGHT_M_PER_NS
from cascada.errors import SourceError

SHARED_DATA = REPOSITORY.parent / "shared" / "data"
DEPTH = np.arange(0.0, 1200.0, 10.0)


def bump(xmax: float, width: float = 180.0) -> dict[str, np.ndarray]:
    return {"X": DEPTH, "charged": 1e6 * np.exp(-(((DEPTH - xmax) / width) ** 2) / 2)}


def read(folder: Path, *files: str, **options: object) -> pl.DataFrame:
    config = Corsika8Source.model_validate({"kind": "corsika8", "files": files or ("run*",), **options})
    return read_source(config, directory=folder, seed=0, threads=1).frame.collect()


def only(folder: Path, *showers: Shower, **options: object) -> dict[str, object]:
    write_folder(folder / "run1", showers)
    return read(folder, **options).row(0, named=True)


@pytest.fixture
def workshop() -> Path:
    """One electromagnetic shower of an early version, without the module primary."""
    folder = SHARED_DATA / "corsika8_workshop"
    if not folder.is_dir():
        pytest.skip(f"the open CORSIKA 8 folder is not at {folder}")
    return folder


def test_the_shower_of_the_workshop(workshop: Path) -> None:
    files = {"electron": "shower_*/vertical_EAS_outputs"}
    row = read(workshop, files=files, energy_eev=1e-5, zenith_deg=0).row(0, named=True)
    # particles/summary.yaml counts 612 electromagnetic particles and nothing else
    assert (row["n_em"], row["n_mu"], row["n_hadron"], row["n_other"]) == (612, 0, 0, 0)
    table = pl.read_parquet(workshop / "shower_42/vertical_EAS_outputs/particles/particles.parquet")
    assert row["n_gamma"] == table.filter(pl.col("pdg") == 22).height
    distance = (table["x"].cast(pl.Float64) ** 2 + table["y"].cast(pl.Float64) ** 2).sqrt()
    assert row["r_em_mean_m"] == pytest.approx(distance.mean())
    assert row["r_em_rms_m"] == pytest.approx((distance**2).mean() ** 0.5)
    assert row["xmax_g_cm2"] == pytest.approx(410, abs=15), "the profile has its largest bin at 410 g/cm2"
    assert (row["primary"], row["energy_eev"], row["zenith_deg"]) == ("electron", 1e-5, 0)
    assert (row["first_interaction_km"], row["hadronic_model"]) == (None, None)


def test_an_early_folder_does_not_say_its_primary(workshop: Path) -> None:
    with pytest.raises(SourceError, match="does not say what its primary is") as caught:
        read(workshop, "shower_*/vertical_EAS_outputs")
    assert "source.energy_eev" in caught.value.expected


def test_showers_of_a_run_are_rows(tmp_path: Path) -> None:
    showers = [
        Shower(pdg=22, energy_gev=1e9, particles={"pdg": [22, 11, -11, 13], "weight": [2, 3, 4, 5]}, profile=bump(800)),
        Shower(pdg=1000260560, energy_gev=2e9, profile=bump(650)),
        Shower(pdg=2212, particles={"pdg": [2112, 211, 14, 1000020040]}, profile=bump(700)),
    ]
    write_folder(tmp_path / "run1", showers, args="-p 2212 --hadronModel EPOS-LHC -E 1e6")
    table = read(tmp_path)
    assert table["primary"].to_list() == ["photon", "Fe", "p"]
    assert table["energy_eev"].to_list() == pytest.approx([1.0, 2.0, 1e-3])
    assert table.select("n_gamma", "n_e", "n_em", "n_mu", "n_hadron", "n_other").rows() == [
        (2, 7, 9, 5, 0, 0), (0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 2, 2),
    ]  # fmt: skip
    assert table["xmax_g_cm2"].to_list() == pytest.approx([800, 650, 700], abs=1e-3)
    assert table["hadronic_model"].to_list() == ["EPOS-LHC"] * 3
    assert table["first_interaction_km"].to_list() == pytest.approx([21.4] * 3)
    assert table["shower_id"].to_list() == [0, 1, 2]


@pytest.mark.parametrize(
    ("args", "model"),
    [("-M SIBYLL-2.3d", "SIBYLL-2.3d"), ("--hadronModel=QGSJet-II.04", "QGSJet-II.04"), ("-E 3", None), ("'", None)],
)
def test_the_hadronic_model_is_that_of_the_command(tmp_path: Path, args: str, model: str | None) -> None:
    write_folder(tmp_path / "run1", [Shower()], args=args)
    assert read(tmp_path)["hadronic_model"].to_list() == [model]


def test_an_inclined_plane_front_arrives_at_once(tmp_path: Path) -> None:
    zenith, azimuth = math.radians(60), math.radians(200)
    axis = (math.sin(zenith) * math.cos(azimuth), math.sin(zenith) * math.sin(azimuth), -math.cos(zenith))
    distance = np.array([-3000.0, -1000.0, 0.0, 2000.0])
    x, y = distance * math.cos(azimuth), distance * math.sin(azimuth)
    time = (3e5 + distance * math.sin(zenith) / LIGHT_M_PER_NS) * 1e-9
    row = only(tmp_path, Shower(direction=axis, particles={"pdg": [22, 13, 22, -13], "x": x, "y": y, "time": time}))
    assert (row["zenith_deg"], row["azimuth_deg"]) == pytest.approx((60, 200))
    times = [row[f"t_{kind}_{percent}_ns"] for kind in ("em", "mu") for percent in (10, 50, 90)]
    assert times == pytest.approx([0.0] * 6, abs=1e-2)  # places are float32
    assert row["r_mu_mean_m"] == pytest.approx(1500 * math.cos(zenith))


def test_times_may_be_in_nanoseconds_if_the_folder_says_so(tmp_path: Path) -> None:
    showers = [Shower(particles={"pdg": [22, 22, 22], "time": [1e5, 1e5 + 4, 1e5 + 30]})]
    path = write_folder(tmp_path / "run1", showers)
    with pytest.raises(SourceError, match="more than a second") as caught:
        read(tmp_path)
    assert "`time: ns`" in caught.value.hint
    config = path / "particles/config.yaml"
    config.write_text(config.read_text().replace("length: m", "length: m\n  time: ns"))
    assert read(tmp_path)[0, "t_em_50_ns"] == pytest.approx(4)


def test_a_shower_that_ends_before_its_maximum_has_none(tmp_path: Path) -> None:
    profile = bump(1100)
    profile["charged"][DEPTH > 870] = 0
    assert only(tmp_path, Shower(profile=profile))["xmax_g_cm2"] is None


def test_folders_of_many_runs(tmp_path: Path) -> None:
    for number, code in enumerate((2212, 1000020040)):
        write_folder(tmp_path / f"run{number}", [Shower(pdg=code, profile=bump(700 + number))])
    table = read(tmp_path)
    assert table.select("shower_id", "primary").rows() == [(0, "p"), (10_000_000, "He")]
    shutil.copytree(tmp_path / "run0", tmp_path / "run2")
    with pytest.raises(SourceError, match="two folders hold the same showers"):
        read(tmp_path)


def test_memory_does_not_grow_with_a_huge_shower(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    size = 1_000_000
    particles = {"pdg": rng.choice([22, 11, 13], size), "x": rng.normal(size=size), "y": rng.normal(size=size)}
    path = write_folder(tmp_path / "run1", [Shower()])
    particles_table([Shower(particles=particles)]).write_parquet(
        path / "particles/particles.parquet", row_group_size=50_000
    )
    tracemalloc.start()
    row = read(tmp_path).row(0, named=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert row["n_em"] + row["n_mu"] == size
    assert peak < 15e6


# --- refusals ---------------------------------------------------------------------------------------------------------

ONE = Shower(particles={"pdg": [22, 13]}, profile=bump(700))


def refused(folder: Path, what: str, **options: object) -> SourceError:
    with pytest.raises(SourceError, match=what) as caught:
        read(folder, **options)
    return caught.value


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        ("particles/particles.parquet", "no particles/particles.parquet"),
        ("particles/config.yaml", "no particles/config.yaml"),
        ("profile/profile.parquet", "no profile/profile.parquet"),
        ("summary.yaml", "no summary.yaml, which CORSIKA 8 writes when a run ends"),
        ("config.yaml", "no run1/config.yaml"),
    ],
)
def test_a_missing_module_is_named(tmp_path: Path, missing: str, what: str) -> None:
    (write_folder(tmp_path / "run1", [ONE]) / missing).unlink()
    refused(tmp_path, what)


def test_a_missing_folder_of_a_module_offers_the_nearest(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "run1", [ONE])
    (path / "profile").rename(path / "profiles")
    error = refused(tmp_path, "no profile/profile.parquet")
    assert error.hint.startswith("did you mean profiles")


@pytest.mark.parametrize(
    ("table", "column", "renamed", "hint"),
    [
        ("particles", "weight", "weights", "did you mean weights?"),
        ("particles", "shower", "showers", "did you mean showers?"),
        ("particles", "time", "arrival", "valid names: "),
        ("profile", "charged", "Charged", "did you mean Charged?"),
    ],
)
def test_a_missing_column_offers_the_nearest(tmp_path: Path, table: str, column: str, renamed: str, hint: str) -> None:
    file = write_folder(tmp_path / "run1", [ONE]) / f"{table}/{table}.parquet"
    pl.read_parquet(file).rename({column: renamed}).write_parquet(file)
    error = refused(tmp_path, f"no column '{column}'")
    assert error.hint.startswith(hint)
    assert (error.where, renamed in error.got) == (str(file), True)


@pytest.mark.parametrize(
    ("table", "change", "what"),
    [
        ("particles", pl.lit(None, pl.Float32).alias("x"), "column 'x' holds what no number is"),
        ("particles", pl.lit(math.nan, pl.Float32).alias("y"), "column 'y' holds what no number is"),
        ("particles", pl.lit("1").alias("time"), "column 'time' holds what no number is"),
        ("particles", pl.lit(0.0, pl.Float32).alias("weight"), "weight that is not positive"),
        ("particles", pl.lit(7, pl.Int32).alias("pdg"), "unknown PDG code 7"),
        ("particles", pl.lit(3, pl.UInt32).alias("shower"), "holds more showers than the run"),
        ("particles", pl.col("shower").reverse() * 0 + pl.Series([1, 0], dtype=pl.UInt32), "not in order"),
        ("profile", -pl.col("charged"), "negative or its depths do not increase"),
        ("profile", pl.col("X").reverse(), "negative or its depths do not increase"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, table: str, change: pl.Expr, what: str) -> None:
    file = write_folder(tmp_path / "run1", [ONE, Shower()]) / f"{table}/{table}.parquet"
    pl.read_parquet(file).with_columns(change).write_parquet(file)
    refused(tmp_path, what)


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("summary.yaml", {"showers": 0}, "holds no showers"),
        ("summary.yaml", {"shower": 1}, "'showers' is no number"),
        ("summary.yaml", [1], "holds no mapping"),
        ("primary/summary.yaml", {}, "'shower_0' is missing"),
        ("primary/summary.yaml", {"shower_0": 3}, "'pdg' is no number"),
        ("primary/summary.yaml", {"shower_0": {"pdg": 2112}}, "PDG code 2112, which is none of the known primaries"),
        ("primary/summary.yaml", {"shower_0": {"pdg": 22, "nx": 0, "ny": 0, "nz": -1}}, "'total_energy' is no number"),
        (
            "primary/summary.yaml",
            {"shower_0": {"pdg": 22, "nx": 0, "ny": 0, "nz": -2, "total_energy": 1}},
            "energy or direction is out of range",
        ),
        ("interactions/summary.yaml", {"shower_0": {"x": 0, "y": 0}}, "'z' is no number"),
        ("particles/config.yaml", {"plane": {"center": [0, 0, 1]}}, "no centre and normal"),
        ("particles/config.yaml", {"plane": {"center": [0, 0, 1], "normal": [0, 1, 1]}}, "not horizontal"),
        (
            "particles/config.yaml",
            {"plane": {"center": [0, 0, 1], "normal": [0, 0, 1]}, "units": {"time": "sec"}},
            "times in unit 'sec' cannot be read",
        ),
        (
            "particles/summary.yaml",
            {"shower_0": {"em": {"count": 1}, "muon": {"count": 0}}},
            "not as many as the run counted",
        ),
    ],
)
def test_bad_yaml_is_refused(tmp_path: Path, file: str, content: object, what: str) -> None:
    write_yaml(write_folder(tmp_path / "run1", [ONE]) / file, content)
    refused(tmp_path, what)


def test_the_own_count_of_the_run_is_kept_to(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "run1", [ONE])
    kinds = {"em": {"count": 1}, "muon": {"count": 1}, "hadron": {"count": 0}}
    write_yaml(path / "particles/summary.yaml", {"shower_0": kinds})
    assert read(tmp_path)[0, "n_mu"] == 1


def test_a_folder_of_another_primary_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "run1", [ONE])
    refused(tmp_path, r"holds a shower of p, but source\.files says He", files={"He": "run1"})


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TABLES = ("particles/particles.parquet", "profile/profile.parquet")
FILES = ("config.yaml", "summary.yaml", "primary/summary.yaml", "particles/config.yaml", "interactions/summary.yaml")


@FUZZ
@given(data=st.data(), file=st.sampled_from(TABLES + FILES))
def test_damaged_files_are_read_or_refused(tmp_path: Path, data: st.DataObject, file: str) -> None:
    path = write_folder(tmp_path / "run1", [ONE])
    content = bytearray((path / file).read_bytes())
    for position in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), max_size=10)):
        content[position // 8] ^= 1 << (position % 8)
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    (path / file).write_bytes(content[:cut])
    with contextlib.suppress(SourceError):
        read(tmp_path)


@FUZZ
@given(content=st.binary(max_size=300), file=st.sampled_from(TABLES + FILES))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, file: str) -> None:
    path = write_folder(tmp_path / "run1", [ONE])
    (path / file).write_bytes(content)
    with contextlib.suppress(SourceError):
        read(tmp_path)


def test_the_writer_writes_one_row_a_particle() -> None:
    assert (particles_table([ONE, ONE]).height, profile_table([ONE]).height) == (4, len(DEPTH))
