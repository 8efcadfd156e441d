"""What a snapshot says of itself: read back by mlcroissant, and held against the facts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import mlcroissant
import polars as pl
import pytest

from cascada.data.datasheet import datasheet
from cascada.data.documents import NOT_STATED, croissant, describe_files

SHOWERS = pl.DataFrame(
    {
        "shower_id": [3, 4, 5],
        "primary": ["p", "Fe", "Fe"],
        "energy_eev": [1.5, 10.0, 99.0],
        "n_mu": [1e6, 2e7, 3e8],
    },
    schema_overrides={"energy_eev": pl.Float32, "n_mu": pl.Float32},
)
QUARANTINE = pl.DataFrame(
    {"shower_id": [1], "primary": ["p"], "energy_eev": [None], "reason": ["energy_eev not finite"]}
)
TRACES = pl.DataFrame({"shower_id": [3], "trace": [[1.0, 2.5]]}, schema_overrides={"trace": pl.List(pl.Float32)})


@dataclass(frozen=True)
class Facts:
    """A snapshot's facts, as its card holds them."""

    name: str = "mine"
    content_sha256: str = "0123456789abcdef" * 4
    schema_version: int = 2
    rows_in: int = 4
    rows_kept: int = 3
    rows_quarantined: int = 1
    rows_per_primary: dict[str, int] = field(default_factory=lambda: {"p": 1, "Fe": 2})
    reasons: dict[str, int] = field(default_factory=lambda: {"energy_eev not finite": 1})
    origin: dict[str, object] = field(
        default_factory=lambda: {
            "origin": "github.com/lab/showers @ abc, folder data",
            "licence": "CC BY 4.0",
            "citation": "Somebody (2020), doi:10.1/x",
            "sha256": {"a.txt": "ff" * 32},
        }
    )
    valid: bool = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a snapshot."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, table in {"showers": SHOWERS, "quarantine": QUARANTINE, "stations": TRACES}.items():
        table.write_parquet(folder / f"{name}.parquet")
    (folder / "snapshot.json").write_text("{}\n")
    (folder / "DATASHEET.md").write_text("old")
    return folder


def written(folder: Path, facts: Facts, **options: str) -> Path:
    path = folder / "croissant.json"
    path.write_text(json.dumps(croissant(facts, describe_files(folder), **options)))
    return path


def fields(document: dict[str, Any], table: str) -> dict[str, dict[str, Any]]:
    (records,) = (part for part in document["recordSet"] if part["@id"] == table)
    return {entry["name"]: entry for entry in records["field"]}


def test_mlcroissant_finds_nothing_to_complain_of(folder: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=written(folder, Facts(), published="2026-11-25"))
    issues = dataset.metadata.ctx.issues
    assert issues.errors == set()
    assert issues.warnings == set()
    assert dataset.metadata.ctx.is_v1_1()
    assert dataset.metadata.name == "mine"
    assert dataset.metadata.license == ["https://creativecommons.org/licenses/by/4.0/"]
    assert dataset.metadata.cite_as == "Somebody (2020), doi:10.1/x"


def test_mlcroissant_loads_the_rows(folder: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=written(folder, Facts()))
    loaded = [
        {name.removeprefix("showers/"): value for name, value in record.items()}
        for record in dataset.records("showers")
    ]
    assert [row | {"primary": row["primary"].decode()} for row in loaded] == SHOWERS.to_dicts()
    (refused,) = dataset.records("quarantine")
    assert refused["quarantine/reason"] == b"energy_eev not finite"
    (station,) = islice(dataset.records("stations"), 1)
    assert list(station["stations/trace"]) == [1.0, 2.5]


def test_the_files_are_described_as_they_are(folder: Path) -> None:
    document = croissant(Facts(), describe_files(folder))
    by_name = {part["contentUrl"]: part for part in document["distribution"]}
    assert sorted(by_name) == ["quarantine.parquet", "showers.parquet", "snapshot.json", "stations.parquet"]
    for name, part in by_name.items():
        content = (folder / name).read_bytes()
        assert part["sha256"] == hashlib.sha256(content).hexdigest()
        assert part["contentSize"] == f"{len(content)} B"


