"""Files that a user has already: which version they are is found out, and never taken on trust."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from projects import REPOSITORY

from cascada.config import validate_section
from cascada.config.catalog import CatalogEntry, read_catalog
from cascada.data.arrivals import UNKNOWN, Arrived, identify, unpack
from cascada.errors import SourceError

CATALOG = read_catalog(REPOSITORY / "data" / "catalog.yaml")
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
WHOLE, HALF = b"all rows\n", b"half\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(*names: str) -> CatalogEntry:
    versions = [{"sha256": sha256(WHOLE)}, {"sha256": sha256(HALF), "note": "half of the rows"}]
    facts = {"title": "t", "origin": "the lab", "licence": "MIT", "citation": "c", "obtain": "Ask the lab."}
    return validate_section(
        CatalogEntry, facts | {"name": "mine", "files": dict.fromkeys(names, versions)}, "a test"
    )  # fmt: skip


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    folder = tmp_path / "brought"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("content", "version"),
    [(WHOLE, "published"), (HALF, "half of the rows"), (b"own\n", UNKNOWN), (b"", UNKNOWN)],
)
@pytest.mark.parametrize("whole_folder", [True, False])
def test_each_file_is_what_its_checksum_says(brought: Path, content: bytes, version: str, whole_folder: bool) -> None:
    (brought / "a.txt").write_bytes(content)
    (found,) = identify(brought if whole_folder else brought / "a.txt", entry("a.txt"))
    assert found == Arrived(
        name="a.txt", sha256=sha256(content), bytes=len(content), version=version, taken_from=str(brought / "a.txt")
    )
    assert found.is_published is (version == "published")
    assert [path.name for path in brought.iterdir()] == ["a.txt"]


def test_a_file_under_another_name_is_known_by_its_checksum(brought: Path) -> None:
    (brought / "download (1).txt").write_bytes(WHOLE)
    (arrived,) = identify(brought / "download (1).txt", entry("a.txt"))
    assert (arrived.name, arrived.version) == ("a.txt", "published")


def test_a_file_that_nobody_knows_is_refused(brought: Path) -> None:
    (brought / "a.text").write_bytes(b"own")
    with pytest.raises(SourceError, match=r"a\.text is no file of 'mine'") as caught:
        identify(brought / "a.text", entry("a.txt"))
    assert caught.value.hint == "did you mean a.txt?"


def test_an_empty_folder_says_how_to_get_the_files(brought: Path) -> None:
    (brought / "notes.md").write_text("nothing")
    with pytest.raises(SourceError, match="none of the files of 'mine' is there") as caught:
        identify(brought, entry("a.txt"))
    assert (caught.value.expected, caught.value.got, caught.value.hint) == ("a.txt", "notes.md", "Ask the lab.")


@pytest.mark.parametrize("start", ["..", ".", "shower_1"])
def test_folders_inside_the_data_folder_are_found_from_wherever_one_points(brought: Path, start: str) -> None:
    names = ("shower_1/config.yaml", "shower_1/out/config.yaml")
    for name, content in zip(names, (WHOLE, HALF), strict=True):
        (brought / name).parent.mkdir(parents=True, exist_ok=True)
        (brought / name).write_bytes(content)
    if start == "..":
        names = tuple(f"brought/{name}" for name in names)
    arrived = identify((brought / start).resolve(), entry(*names))
    assert [file.version for file in arrived] == ["published", "half of the rows"]


def test_a_data_set_without_known_files_takes_all_as_unknown(brought: Path) -> None:
    (brought / "sub").mkdir()
    (brought / "sub" / "events.root").write_bytes(b"root")
    (arrived,) = identify(brought, CATALOG["kcdc"])
    assert (arrived.name, arrived.version) == ("sub/events.root", UNKNOWN)


def test_an_archive_is_unpacked(brought: Path) -> None:
    with zipfile.ZipFile(brought / "summary.zip", "w") as archive:
        archive.writestr("summary/dataSummarySD1500.csv", "id\n")
    unpack(brought / "summary.zip")
    assert (brought / "summary" / "dataSummarySD1500.csv").read_text() == "id\n"


def test_a_broken_archive_is_told(brought: Path) -> None:
    (brought / "summary.zip").write_bytes(b"PK no")
    with pytest.raises(SourceError, match="cannot be unpacked"):
        unpack(brought / "summary.zip")


@pytest.mark.parametrize(
    ("folder", "name", "files", "versions"),
    [
        ("composition_5class_corsika", "composition", 5, {"first ten of the twelve blocks of 1000 rows"}),
        ("magic", "magic", 1, {"a stratified 80 % of the rows in their original order"}),
        ("fact_mc_gamma_proton", "fact", 2, {"published"}),
        ("corsika7_panama", "corsika7_panama", 27, {"published"}),
        ("corsika7_pycorsikaio", "corsika7_pycorsikaio", 4, {"published"}),
        ("corsika8_workshop", "corsika8_workshop", 12, {"published"}),
    ],
)
def test_the_shared_copies_are_what_the_catalogue_says(folder: str, name: str, files: int, versions: set[str]) -> None:
    if not (SHARED_DATA / folder).is_dir():
        pytest.skip(f"the open data are not at {SHARED_DATA / folder}; data/catalog.yaml says where to get them")
    arrived = identify(SHARED_DATA / folder, CATALOG[name])
    assert len(arrived) == files
    assert {file.version for file in arrived} == versions


@pytest.mark.parametrize("name", ["xmax_26primaries", "auger_hybrid", "auger_hybrid_sd"])
def test_the_shared_resaves_are_known_and_not_called_published(name: str) -> None:
    folder = SHARED_DATA / {"xmax_26primaries": "xmax_26primaries"}.get(name, "auger_open_hybrid")
    if not folder.is_dir():
        pytest.skip(f"the open data are not at {folder}; data/catalog.yaml says where to get them")
    (arrived,) = identify(folder, CATALOG[name])
    assert "another writer makes other bytes" in arrived.version
    assert not arrived.is_published
