"""The catalogue as it stands, and what it refuses."""

from __future__ import annotations

import fnmatch
from pathlib import Path, PurePosixPath

import pytest
import yaml
from projects import REPOSITORY

from cascada.config import Dataset, FileSource, TextSource
from cascada.data.catalog import PUBLISHED, CatalogEntry, find_entry, read_catalog
from cascada.errors import ConfigError

CATALOG = read_catalog(REPOSITORY / "data" / "catalog.yaml")
ENTRIES = [pytest.param(entry, id=name) for name, entry in CATALOG.items()]
SHA = "ab" * 32


def write(folder: Path, **changes: object) -> Path:
    """Write a catalogue of one entry, changed; a change to None takes the key away."""
    entry: dict[str, object] = {
        "title": "t", "origin": "the lab", "licence": "MIT", "citation": "c", "base_url": "https://host/data/",
        "files": {"a.txt": [{"sha256": SHA, "bytes": 3}]},
    }  # fmt: skip
    entry = {key: value for key, value in (entry | changes).items() if value is not None}
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump({"datasets": {"mine": entry}}))
    return path


def test_the_data_sets_of_the_field_are_there() -> None:
    assert {
        "composition", "magic", "fact", "xmax_26primaries", "corsika7_panama", "corsika7_pycorsikaio",
        "corsika8_workshop", "auger_hybrid", "auger_summary", "kcdc",
    } <= set(CATALOG)  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_says_where_from_by_which_right_and_what_is_wrong(entry: CatalogEntry) -> None:
    assert all(len(text) > 2 for text in (entry.title, entry.origin, entry.licence, entry.citation))
    assert entry.traps
    assert entry.downloadable or entry.obtain


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_downloaded_is_pinned_to_a_commit_or_a_release(entry: CatalogEntry) -> None:
    if entry.downloadable:
        assert any(len(part) == 40 or part == "10488964" for part in entry.base_url.split("/"))
        commits = [part for part in entry.base_url.split("/") if len(part) == 40]
        assert all(commit in entry.origin for commit in commits)


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_files_that_are_read_are_the_files_that_are_listed(entry: CatalogEntry) -> None:
    if not isinstance(entry.source, FileSource) or not entry.files or entry.name == "auger_summary":
        return
    files = entry.source.files
    for pattern in files.values() if isinstance(files, dict) else files:
        assert [n for n in entry.files if any(fnmatch.fnmatch(p, pattern) for p in _ancestry(n))], pattern


def _ancestry(name: str) -> list[str]:
    return [name, *(str(parent) for parent in PurePosixPath(name).parents)]


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_suite_that_an_entry_names_exists(entry: CatalogEntry) -> None:
    if entry.source is not None:
        for suite in (entry.expectations.raw, entry.expectations.training):
            assert (REPOSITORY / "expectations" / f"{suite}.yaml").is_file()


def test_a_checksum_stands_for_one_file() -> None:
    known = [
        v.sha256 for name, e in CATALOG.items() if name != "corsika8_workshop" for f in e.files.values() for v in f
    ]
    assert len(known) == len(set(known))


def test_an_entry_is_what_a_snapshot_is_made_by() -> None:
    dataset = find_entry(CATALOG, "composition").dataset
    assert isinstance(dataset, Dataset)
    assert isinstance(dataset.source, TextSource)
    assert dataset.repair == "difference_running_sums"
    assert dataset.source.citation == find_entry(CATALOG, "composition").citation
    assert "36a6a98418be09b8a25f04fe78676fd2afb96944" in dataset.source.origin


def test_an_entry_without_a_column_map_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="no column map for 'kcdc'") as caught:
        _ = find_entry(CATALOG, "kcdc").dataset
    assert "Register" in caught.value.expected
    assert not find_entry(CATALOG, "kcdc").downloadable


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no data set 'compositon'") as caught:
        find_entry(CATALOG, "compositon")
    assert caught.value.hint == "did you mean composition?"


def test_names_become_addresses(tmp_path: Path) -> None:
    files = {"run 1/a#b?.dat": [{"sha256": SHA}]}
    (entry,) = read_catalog(write(tmp_path, files=files)).values()
    assert entry.url("run 1/a#b?.dat") == "https://host/data/run%201/a%23b%3F.dat"
    assert entry.published("run 1/a#b?.dat").note == PUBLISHED
    with pytest.raises(ConfigError, match="no checksum"):
        entry.published("other")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_url": None}, "obtain must say how"),
        ({"files": {"a": [{"sha256": SHA, "note": "half of it"}]}}, "needs the checksum of its published version"),
        ({"files": {"a": []}}, "needs the checksum of its published version"),
        ({"files": {"../a": [{"sha256": SHA}]}}, "inside the data folder"),
        ({"files": {"/etc/a": [{"sha256": SHA}]}}, "inside the data folder"),
        ({"files": {"a": [{"sha256": "abc"}]}}, "pattern"),
        ({"base_url": "ftp://host/"}, "pattern"),
        ({"base_url": "https://host/data"}, "pattern"),
        ({"licence": None}, "licence"),
        ({"licenze": "MIT"}, "unknown key"),
        ({"source": {"kind": "text", "files": ["a"], "columns": {}}}, "columns"),
    ],
)
def test_entries_that_do_not_hold_together_are_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(ConfigError, match=message) as caught:
        read_catalog(path)
    assert str(path) in caught.value.where


def test_a_missing_catalogue_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such catalogue"):
        read_catalog(tmp_path / "catalog.yaml")
