"""Simulated showers beside CORSIKA's: a classifier must not tell them apart (`benchmarks/bench_realism.py`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.bench_realism import Separation, draw_figure, print_nuclei, separate
from benchmarks.corsika_showers import Showers, load_showers


@pytest.fixture(scope="module")
def corsika(request: pytest.FixtureRequest) -> dict[str, Showers]:
    folder: Path = request.getfixturevalue("composition_data")
    return load_showers(folder)


@pytest.mark.parametrize("primary", ["photon", "p", "He", "N", "Fe"])
def test_a_classifier_hardly_tells_simulated_showers_from_corsika(corsika: dict[str, Showers], primary: str) -> None:
    showers = corsika[primary]
    unseen = showers.select(showers.group_id % 2 == 1)
    found = separate(primary, unseen, np.random.default_rng(1))
    assert found.showers > 4500
    assert found.low <= found.auc <= found.high
    assert found.auc < 0.56
    # The sharper classifier knows what muons and depth should be.
    assert separate(primary, unseen, np.random.default_rng(1), residuals=True).auc < 0.59


def test_the_classifier_notices_a_shift_of_5_percent(corsika: dict[str, Showers]) -> None:
    iron = corsika["Fe"]
    shifted = Showers(iron.group_id, iron.energy_eev, iron.zenith_deg, iron.xmax_g_cm2, 1.05 * iron.n_mu, iron.n_em)
    found: Separation = separate("Fe", shifted.select(iron.group_id % 2 == 1), np.random.default_rng(1), residuals=True)
    assert found.auc > 0.8


def test_26_nuclei_lie_within_7_g_cm2_of_corsika(
    composition_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pl.read_parquet(composition_data.parent / "xmax_26primaries/epos_xmax.parquet")
    print_nuclei(table, np.random.default_rng(1))
    rows = [line.split("|")[2:5] for line in capsys.readouterr().out.strip().splitlines()[2:]]
    worst, _, widths = np.array(rows, dtype=float).T
    assert len(rows) == 3
    assert (worst < 7.0).all()
    assert (widths < 2.0).all()
    draw_figure(table, tmp_path / "figure.png", np.random.default_rng(1))
    assert (tmp_path / "figure.png").stat().st_size > 10_000
