"""The open data sets from the catalogue to a snapshot: what the suites set apart, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from intakes import SUITES, intake
from projects import REPOSITORY

from cascada.data.catalog import CatalogEntry, read_catalog
from cascada.data.ingest import take_snapshot
from cascada.data.sources import read_source
from cascada.data.validation import load_suite, validate

CATALOG = read_catalog(REPOSITORY / "data" / "catalog.yaml")
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
FOLDERS = {
    "magic": "magic",
    "fact": "fact_mc_gamma_proton",
    "xmax_26primaries": "xmax_26primaries",
    "auger_hybrid": "auger_open_hybrid",
    "auger_hybrid_sd": "auger_open_hybrid",
}


def found(name: str) -> tuple[CatalogEntry, Path]:
    folder = SHARED_DATA / FOLDERS[name]
    if not folder.is_dir():
        pytest.skip(f"the open data are not at {folder}; data/catalog.yaml says where to get them")
    return CATALOG[name], folder


@pytest.mark.parametrize(
    ("name", "kept", "reasons"),
    [
        ("magic", 15_148, {"duplicate of an earlier row": 69}),
        ("fact", 2_000, {}),
        (
            "xmax_26primaries",
            136_795,
            {"duplicate of an earlier row": 111, "xmax_uncertainty_g_cm2 outside [0, 20] g/cm2": 2},
        ),
        ("auger_hybrid", 3_091, {}),
        ("auger_hybrid_sd", 1_565, {}),
    ],
)
def test_the_suites_set_apart_what_is_wrong_and_nothing_else(
    tmp_path: Path, name: str, kept: int, reasons: dict[str, int]
) -> None:
    entry, folder = found(name)
    ref = take_snapshot(intake(tmp_path / "data", entry.dataset, name=name, directory=folder))
    assert ref.valid
    assert (ref.rows_kept, ref.reasons) == (kept, reasons)
    document = json.loads((ref.path / "croissant.json").read_text())
    assert document["citeAs"] == entry.citation
    assert f"**Licence of the origin:** {entry.licence}" in (ref.path / "DATASHEET.md").read_text()


@pytest.mark.parametrize(
    ("name", "column", "mistake"),
    [
        ("magic", "image_size_phe", lambda size: size.log10()),
        ("magic", "image_length_mm", lambda length: length * 0.0034),
        ("fact", "image_m3_long_mm", lambda m3: m3**3),
        ("fact", "image_kurtosis_long", lambda kurtosis: kurtosis - 3),
        ("fact", "image_length_mm", lambda length: length / 10),
        ("xmax_26primaries", "energy_eev", lambda energy: energy * 1e9),
        ("xmax_26primaries", "xmax_g_cm2", lambda xmax: xmax * 10),
        ("auger_hybrid", "energy_eev", lambda energy: energy * 1e9),
        ("auger_hybrid_sd", "zenith_deg", pl.Expr.radians),
    ],
)
def test_a_wrong_unit_is_refused(name: str, column: str, mistake: object) -> None:
    entry, folder = found(name)
    assert callable(mistake)
    table = read_source(entry.dataset.source, directory=folder, seed=1, threads=1)
    suite = load_suite(SUITES, entry.expectations.raw)
    report = validate(
        table.frame.gather_every(7).with_columns(mistake(pl.col(column)).alias(column)), suite, table.files
    )
    assert not report.passed
    assert {outcome.subject.removeprefix("median_") for outcome in report.failures} == {column}
