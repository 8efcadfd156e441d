"""CORSIKA 7 files: known numbers of real files, showers of our own in every layout, and what is refused."""

from __future__ import annotations

import contextlib
import gzip
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import corsikaio
import numpy as np
import polars as pl
import pytest
import zstandard
from corsika_files import PLAIN, THINNED, Rows, Shower, blocks, encode, pack, particles, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from projects import REPOSITORY

from cascada.config import Corsika7Source
from cascada.data.sources import SourceTable, read_source
from cascada.data.sources.corsika7 import HITS_SCHEMA, read_corsika7, read_hits
from cascada.data.sources.ground import LIGHT_M_PER_NS
from cascada.errors import SourceError

SHARED_DATA = REPOSITORY.parent / "shared" / "data"
PANAMA_PRIMARIES = {0: ("p", 50), 1: ("He", 25), 2: ("C", 5), 3: ("Si", 5), 4: ("Fe", 5)}
QUANTILES = [f"t_{kind}_{percent}_ns" for kind in ("em", "mu") for percent in (10, 50, 90)]


def source(*files: str, **options: object) -> Corsika7Source:
    return Corsika7Source.model_validate({"kind": "corsika7", "files": files or ("DAT??????",), **options})


def read(folder: Path, *files: str, **options: object) -> pl.DataFrame:
    return read_corsika7(source(*files, **options), folder).frame.collect()


def only(folder: Path, content: bytes, **options: object) -> pl.DataFrame:
    write(folder / "DAT000001", content)
    return read(folder, **options)


def shared(folder: str) -> Path:
    if not (SHARED_DATA / folder).is_dir():
        pytest.skip(f"the open CORSIKA 7 files are not at {SHARED_DATA / folder}")
    return SHARED_DATA / folder


@pytest.fixture(scope="module")
def panama() -> Path:
    """Twenty-seven runs above 1 TeV, with mother and grandmother rows."""
    return shared("corsika7_panama")


@pytest.fixture(scope="module")
def pycorsikaio() -> Path:
    """Three single runs, one of them thinned."""
    return shared("corsika7_pycorsikaio")


# --- real files -------------------------------------------------------------------------------------------------------