def test_every_column_has_its_type_unit_and_source(folder: Path) -> None:
    showers = fields(croissant(Facts(), describe_files(folder)), "showers")
    assert list(showers) == SHOWERS.columns
    assert showers["energy_eev"]["dataType"] == ["sc:Float", "cr:Float32"]
    assert "Unit: EeV." in showers["energy_eev"]["description"]
    assert showers["primary"]["dataType"] == ["sc:Text", "cr:Label"]
    assert showers["shower_id"]["dataType"] == ["sc:Integer", "cr:Int64"]
    assert showers["n_mu"]["source"] == {"fileObject": {"@id": "showers.parquet"}, "extract": {"column": "n_mu"}}
    assert "muons at ground" in showers["n_mu"]["description"]


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("github.com/lab/showers @ abc, folder data", "https://github.com/lab/showers"),
        ("Auger Open Data (doi:10.5281/zenodo.4487612, release 1)", "https://doi.org/10.5281/zenodo.4487612"),
        ("see https://host.org/data, part 2", "https://host.org/data"),
        ("simulator QGSJetII-04, seed 1", "urn:sha256:" + "0123456789abcdef" * 4),
    ],
)
def test_the_address_is_that_of_the_origin_or_of_the_content(folder: Path, origin: str, url: str) -> None:
    assert croissant(Facts(origin={"origin": origin}), describe_files(folder))["url"] == url


def test_what_nobody_told_is_not_stated(folder: Path) -> None:
    bare = Facts(origin={})
    document = croissant(bare, describe_files(folder))
    assert document["license"] == document["citeAs"] == NOT_STATED
    assert "datePublished" not in document
    sheet = datasheet(bare, describe_files(folder))
    for question in ("Purpose", "Origin", "Licence of the origin", "Citation", "Used for"):
        assert f"- **{question}:** {NOT_STATED}\n" in sheet


def test_the_documents_depend_on_the_facts_alone(folder: Path) -> None:
    files = describe_files(folder)
    assert json.dumps(croissant(Facts(), files)) == json.dumps(croissant(Facts(), files))
    assert str(folder.parent) not in json.dumps(croissant(Facts(), files)) + datasheet(Facts(), files)


def test_the_datasheet_has_the_seven_sections_and_the_counts(folder: Path) -> None:
    sheet = datasheet(
        Facts(), describe_files(folder), repair="difference_running_sums", suites=("raw_showers", "training_showers"),
        traps=("The counts are running sums.",),
    )  # fmt: skip
    assert [line for line in sheet.splitlines() if line.startswith("## ")] == [
        "## Motivation", "## Composition", "## Collection process", "## Preprocessing, cleaning, labelling", "## Uses",
        "## Distribution", "## Maintenance",
    ]  # fmt: skip
    for told in (
        "3 rows kept of 4", "p 1, Fe 2", "energy_eev not finite: 1", "1 of 4, kept in quarantine.parquet",
        "difference_running_sums", "raw_showers, training_showers: passed", "CC BY 4.0", f"a.txt (sha256 {'ff' * 32})",
        "Known trap 1:** The counts are running sums.", "github.com/lab/showers @ abc", Facts().content_sha256,
    ):  # fmt: skip
        assert told in sheet


def test_a_snapshot_that_failed_its_suites_says_so_everywhere(folder: Path) -> None:
    failed = replace(Facts(), valid=False)
    assert "NOT VALID" in croissant(failed, describe_files(folder))["description"]
    sheet = datasheet(failed, describe_files(folder), suites=("raw_showers",))
    assert "NOT VALID" in sheet
    assert "raw_showers: NOT passed" in sheet
    assert "NOT" not in datasheet(Facts(), describe_files(folder), suites=("raw_showers",))


def test_settings_of_a_simulator_are_written_out(folder: Path) -> None:
    simulated = Facts(origin={"origin": "simulator", "settings": {"showers": 200, "hadronic_model": "QGSJetII-04"}})
    assert "showers = 200, hadronic_model = QGSJetII-04" in datasheet(simulated, describe_files(folder))


def test_unlabelled_data_say_what_they_are_not_for(folder: Path) -> None:
    SHOWERS.drop("primary").write_parquet(folder / "showers.parquet")
    QUARANTINE.drop("primary").write_parquet(folder / "quarantine.parquet")
    nature = Facts(rows_per_primary={})
    assert "there is no label" in datasheet(nature, describe_files(folder))
    mlcroissant.Dataset(jsonld=written(folder, nature))
