"""The physics of a table is measured as it was put in."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from cascada.data import quality
from cascada.data.quality import summarise

ROWS = 4000


def power_law(slope: float, scatter: float, *, primary: str = "p", rows: int = ROWS) -> pl.DataFrame:
    """``N_mu = 6e7 (E / 10 EeV)^slope exp(-0.7 (sec-1) - 0.2 (sec-1)^2 + scatter eps)``."""
    rng = np.random.default_rng(5)
    energy, zenith = 10 ** rng.uniform(0, 2.5, rows), rng.uniform(0, 60, rows)
    tilt = 1 / np.cos(np.radians(zenith)) - 1
    ln_n_mu = slope * np.log(energy / 10) - 0.7 * tilt - 0.2 * tilt**2 + scatter * rng.standard_normal(rows)
    return pl.DataFrame({"primary": primary, "energy_eev": energy, "zenith_deg": zenith, "n_mu": 6e7 * np.exp(ln_n_mu)})


def summary(frame: pl.DataFrame) -> dict[str, object]:
    (row,) = physics_per_primary(frame, {}).to_dicts()
    return row


def physics_per_primary(frame: pl.DataFrame, files: dict[str, str]) -> pl.DataFrame:
    return summarise(frame.lazy(), files).per_primary


def table(frame: pl.DataFrame) -> dict[str, object]:
    (row,) = summarise(frame.lazy(), {}).table.to_dicts()
    return row


@pytest.mark.parametrize("slope", [0.6, 0.93, 1.1])
@pytest.mark.parametrize("scatter", [0.0, 0.05, 0.3])
def test_slope_and_scatter_are_those_of_the_power_law(slope: float, scatter: float) -> None:
    row = summary(power_law(slope, scatter))
    assert row["ln_n_mu_slope"] == pytest.approx(slope, abs=1e-9 + 5 * scatter / (1.66 * math.sqrt(ROWS)))
    assert row["ln_n_mu_scatter"] == pytest.approx(scatter, abs=1e-6, rel=5 / math.sqrt(2 * ROWS))


def test_rows_that_the_sieve_refuses_do_not_spoil_the_fit() -> None:
    frame = power_law(0.9, 0.0)
    bad = [(math.nan, 30.0, 1e7), (10.0, math.inf, 1e7), (10.0, 90.0, 1e7), (10.0, 30.0, 0.0), (-1.0, 30.0, 1e7),
           (10.0, 30.0, None), (10.0, 30.0, math.inf)]  # fmt: skip
    rows = pl.DataFrame([("p", *values) for values in bad], schema=frame.schema, orient="row")
    row = summary(pl.concat([rows, frame]))
    assert row["rows"] == ROWS + len(bad)
    assert row["ln_n_mu_slope"] == pytest.approx(0.9)
    assert row["ln_n_mu_scatter"] == pytest.approx(0.0, abs=1e-6)


def test_one_zenith_is_enough_for_the_slope() -> None:
    frame = power_law(0.9, 0.0).with_columns(zenith_deg=pl.lit(0.0), n_mu=6e7 * pl.col("energy_eev") ** 0.9)
    assert summary(frame)["ln_n_mu_slope"] == pytest.approx(0.9)


@pytest.mark.parametrize("energy", [1.0, 10.0])
def test_one_energy_has_no_slope(energy: float) -> None:
    row = summary(power_law(0.9, 0.1).with_columns(energy_eev=pl.lit(energy)))
    assert row["ln_n_mu_slope"] is None


def test_a_running_sum_never_decreases_and_independent_counts_do_in_every_second_row() -> None:
    frame = power_law(0.9, 0.1).with_columns(n_em=pl.col("n_mu").reverse())
    row = summary(frame.with_columns(n_mu=pl.col("n_mu").cum_sum()))
    assert row["decreasing_share_n_mu"] == 0.0
    assert row["decreasing_share_n_em"] == pytest.approx(0.5, abs=0.025)
    assert summary(frame.sort("n_mu", descending=True))["decreasing_share_n_mu"] == 1.0


def test_shares_are_counted_within_a_primary() -> None:
    counts = {"p": [1.0, 2.0, 3.0], "Fe": [30.0, 20.0, 10.0]}
    rows = [(name, 10.0, 30.0, counts[name][i]) for i in range(3) for name in counts]
    frame = pl.DataFrame(rows, schema=power_law(1, 0, rows=1).schema, orient="row")
    found = physics_per_primary(frame, {})
    assert dict(found.select("primary", "decreasing_share_n_mu").iter_rows()) == {"p": 0.0, "Fe": 1.0}


def test_primaries_come_in_the_order_of_classes_with_their_files() -> None:
    frame = pl.concat([power_law(0.9, 0.1, primary=name, rows=20) for name in ("zinc", "Fe", "photon", "argon")])
    found = physics_per_primary(frame, {"Fe": "iron.txt"})
    assert found["primary"].to_list() == ["photon", "Fe", "argon", "zinc"]
    assert found["file"].to_list() == ["", "iron.txt", "", ""]
    assert found["rows"].to_list() == [20] * 4


@pytest.mark.parametrize(
    "frame",
    [
        power_law(0.9, 0.1, rows=1),
        power_law(0.9, 0.1, rows=9),
        power_law(0.9, 0.1).with_columns(n_mu=pl.lit(0.0)),
        power_law(0.9, 0.1).with_columns(n_mu=pl.lit(math.nan)),
        power_law(0.9, 0.1).with_columns(n_mu=pl.lit(None, pl.Float64)),
        power_law(0.9, 0.1).with_columns(energy_eev=pl.lit(0.0)),
        power_law(0.9, 0.1).with_columns(zenith_deg=pl.lit(90.0)),
        power_law(0.9, 0.1).drop("n_mu"),
    ],
    ids=["one row", "nine rows", "no muons", "NaN", "null", "no energy", "horizontal", "no column"],
)
def test_what_cannot_be_computed_is_null(frame: pl.DataFrame) -> None:
    row = summary(frame)
    assert row["ln_n_mu_slope"] is None
    assert row["ln_n_mu_scatter"] is None


def test_one_row_has_no_order() -> None:
    assert summary(power_law(0.9, 0.1, rows=1))["decreasing_share_n_mu"] is None


@pytest.mark.parametrize("column", ["n_mu", "n_em"])
def test_an_absent_count_has_no_share(column: str) -> None:
    frame = power_law(0.9, 0.1).with_columns(n_em=pl.col("n_mu")).drop(column)
    assert f"decreasing_share_{column}" not in summary(frame)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["p", "Fe", "photon", None]
    frame = power_law(0.9, 0.1).with_columns(
        n_em=pl.col("n_mu").reverse(), shower_id=pl.int_range(pl.len()),
        primary=pl.Series(names * (ROWS // len(names)), dtype=pl.String),
    )  # fmt: skip
    whole = summarise(frame.lazy(), {"p": "proton.txt"})
    monkeypatch.setattr(quality, "CHUNK_ROWS", 37)
    cut = summarise(frame.lazy(), {"p": "proton.txt"})
    assert cut.table.to_dicts()[0] == pytest.approx(whole.table.to_dicts()[0])
    for one, other in zip(cut.per_primary.to_dicts(), whole.per_primary.to_dicts(), strict=True):
        assert one == pytest.approx(other, abs=1e-9)


def test_limits_keep_bad_rows_out_of_the_fit() -> None:
    frame = power_law(0.9, 0.0)
    bad = frame.head(40).with_columns(energy_eev=pl.lit(1e4))
    (row,) = summarise(pl.concat([frame, bad]).lazy(), {}, {"energy_eev": (1.0, 320.0)}).per_primary.to_dicts()
    assert row["ln_n_mu_slope"] == pytest.approx(0.9)
    assert summary(pl.concat([frame, bad]))["ln_n_mu_slope"] != pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("exponent", [-0.05, 0.0, 0.075])
def test_the_mass_exponent_is_that_of_heitler_and_matthews(exponent: float) -> None:
    parts = [
        power_law(0.93, 0.0, primary=name).with_columns(pl.col("n_mu") * mass**exponent)
        for name, mass in (("p", 1), ("He", 4), ("Fe", 56))
    ]
    assert table(pl.concat(parts))["muon_mass_exponent"] == pytest.approx(exponent, abs=1e-9)


def test_one_nucleus_or_few_showers_have_no_mass_exponent() -> None:
    assert table(power_law(0.9, 0.1))["muon_mass_exponent"] is None
    few = pl.concat([power_law(0.9, 0.1, primary=name, rows=199) for name in ("p", "Fe")])
    assert table(few)["muon_mass_exponent"] is None


def test_a_cut_of_one_primary_shows_in_the_edge_of_its_energies() -> None:
    proton, iron = power_law(0.9, 0.1), power_law(0.9, 0.1, primary="Fe")
    assert table(pl.concat([proton, iron]))["lg_energy_edge_spread"] == pytest.approx(0.0, abs=1e-9)
    cut = pl.concat([proton, iron.filter(pl.col("energy_eev") > 10)])
    # the lowest per cent of 2.5 decades begins at 0.025, that of the upper 1.5 decades at 1.015
    assert table(cut)["lg_energy_edge_spread"] == pytest.approx(0.99, abs=0.03)


@pytest.mark.parametrize(
    ("angles", "distance"),
    [
        (lambda u: np.degrees(np.arcsin(np.sqrt(u) * math.sin(math.radians(60)))), 0.0),
        (lambda u: np.degrees(np.arccos(1 / (1 + u))), 0.0),
        (lambda u: 60 * u, 0.1799),  # u - sin^2(60 deg u) / sin^2(60 deg) at its largest, u = 0.378
        (lambda u: 0 * u, 0.0),
    ],
    ids=["isotropic", "flat in sec", "flat in the angle", "vertical"],
)
def test_the_zenith_angles_are_compared_with_both_acceptances(angles: object, distance: float) -> None:
    assert callable(angles)
    zenith = angles((np.arange(ROWS) + 0.5) / ROWS)
    row = summary(power_law(0.9, 0.1).with_columns(zenith_deg=pl.Series(zenith)))
    assert row["zenith_distance"] == pytest.approx(distance, abs=0.005)


def test_the_median_zenith_is_that_of_the_rows() -> None:
    frame = power_law(0.9, 0.1)
    assert summary(frame)["median_zenith_deg"] == pytest.approx(frame["zenith_deg"].median(), abs=0.05)


def test_repeated_rows_and_ids_are_counted() -> None:
    frame = power_law(0.9, 0.1, rows=100).with_columns(shower_id=pl.int_range(pl.len()))
    again = frame.head(3)
    renamed = again.with_columns(pl.col("shower_id") + 1000)
    iron = again.with_columns(primary=pl.lit("Fe"))
    row = table(pl.concat([frame, again, renamed, iron]))
    assert (row["rows"], row["repeated_ids"], row["repeated_showers"]) == (109, 3, 6)
    assert row["repeated_share"] == pytest.approx(6 / 109)


def test_a_table_without_labels_is_one_row_without_a_name() -> None:
    row = summary(power_law(0.9, 0.1).drop("primary"))
    assert row["primary"] is None
    assert row["ln_n_mu_slope"] == pytest.approx(0.9, abs=0.01)