def test_every_run_of_panama_has_its_primary_and_showers(panama: Path) -> None:
    table = read(panama)
    for path in sorted(panama.glob("DAT??????")):
        run = int(path.name[3:])
        primary, showers = PANAMA_PRIMARIES[run // 10]
        rows = table.filter(pl.col("shower_id") // 10_000_000 == run)
        assert rows["primary"].unique().to_list() == [primary], path.name
        assert rows["shower_id"].to_list() == [run * 10_000_000 + event for event in range(1, showers + 1)]
    assert table.height == 4 * 50 + 5 * 25 + 18 * 5
    assert table["energy_eev"].is_between(1e-5, 1.0).all()
    assert (table["zenith_deg"] == 0).all()
    assert (table["hadronic_model"] == "SIBYLL").all()
    assert (table["n_em"] == 0).all(), "the cut on electrons is 1 TeV"
    assert table["xmax_g_cm2"].null_count() == table.height, "no longitudinal fit was asked for"
    assert table["first_interaction_km"].is_between(8, 80).all()


def test_counts_are_those_that_corsika_wrote_into_the_event_end(panama: Path, pycorsikaio: Path) -> None:
    for folder, pattern in ((panama, "DAT??????"), (pycorsikaio, "corsika*_particle"), (pycorsikaio, "corsika*_thin")):
        table = read(folder, pattern)
        ends = [
            [event.end[f"n_{kind}_weighted"] for kind in ("photons", "electrons", "hadrons", "muons")]
            for path in sorted(folder.glob(pattern))
            for event in corsikaio.CorsikaParticleFile(str(path), thinning="thin" in path.name)
        ]
        assert table.select("n_gamma", "n_e", "n_hadron", "n_mu").to_numpy() == pytest.approx(np.array(ends), rel=1e-5)


def test_the_first_shower_of_corsika_757(pycorsikaio: Path) -> None:
    first = read(pycorsikaio, "corsika757_particle").row(0, named=True)
    counts = {name: first[name] for name in ("n_gamma", "n_e", "n_mu", "n_hadron", "n_other", "n_em")}
    assert counts == {"n_gamma": 12, "n_e": 3, "n_mu": 10, "n_hadron": 3, "n_other": 0, "n_em": 15}
    assert (first["primary"], first["hadronic_model"]) == ("p", "QGSJET")
    assert first["energy_eev"] == pytest.approx(200e-9)
    assert first["zenith_deg"] == pytest.approx(math.degrees(0.028653739))
    assert first["azimuth_deg"] == pytest.approx(360 - math.degrees(0.08061041))
    assert first["first_interaction_km"] == pytest.approx(11.531574)
    assert first["xmax_g_cm2"] == pytest.approx(342.81696 / math.cos(0.028653739))
    hits = pl.concat(read_hits(pycorsikaio / "corsika757_particle")).filter(pl.col("shower_id") == 10_000_001)
    assert dict(hits["pdg"].value_counts().iter_rows()) == {22: 12, -11: 1, 11: 2, -13: 5, 13: 5, 2112: 3}


def test_the_fitted_maximum_is_where_the_longitudinal_table_peaks(pycorsikaio: Path) -> None:
    table = read(pycorsikaio, "corsika757_particle", depths="slant")
    peaks = [
        event.longitudinal["vertical_depth"][event.longitudinal["n_charged"].argmax()]
        for event in corsikaio.CorsikaParticleFile(str(pycorsikaio / "corsika757_particle"))
    ]
    # showers of 200 GeV have a hundred charged particles: the peak is ragged
    assert np.abs(table["xmax_g_cm2"].to_numpy() - peaks) == pytest.approx(np.zeros(10), abs=80)
    assert np.corrcoef(table["xmax_g_cm2"].to_numpy(), peaks)[0, 1] > 0.9


def test_the_third_fit_parameter_of_the_text_table_is_the_depth_of_its_maximum(pycorsikaio: Path) -> None:
    from corsikaio.longitudinal import read_longitudinal_distributions

    [profile] = read_longitudinal_distributions(pycorsikaio / "corsika_77500_particle_vertical.long")
    steps = profile["particles"]
    assert steps["depth"][steps["charged"].argmax()] == pytest.approx(profile["parameters"][2], abs=25)


def test_photons_of_corsika_77500(pycorsikaio: Path) -> None:
    table = read(pycorsikaio, "corsika_77500_particle")
    assert table["primary"].to_list() == ["photon"] * 5
    assert table["energy_eev"].to_list() == pytest.approx([1e-5] * 5)
    assert (table["hadronic_model"] == "EPOS").all()
    assert table["xmax_g_cm2"].to_list() == pytest.approx([478.57401, 595.4425, 416.92224, 388.98563, 491.33206])
    hits = pl.concat(read_hits(pycorsikaio / "corsika_77500_particle"))
    assert hits.filter(pl.col("shower_id") == 20_000_001).height == 1360
    assert table[0, "n_em"] == 1204 + 156


def test_thinned_showers_have_their_weights(pycorsikaio: Path) -> None:
    table = read(pycorsikaio, "corsika76900_thin")
    assert table["primary"].to_list() == ["p"] * 5
    assert table["energy_eev"].to_list() == pytest.approx([978284.8e-9, 193059.1e-9, 107e-6, 195e-6, 123e-6], rel=0.005)
    assert table[0, "n_mu"] == pytest.approx(14184.179, rel=1e-6)
    hits = pl.concat(read_hits(pycorsikaio / "corsika76900_thin")).filter(pl.col("shower_id") == 110_000_001)
    assert hits.height == 2226, "1901 rows about the origin of muons are left out of 4127"
    assert (hits["weight"].min(), hits["weight"].max()) == pytest.approx((1, 67093.836))
    muons = hits.filter(pl.col("pdg").abs() == 13)
    assert muons["weight"].cast(pl.Float64).sum() == pytest.approx(table[0, "n_mu"])


def test_inclined_showers_arrive_as_a_front(pycorsikaio: Path) -> None:
    """At 44 degrees a kilometre of ground delays by 2300 ns: without the front taken off, nothing would be early."""
    table = read(pycorsikaio, "corsika76900_thin")
    assert table["zenith_deg"].max() == pytest.approx(44.4490, abs=1e-3)
    assert table["t_mu_10_ns"].is_between(0, 5).all()
    assert table["t_mu_50_ns"].is_between(10, 100).all()


# --- showers of our own -----------------------------------------------------------------------------------------------


def toy(rng: np.random.Generator, size: int = 100, *, thinned: bool = False) -> Rows:
    weights = {"weight": rng.uniform(1, 100, size)} if thinned else {}
    return particles(
        rng.choice([1, 2, 3, 5, 6, 14], size), px=rng.normal(size=size), py=rng.normal(size=size),
        pz=rng.exponential(size=size), x=rng.normal(0, 1e4, size), y=rng.normal(0, 1e4, size),
        t=6e4 + rng.exponential(100, size), **weights,
    )  # fmt: skip


def run_of(showers: int, *, thinned: bool = False) -> list[Shower]:
    rng = np.random.default_rng(5)
    return [
        Shower(event=event + 1, energy=1e6 * (event + 1), zenith=0.3, azimuth=-1.0, rows=toy(rng, 97, thinned=thinned),
               fit=(1e6, 0, 700, 70, 0, 0), long_blocks=event % 3)
        for event in range(showers)
    ]  # fmt: skip


@pytest.mark.parametrize("thinned", [False, True])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_every_layout_gives_the_same_table(tmp_path: Path, thinned: bool, fortran: bool, suffix: str) -> None:
    showers = run_of(30, thinned=thinned)
    write(tmp_path / f"DAT000007{suffix}", encode(showers, thinned=thinned, fortran=fortran, run=7))
    table = read(tmp_path, f"DAT000007{suffix}")
    assert table["shower_id"].to_list() == [70_000_000 + event for event in range(1, 31)]
    for row, shower in zip(table.iter_rows(named=True), showers, strict=True):
        code = shower.rows[:, 0] // 1000
        weight = shower.rows[:, 7].astype(float) if thinned else np.ones(97)
        assert row["n_gamma"] == pytest.approx(weight[code == 1].sum())
        assert row["n_mu"] == pytest.approx(weight[np.isin(code, (5, 6))].sum())
        assert row["energy_eev"] == pytest.approx(shower.energy * 1e-9)
        assert row["xmax_g_cm2"] == pytest.approx(700 / math.cos(0.3))
        assert row["azimuth_deg"] == pytest.approx(360 - math.degrees(1.0))
    hits = pl.concat(read_hits(tmp_path / f"DAT000007{suffix}"))
    rows = np.concatenate([shower.rows for shower in showers])
    assert hits["px_gev"].to_list() == rows[:, 1].tolist()
    assert hits["y_m"].to_numpy() == pytest.approx(rows[:, 5] / 100)
    assert hits["t_ns"].to_list() == rows[:, 6].tolist()


@pytest.mark.parametrize("thinned", [False, True])
@pytest.mark.parametrize("fortran", [False, True])
def test_corsikaio_reads_what_our_writer_writes(tmp_path: Path, thinned: bool, fortran: bool) -> None:
    # corsikaio takes what is left of a wider LONG sub-block after its header for whole rows, and stops
    showers = [replace(shower, long_blocks=0) if thinned else shower for shower in run_of(5, thinned=thinned)]
    path = write(tmp_path / "DAT000001", encode(showers, thinned=thinned, fortran=fortran))
    events = list(corsikaio.CorsikaParticleFile(str(path), thinning=thinned))
    for event, shower in zip(events, showers, strict=True):
        assert event.header["total_energy"] == shower.energy
        assert event.header["run_number"] == 1
        assert event.end["longitudinal_fit_parameters"].tolist() == list(shower.fit)
        assert event.end["n_particles_written"] == len(shower.rows)
        assert event.particles.view(np.float32).reshape(len(shower.rows), -1).tolist() == shower.rows.tolist()


@pytest.mark.parametrize(
    ("code", "primary"),
    [(1, "photon"), (3, "electron"), (14, "p"), (402, "He"), (5426, "Fe"), (5626, "Fe"), (1407, "N")],
)
def test_isotopes_count_as_their_element(tmp_path: Path, code: int, primary: str) -> None:
    assert only(tmp_path, encode([Shower(primary=code)]))["primary"].to_list() == [primary]


@pytest.mark.parametrize(
    ("model", "name"), [(0, "HDPM"), (2, "SIBYLL"), (3, "QGSJET"), (4, "DPMJET"), (6, "EPOS"), (9, "CORSIKA model 9")]
)
def test_the_hadronic_model_has_its_name(tmp_path: Path, model: int, name: str) -> None:
    assert only(tmp_path, encode([Shower(model=model)]))["hadronic_model"].to_list() == [name]


def test_each_particle_is_counted_once_in_its_class(tmp_path: Path) -> None:
    rows = particles([1, 1, 2, 3, 5, 6, 6, 8, 13, 25, 116, 66, 69, 131, 201, 402])
    row = only(tmp_path, encode([Shower(rows=rows)])).row(0, named=True)
    expected = {"n_gamma": 2, "n_e": 2, "n_em": 4, "n_mu": 3, "n_hadron": 4, "n_other": 5}
    assert {name: row[name] for name in expected} == expected


def test_bookkeeping_is_no_particle(tmp_path: Path) -> None:
    mothers = particles([-8, -13, 75, 5, 76, 6, 85, 86, 95, 96, 14], x=1e5, t=-9e6)
    mothers[[3, 5, 10], 4:] = [[300, 400, 50], [300, 400, 60], [0, 0, 55]]
    row = only(tmp_path, encode([Shower(rows=mothers)])).row(0, named=True)
    assert (row["n_mu"], row["n_hadron"], row["n_em"], row["n_other"]) == (2, 1, 0, 0)
    assert (row["r_mu_mean_m"], row["t_mu_90_ns"]) == (5.0, 10.0), "nor do its places and times count"
    assert pl.concat(read_hits(tmp_path / "DAT000001"))["pdg"].to_list() == [-13, 13, 2212]


def test_distances_and_times_of_a_vertical_shower(tmp_path: Path) -> None:
    rows = particles(
        [1, 3, 5, 14], x=[300, 0, 1200, 0], y=[400, 1000, 500, 0], t=[1010, 1030, 1005, 1000], weight=[3, 1, 2, 1]
    )
    row = only(tmp_path, encode([Shower(rows=rows)], thinned=True)).row(0, named=True)
    assert row["r_em_mean_m"] == pytest.approx((3 * 5 + 10) / 4)
    assert row["r_em_rms_m"] == pytest.approx(math.sqrt((3 * 25 + 100) / 4))
    assert (row["r_mu_mean_m"], row["r_mu_rms_m"]) == pytest.approx((13.0, 13.0))
    assert [row[name] for name in QUANTILES] == [10.0, 10.0, 30.0, 5.0, 5.0, 5.0]


def test_an_inclined_plane_front_arrives_at_once(tmp_path: Path) -> None:
    zenith, azimuth = math.radians(60), math.radians(30)
    distance = np.array([-3e5, -1e5, 0.0, 2e5, 5e5])
    x, y = distance * math.cos(azimuth), distance * math.sin(azimuth)
    time = 1e4 + distance / 100 * math.sin(zenith) / LIGHT_M_PER_NS
    rows = particles([1, 5, 14, 2, 6], x=x, y=y, t=time)
    row = only(tmp_path, encode([Shower(zenith=zenith, azimuth=azimuth, rows=rows)])).row(0, named=True)
    assert [row[name] for name in QUANTILES] == pytest.approx([0.0] * 6, abs=2e-3)  # times are float32
    assert row["r_mu_mean_m"] == pytest.approx((1000 + 5000) / 2 * math.cos(zenith)), (
        "along the axis nothing is distant"
    )
    across = particles([1], x=-100 * math.sin(azimuth), y=100 * math.cos(azimuth))
    row = only(tmp_path, encode([Shower(zenith=zenith, azimuth=azimuth, rows=across)])).row(0, named=True)
    assert row["r_em_mean_m"] == pytest.approx(1.0)


@pytest.mark.parametrize(("heights", "ground"), [((3e5, 2e5, 1e5), 3), ((1e5, 3e5), 1)])
def test_the_lowest_level_is_the_ground(tmp_path: Path, heights: tuple[float, ...], ground: int) -> None:
    levels = np.arange(1, len(heights) + 1)
    rows = np.concatenate([particles([5] * int(level), level=int(level), x=100 * level) for level in levels])
    row = only(tmp_path, encode([Shower(heights=heights, rows=rows)])).row(0, named=True)
    assert (row["n_mu"], row["r_mu_mean_m"]) == (ground, ground)
    hits = pl.concat(read_hits(tmp_path / "DAT000001"))
    assert hits["level"].to_list() == [level for level in levels for _ in range(level)]


def test_ten_levels_have_one_digit(tmp_path: Path) -> None:
    rows = particles([5, 5], level=np.array([9, 10]))
    heights = tuple(1e6 - 1e5 * level for level in range(10))
    assert only(tmp_path, encode([Shower(heights=heights, rows=rows)]))["n_mu"].to_list() == [1]
    assert pl.concat(read_hits(tmp_path / "DAT000001"))["level"].to_list() == [9, 10]


def test_coordinates_that_look_like_a_tag_are_coordinates(tmp_path: Path) -> None:
    rows = particles([1] * 80)
    for column, tag in ((4, b"EVTH"), (5, b"EVTE"), (6, b"RUNE"), (1, b"LONG")):
        rows[:, column] = np.frombuffer(tag, np.float32)[0]
    assert only(tmp_path, encode([Shower(rows=rows)]))["n_gamma"].to_list() == [80]


def test_a_shower_without_particles_is_a_row(tmp_path: Path) -> None:
    row = only(tmp_path, encode([Shower()])).row(0, named=True)
    assert (row["n_em"], row["n_mu"], row["n_hadron"]) == (0, 0, 0)
    assert {row[name] for name in ("r_em_mean_m", "r_mu_rms_m", "xmax_g_cm2", *QUANTILES)} == {None}


@pytest.mark.parametrize(("depths", "xmax"), [("vertical", 1000.0), ("slant", 500.0)])
def test_vertical_depths_become_slant(tmp_path: Path, depths: str, xmax: float) -> None:
    content = encode([Shower(zenith=math.radians(60), fit=(1e6, 0, 500, 70, 0, 0))])
    assert only(tmp_path, content, depths=depths)["xmax_g_cm2"].to_list() == pytest.approx([xmax])


@pytest.mark.parametrize("name", ["DAT000001", "DAT000001.gz"])
def test_the_table_beside_the_file_knows_better(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, encode([Shower()]))
    (tmp_path / "DAT000001.long").write_text(
        " LONGITUDINAL DISTRIBUTION IN   208 SLANT    STEPS OF    5. G/CM**2 FOR SHOWER  1\n"
    )
    read(tmp_path, name, depths="slant")
    with pytest.raises(SourceError, match="are vertical, the table beside the file says slant") as caught:
        read(tmp_path, name)
    assert caught.value.hint == "set source.depths to slant"


# --- several files ----------------------------------------------------------------------------------------------------


def test_runs_of_one_number_have_ids_of_their_own(tmp_path: Path) -> None:
    for number, folder in enumerate(("iron", "proton")):
        (tmp_path / folder).mkdir()
        shower = Shower(primary=(5626, 14)[number], energy=1e6 + number, rows=particles([5]))
        write(tmp_path / folder / "DAT000003", encode([shower], run=3))
    config = source(files={"Fe": "iron/DAT??????", "p": "proton/DAT??????"}, hits=True)
    table = read_source(config, directory=tmp_path, seed=0, threads=1)
    assert dict(table.frame.select("primary", "shower_id").collect().iter_rows()) == {
        "p": 30_000_001,
        "Fe": 10_000_030_000_001,
    }
    assert table.tables["hits"].collect()["shower_id"].to_list() == [30_000_001, 10_000_030_000_001]
    assert table.files == {"p": str(tmp_path / "proton/DAT000003"), "Fe": str(tmp_path / "iron/DAT000003")}
    assert set(table.origin["sha256"]) == {"proton/DAT000003", "iron/DAT000003"}


def test_the_same_showers_twice_are_refused(tmp_path: Path) -> None:
    for name in ("DAT000001", "DAT000002"):
        write(tmp_path / name, encode(run_of(2)))
    with pytest.raises(SourceError, match="two files hold the same showers") as caught:
        read(tmp_path)
    assert "DAT000001 and" in caught.value.where


def test_a_file_of_another_primary_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "DAT000001", encode([Shower(primary=5426)]))
    with pytest.raises(SourceError, match=r"holds showers of Fe, but source\.files says p"):
        read(tmp_path, files={"p": "DAT000001"})


def opened(folder: Path, **options: object) -> SourceTable:
    write(folder / "DAT000001", encode(run_of(5)))
    return read_corsika7(source(**options), folder)


def test_the_table_is_lazy_and_the_hits_are_offered_on_request(tmp_path: Path) -> None:
    assert opened(tmp_path).tables == {}
    table = opened(tmp_path, hits=True)
    hits = table.tables["hits"]
    assert dict(hits.collect_schema()) == HITS_SCHEMA
    muons = hits.filter(pl.col("pdg").abs() == 13).group_by("shower_id").len().collect()
    assert dict(muons.iter_rows()) == dict(table.frame.select("shower_id", "n_mu").collect().iter_rows())
    assert table.frame.select("n_mu").head(2).collect().shape == (2, 1)
    assert len(table.origin["sha256"]) == 1  # type: ignore[arg-type]


def test_a_damaged_file_is_refused_by_whoever_collects(tmp_path: Path) -> None:
    table = opened(tmp_path, hits=True)
    content = (tmp_path / "DAT000001").read_bytes()
    (tmp_path / "DAT000001").write_bytes(content[: len(content) // 2])
    for frame in (table.frame, table.tables["hits"]):
        with pytest.raises(SourceError, match="truncated"):
            frame.collect()
        with pytest.raises(SourceError, match="truncated"):
            frame.sink_parquet(tmp_path / "out.parquet")


# --- refusals ---------------------------------------------------------------------------------------------------------


def edited(showers: list[Shower], **changes: float) -> bytes:
    """A file with one word changed: block 0 is RUNH, 1 the first EVTH."""
    laid = blocks(showers)
    laid[int(changes["block"]), int(changes["word"]) - 1] = changes["value"]
    return pack(laid)


ONE = [Shower(rows=particles([1, 5, 14]))]
MESSAGES: list[tuple[str, bytes, str, str]] = [
    ("zero length", b"", "is empty", ""),
    ("text", b" LONGITUDINAL DISTRIBUTION", "no CORSIKA 7 particle file", "b' LONGITU'"),
    ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(3000), "no CORSIKA 7 particle file", "89 48 44 46"),
    ("another record length", bytes([0, 1, 0, 0]) + b"RUNH" + bytes(3000), "no CORSIKA 7 particle file", ""),
    ("record, but no run", (22932).to_bytes(4, "little") + b"EVTH" + bytes(30000), "no CORSIKA 7 particle file", ""),
    ("big endian", (22932).to_bytes(4, "big") + b"HNUR" + bytes(3000), "no CORSIKA 7 particle file", ""),
    ("eventio", b"\x37\x8a\x1f\xd4" + bytes(3000), "Cherenkov photons of CORSIKA's IACT option", ""),
    ("eventio, big endian", b"\xd4\x1f\x8a\x37" + bytes(3000), "eventio", ""),
    ("bare, nothing after the header", blocks(ONE)[:1].tobytes(), "holds no event after its run header", "1092 bytes"),
    ("old version", encode(ONE, version=5.62), "version of CORSIKA that is not supported", "5.62"),
    ("new version", encode(ONE, version=8.0), "version of CORSIKA that is not supported", "8"),
    ("version not a number", encode(ONE, version=math.nan), "version of CORSIKA is not a finite number", "nan"),
    ("unknown primary", encode([Shower(primary=8)]), "the primary has particle code 8", ""),
    ("energy not a number", edited(ONE, block=1, word=4, value=math.nan), "energy is not a finite number", "nan"),
    ("zenith infinite", edited(ONE, block=1, word=11, value=math.inf), "zenith angle is not a finite number", "inf"),
    ("negative energy", edited(ONE, block=1, word=4, value=-1), "energy or zenith angle is out of range", "-1 GeV"),
    ("no levels", edited(ONE, block=1, word=47, value=0), "number of observation levels is not as it should be", "0"),
    ("event of another run", encode([Shower(run=4)]), "run number of the event header is not as it should", "4"),
    ("event number with a fraction", edited(ONE, block=1, word=2, value=1.5), "the event number is not as it", "1.5"),
    ("events out of order", encode([Shower(event=2), Shower(event=2)]), "event numbers do not increase", "2 after 2"),
    ("end of another event", edited(ONE, block=3, word=2, value=7), "event number of the event end is not as", "7"),
    ("fit not a number", edited(ONE, block=3, word=258, value=math.nan), "longitudinal fit is not a finite", "nan"),
    ("showers missing", encode(ONE, counted=2), "showers are missing from the run", "1"),
    ("particles missing", encode([Shower(rows=particles([1]), written=2)]), "of a shower are not as many", "1"),
    ("particles doubled", encode([Shower(rows=particles([1, 1]), written=1)]), "of a shower are not as many", "2"),
    ("NaN in a particle", edited(ONE, block=2, word=7 + 5, value=math.nan), "holds NaN or infinity", "1 such rows"),
    ("infinite particle", edited(ONE, block=2, word=7 + 5, value=-math.inf), "holds NaN or infinity", "-inf"),
    ("unknown particle", encode([Shower(rows=particles([1, 4]))]), "code that CORSIKA 7 does not know", "4011"),
    ("Cherenkov bunch", edited(ONE, block=2, word=1, value=4.7), "may be Cherenkov photons", "4.7"),
    ("description missing", edited([Shower(rows=particles([1], x=5))], block=2, word=1, value=0), "no particle", ""),
    ("huge description", edited(ONE, block=2, word=1, value=1e30), "no particle description", "1e+30"),
    ("level that is not there", encode([Shower(rows=particles([1], level=2))]), "at none of the 1 obs", ""),
    ("no weight", encode([Shower(rows=particles([1], weight=0))], thinned=True), "weight that is not positive", ""),
    ("negative weight", encode([Shower(rows=particles([1], weight=-2))], thinned=True), "weight that is not", "-2"),
    ("event without end", pack(np.delete(blocks(run_of(2)), 5, axis=0)), "EVTH stands where none belongs", ""),
    ("end without event", pack(np.delete(blocks(ONE), 1, axis=0)), "particles stands where none belongs", ""),
    ("two runs", pack(blocks(ONE)) * 2, "RUNH stands where none belongs", ""),
    ("data after the end", pack(np.concatenate([blocks(ONE), blocks(ONE)[2:3]])), "particles stands where none", ""),
    ("not gzip", b"\x1f\x8b" + bytes(200), "cannot be read or decompressed", ""),
    ("damaged gzip", gzip.compress(encode(run_of(9)))[:-8] + b"12345678", "cannot be read or decompressed", ""),
    ("not zstd", b"\x28\xb5\x2f\xfd" + b"\xff" * 200, "cannot be read or decompressed", ""),
]  # fmt: skip


@pytest.mark.parametrize(("content", "what", "got"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES])
def test_refusals_say_what_is_wrong(tmp_path: Path, content: bytes, what: str, got: str) -> None:
    (tmp_path / "DAT000001").write_bytes(content)
    with pytest.raises(SourceError, match=what) as caught:
        read(tmp_path)
    assert str(tmp_path / "DAT000001") in caught.value.where
    assert got in caught.value.got


def test_an_unknown_primary_is_named_with_file_and_event(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="code 9999") as caught:
        only(tmp_path, encode([Shower(), Shower(event=2, primary=9999)], run=6))
    assert caught.value.where == f"{tmp_path / 'DAT000001'}, run 6, event 2"


def test_a_truncated_file_says_where_and_how_many_showers_are_whole(tmp_path: Path) -> None:
    content = encode(run_of(30))
    with pytest.raises(SourceError, match="the file is truncated") as caught:
        only(tmp_path, content[:50_000])
    # three records are 68 820 bytes; blocks 0 to 44 are RUNH and whole showers of 5, 6 and 7 blocks
    laid = np.frombuffer(content, np.uint32).reshape(-1, 21 * PLAIN + 2)[:, 1:-1].reshape(-1, PLAIN)
    whole_blocks = 2 * 21 + (50_000 - 2 * 22_940 - 4) // (4 * PLAIN)
    ends = np.count_nonzero(laid[:whole_blocks, 0] == int.from_bytes(b"EVTE", "little"))
    assert caught.value.got == f"{ends} whole showers, then the file ends"
    assert "byte 50000" in caught.value.where


def test_records_of_mixed_length_are_refused(tmp_path: Path) -> None:
    content = encode(run_of(30))[: 22_940 * 2] + encode(run_of(30, thinned=True), thinned=True)[26_216 * 2 :]
    with pytest.raises(SourceError, match="do not have one length") as caught:
        only(tmp_path, content)
    assert "near byte 45880" in caught.value.where
    assert (caught.value.expected, "length 26208" in caught.value.got) == (
        "records of 22932 bytes, as the first one",
        True,
    )


def test_pieces_of_zstd_frames_are_one_file(tmp_path: Path) -> None:
    content = encode(run_of(30))
    frames = zstandard.compress(content[:30_000]) + zstandard.compress(content[30_000:])
    (tmp_path / "DAT000001").write_bytes(frames)
    assert read(tmp_path).height == 30


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "DAT000001").mkdir()
    with pytest.raises(SourceError, match="cannot be opened"):
        read(tmp_path)


# --- fuzz -------------------------------------------------------------------------------------------------------------

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GOOD = {thinned: encode(run_of(4, thinned=thinned), thinned=thinned) for thinned in (False, True)}


def survive(folder: Path, content: bytes) -> None:
    """Either the content is read, or it is refused in so many words."""
    (folder / "DAT000001").write_bytes(content)
    for reading in (lambda: read(folder), lambda: list(read_hits(folder / "DAT000001"))):
        with contextlib.suppress(SourceError):
            reading()


@FUZZ
@given(
    content=st.binary(max_size=4000),
    head=st.sampled_from([b"", b"RUNH", b"\x94\x59\x00\x00RUNH", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"]),
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, head: bytes) -> None:
    survive(tmp_path, head + content)


@FUZZ
@given(data=st.data(), thinned=st.booleans(), packed=st.sampled_from(["no", "gzip", "zstd"]))
def test_flipped_bits_are_read_or_refused(tmp_path: Path, data: st.DataObject, thinned: bool, packed: str) -> None:
    content = bytearray({"no": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}[packed](GOOD[thinned]))
    for position in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=20)):
        content[position // 8] ^= 1 << (position % 8)
    survive(tmp_path, bytes(content))


@FUZZ
@given(data=st.data(), thinned=st.booleans())
def test_words_of_any_value_are_read_or_refused(tmp_path: Path, data: st.DataObject, thinned: bool) -> None:
    laid = blocks(run_of(2, thinned=thinned), thinned=thinned)
    words = laid.reshape(-1)
    for _ in range(data.draw(st.integers(1, 5))):
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.floats(width=32))
    survive(tmp_path, pack(laid))


@FUZZ
@given(data=st.data(), thinned=st.booleans(), fortran=st.booleans())
def test_sub_blocks_in_any_order_are_read_or_refused(
    tmp_path: Path, data: st.DataObject, thinned: bool, fortran: bool
) -> None:
    laid = blocks(run_of(3, thinned=thinned), thinned=thinned)
    order = data.draw(st.lists(st.integers(0, len(laid) - 1), max_size=30))
    survive(tmp_path, pack(laid[[0, *order]], fortran=fortran))


@FUZZ
@given(data=st.data(), thinned=st.booleans())
def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path, data: st.DataObject, thinned: bool) -> None:
    cut = data.draw(st.integers(0, len(GOOD[thinned]) - 1))
    with pytest.raises(SourceError):
        only(tmp_path, GOOD[thinned][:cut])


