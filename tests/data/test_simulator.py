"""A simulated table is a function of seed and settings alone."""

from __future__ import annotations

import functools
from pathlib import Path

import polars as pl
import pytest

from cascada.config import SimulatorSource
from cascada.data.snapshots import content_sha256
from cascada.data.sources.simulator import BLOCK_SHOWERS, simulate, simulate_chunks, simulate_truth
from cascada.errors import ConfigError
from cascada.physics.columns import COLUMNS

SEED = 11
MANY = 2 * BLOCK_SHOWERS + 1234


def source(**settings: object) -> SimulatorSource:
    return SimulatorSource.model_validate({"kind": "simulator", "showers": MANY, **settings})


@functools.cache
def whole() -> pl.DataFrame:
    return simulate(source(), SEED, threads=1).frame.collect()


@pytest.mark.parametrize(
    ("showers", "chunk"),
    [
        (40, 1),
        (40, 7),
        (MANY, 1000),
        (MANY, 7919),
        (MANY, BLOCK_SHOWERS - 1),
        (MANY, BLOCK_SHOWERS),
        (MANY, BLOCK_SHOWERS + 1),
        (MANY, MANY),
        (MANY, 10 * MANY),
    ],
)
def test_the_size_of_the_chunks_is_no_part_of_the_table(showers: int, chunk: int) -> None:
    chunks = list(simulate_chunks(source(showers=showers), SEED, chunk_showers=chunk))
    assert [frame.height for frame in chunks[:-1]] == [chunk] * (len(chunks) - 1)
    assert content_sha256(pl.concat(chunks)) == content_sha256(whole().head(showers))


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_the_number_of_threads_is_no_part_of_the_table(threads: int) -> None:
    assert content_sha256(simulate(source(), SEED, threads=threads).frame.collect()) == content_sha256(whole())


@pytest.mark.parametrize("showers", [1, 2, BLOCK_SHOWERS, BLOCK_SHOWERS + 1])
def test_a_longer_table_begins_with_the_shorter_one(showers: int) -> None:
    shorter = simulate(source(showers=showers), SEED).frame.collect()
    assert content_sha256(shorter) == content_sha256(whole().head(showers))


def test_another_seed_makes_other_showers() -> None:
    other = simulate(source(), SEED + 1).frame.collect()
    for column in ("energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2"):
        assert (other[column] != whole()[column]).all()


def test_blocks_do_not_repeat_each_other() -> None:
    assert whole()["energy_eev"].n_unique() == MANY


def test_a_seed_means_the_same_showers_for_good() -> None:
    first = whole().head(3)
    assert first["primary"].to_list() == ["He", "p", "N"]
    assert first["energy_eev"].to_list() == pytest.approx([1.24749188214, 1.10338611252, 114.532151125])
    assert first["zenith_deg"].to_list() == pytest.approx([59.4011690360, 15.4555669603, 53.2168637847])


def test_the_order_of_the_rows_says_nothing() -> None:
    for (primary,), part in whole().group_by("primary"):
        for count in ("n_mu", "n_em"):
            share = (part[count].diff().drop_nulls() < 0).mean()
            # the number of descents of n exchangeable values varies by (n + 1) / 12
            assert share == pytest.approx(0.5, abs=5 / (12 * part.height) ** 0.5), (primary, count)


def test_showers_keep_to_the_settings() -> None:
    settings = source(primaries=("Fe", "photon"), lg_energy_ev_min=18.5, lg_energy_ev_max=19.0, zenith_deg_max=30)
    frame = simulate(settings, SEED).frame.collect()
    assert frame["energy_eev"].is_between(10**0.5, 10.0).all()
    assert frame["zenith_deg"].is_between(0, 30).all()
    assert frame["energy_eev"].max() > 9.9
    assert frame["zenith_deg"].max() > 29.9
    assert dict(frame["primary"].value_counts().iter_rows()).keys() == {"Fe", "photon"}
    assert (frame["primary"] == "Fe").mean() == pytest.approx(0.5, abs=0.02)


def test_the_model_of_the_interactions_is_a_domain_of_every_row() -> None:
    frame = simulate(source(showers=20, hadronic_model="EPOS-LHC"), SEED).frame.collect()
    assert set(frame["hadronic_model"]) == {"EPOS-LHC"}
    assert COLUMNS["hadronic_model"].role == "domain"


def test_models_share_energies_and_differ_in_depth() -> None:
    one, other = (simulate(source(hadronic_model=name), SEED).frame.collect() for name in ("QGSJetII-04", "Sibyll2.3d"))
    assert one["energy_eev"].equals(other["energy_eev"])
    protons = one["primary"] == "p"
    deeper = other.filter(protons)["xmax_g_cm2"].mean() - one.filter(protons)["xmax_g_cm2"].mean()
    assert deeper == pytest.approx(25.0, abs=4.0)


def test_a_table_is_lazy_and_comes_in_pieces() -> None:
    table = simulate(source(showers=1_000_000_000), SEED)
    assert table.frame.collect_schema().names() == whole().columns
    first = table.frame.head(3).collect()
    assert first.equals(whole().head(3))
    assert table.frame.select("primary").head(2).collect()["primary"].to_list() == whole()["primary"].head(2).to_list()


def test_a_table_can_be_sunk(tmp_path: Path) -> None:
    table = simulate(source(anomalies={"muon_rich": 0.2}), SEED)
    for name, frame in {"showers": table.frame, **table.tables}.items():
        frame.sink_parquet(tmp_path / f"{name}.parquet")
    showers, truth = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("showers", "truth"))
    assert showers["shower_id"].equals(truth["shower_id"])
    assert showers.height == MANY


def test_only_the_truth_knows_of_anomalies() -> None:
    plain, table = whole(), simulate(source(anomalies={"muon_rich": 0.1, "deep_exotic": 0.05}), SEED)
    frame, truth = table.frame.collect(), table.tables["truth"].collect()
    assert frame.columns == plain.columns
    share = dict(truth["anomaly"].value_counts(normalize=True).iter_rows())
    assert share == pytest.approx({"none": 0.85, "muon_rich": 0.1, "deep_exotic": 0.05}, abs=0.02)
    ordinary = truth["anomaly"] == "none"
    assert frame.filter(ordinary).equals(plain.filter(ordinary))
    rich = truth["anomaly"] == "muon_rich"
    gain = (frame.filter(rich)["n_mu"] / plain.filter(rich)["n_mu"]).log().mean()
    assert gain == pytest.approx(0.47, abs=0.05)


def test_anomalies_hang_on_the_seed() -> None:
    settings = source(anomalies={"muon_rich": 0.5})
    one, other = (simulate(settings, seed).tables["truth"].collect()["anomaly"] for seed in (SEED, SEED + 1))
    assert (one == other).mean() == pytest.approx(0.5, abs=0.02)
    blocks = one.to_numpy()[: 2 * BLOCK_SHOWERS].reshape(2, BLOCK_SHOWERS)
    assert (blocks[0] == blocks[1]).mean() == pytest.approx(0.5, abs=0.03)


def test_without_anomalies_there_is_no_truth_to_tell() -> None:
    assert simulate(source(), SEED).tables == {}


@pytest.mark.parametrize("chunk", [1000, BLOCK_SHOWERS, 10 * MANY])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_truth_depends_on_the_seed_alone(chunk: int, threads: int) -> None:
    settings = source(anomalies={"double_bang": 0.1, "preshowered_photon": 0.5})
    truth = simulate(settings, SEED).tables["truth"].collect()
    pieces = simulate_truth(settings, SEED, chunk_showers=chunk, threads=threads)
    assert pl.concat(pieces).equals(truth)
    showers = pl.concat(simulate_chunks(settings, SEED, chunk_showers=chunk, threads=threads))
    assert showers.equals(simulate(settings, SEED).frame.collect())


def test_every_shower_has_its_own_id() -> None:
    assert whole()["shower_id"].to_list() == list(range(MANY))
    assert whole()["group_id"].equals(whole()["shower_id"])


def test_the_order_of_the_primaries_is_no_part_of_the_table() -> None:
    one, other = (
        simulate(source(showers=50, primaries=names), SEED).frame.collect() for names in (("p", "Fe"), ("Fe", "p"))
    )
    assert one.equals(other)


def test_the_origin_names_seed_and_settings() -> None:
    table = simulate(source(showers=5, primaries=("p", "Fe")), SEED)
    assert f"seed {SEED}" in str(table.origin["origin"])
    assert table.origin["settings"] == source(showers=5, primaries=("p", "Fe")).model_dump(mode="json")
    assert set(table.files) == {"p", "Fe"}


@pytest.mark.parametrize(("name", "hint"), [("Fer", "did you mean Fe?"), ("proton", "photon"), ("xx", "valid names")])
def test_an_unknown_primary_is_refused(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=repr(name)) as caught:
        simulate(source(primaries=("p", name)), SEED)
    assert hint in caught.value.hint