@pytest.mark.parametrize("squeeze", [gzip.compress, zstandard.compress])
def test_a_squeezed_file_cut_at_any_byte_gives_the_whole_table_or_none(tmp_path: Path, squeeze: object) -> None:
    content = squeeze(GOOD[False])  # type: ignore[operator]
    for cut in range(0, len(content), 997):
        with pytest.raises(SourceError):
            only(tmp_path, content[:cut])


# --- size -------------------------------------------------------------------------------------------------------------


def peak_megabytes(folder: Path) -> float:
    tracemalloc.start()
    try:
        table = read_corsika7(source("DAT*"), folder)
        table.frame.collect()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_a_huge_shower(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    write(tmp_path / "DAT000001", encode([Shower(rows=toy(rng, 1_000_000))]))
    assert (tmp_path / "DAT000001").stat().st_size > 28e6
    assert peak_megabytes(tmp_path) < 15


def test_a_file_that_unpacks_to_very_much_is_read_in_pieces(tmp_path: Path) -> None:
    laid = blocks(ONE)
    zeros = np.zeros((40_000, PLAIN), np.float32)
    write(tmp_path / "DAT000001.gz", pack(np.concatenate([laid[:3], zeros, laid[3:]]), fortran=False))
    assert (tmp_path / "DAT000001.gz").stat().st_size < 1e5
    assert peak_megabytes(tmp_path) < 10


def test_a_thinned_sub_block_is_wider() -> None:
    assert (THINNED // 39, PLAIN // 39) == (8, 7)
