"""Downloads from a real server that fails in the ways servers fail."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from http_files import Fault, FileServer, serving
from projects import free_port

from cascada.config import validate_section
from cascada.config.catalog import CatalogEntry
from cascada.data.arrivals import read_receipt
from cascada.data.fetch import fetch
from cascada.errors import ArtifactError, SourceError

DATA = np.random.default_rng(7).bytes(200_000)
WAITS = (0.01, 0.01, 0.01)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        server.files["showers.dat"] = DATA
        yield server


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(server: FileServer, *, sized: bool = True, **files: bytes) -> CatalogEntry:
    """An entry whose published files are these bytes, whatever the server sends."""
    published = files or {"showers.dat": DATA}
    versions = {
        name: [{"sha256": sha256(data)} | ({"bytes": len(data)} if sized else {})] for name, data in published.items()
    }
    facts = {"title": "t", "origin": "the lab", "licence": "MIT", "citation": "c"}
    return validate_section(
        CatalogEntry, facts | {"name": "mine", "base_url": server.address, "files": versions}, "a test"
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_with_its_receipt(server: FileServer, tmp_path: Path) -> None:
    (arrived,) = fetch(entry(server), tmp_path / "new", waits_s=WAITS)
    assert (tmp_path / "new" / "showers.dat").read_bytes() == DATA
    assert names(tmp_path / "new") == ["receipt.json", "showers.dat"]
    assert read_receipt(tmp_path / "new") == {"showers.dat": arrived}
    assert arrived.is_published
    assert (arrived.sha256, arrived.bytes) == (sha256(DATA), len(DATA))
    assert arrived.taken_from == f"{server.address}showers.dat"


def test_folders_and_odd_characters_in_names(server: FileServer, tmp_path: Path) -> None:
    server.files["run%201/a%23b.dat"] = b"odd"
    fetch(entry(server, **{"run 1/a#b.dat": b"odd"}), tmp_path, waits_s=WAITS)
    assert (tmp_path / "run 1" / "a#b.dat").read_bytes() == b"odd"


def test_an_empty_file(server: FileServer, tmp_path: Path) -> None:
    server.files["none"] = b""
    fetch(entry(server, none=b""), tmp_path, waits_s=WAITS)
    assert (tmp_path / "none").read_bytes() == b""


def test_what_is_there_is_not_downloaded_again(server: FileServer, tmp_path: Path) -> None:
    fetch(entry(server), tmp_path, waits_s=WAITS)
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert len(server.asked) == 1


@pytest.mark.parametrize("validator", ["etag", "date"])
@pytest.mark.parametrize("sized", [True, False])
def test_a_stream_that_breaks_goes_on_where_it_ended(
    server: FileServer, tmp_path: Path, validator: str, sized: bool
) -> None:
    server.validator = validator  # type: ignore[assignment]
    server.faults = [Fault(cut_after=80_000), Fault(cut_after=50_000)]
    fetch(entry(server, sized=sized), tmp_path, waits_s=WAITS)
    assert server.ranges == [None, "bytes=80000-", "bytes=130000-"]
    assert (tmp_path / "showers.dat").read_bytes() == DATA
    assert names(tmp_path) == ["receipt.json", "showers.dat"]


@pytest.mark.parametrize("validator", ["weak etag", "none"])
def test_without_a_strong_validator_it_starts_anew(server: FileServer, tmp_path: Path, validator: str) -> None:
    server.validator = validator  # type: ignore[assignment]
    server.faults = [Fault(cut_after=80_000)]
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert server.ranges == [None, None]
    assert (tmp_path / "showers.dat").read_bytes() == DATA


def test_breaks_that_bring_bytes_do_not_use_up_the_patience(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(cut_after=10_000) for _ in range(15)]
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert (tmp_path / "showers.dat").read_bytes() == DATA


def test_a_download_that_was_given_up_goes_on_the_next_day(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(cut_after=150_000)] + [Fault(status=503)] * 4
    with pytest.raises(SourceError, match="cannot be downloaded") as caught:
        fetch(entry(server), tmp_path, waits_s=WAITS)
    assert "503" in caught.value.got
    assert "150000 bytes are there" in caught.value.got
    assert names(tmp_path) == ["showers.dat.part", "showers.dat.part.etag"]
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert server.ranges[-1] == "bytes=150000-"
    assert (tmp_path / "showers.dat").read_bytes() == DATA


def test_a_server_that_ignores_ranges_sends_all_of_it_anew(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(cut_after=80_000), Fault(ignore_range=True)]
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert (tmp_path / "showers.dat").read_bytes() == DATA


def test_a_server_that_sends_another_range_is_asked_again(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(cut_after=80_000), Fault(shift=5)]
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert (tmp_path / "showers.dat").read_bytes() == DATA


def test_a_file_that_changed_in_between_is_not_patched_together(server: FileServer, tmp_path: Path) -> None:
    server.files["showers.dat"] = bytes(len(DATA))
    server.faults = [Fault(cut_after=80_000)] + [Fault(status=503)] * 4
    with pytest.raises(SourceError):
        fetch(entry(server), tmp_path, waits_s=WAITS)
    server.files["showers.dat"] = DATA
    server.asked.clear()
    server.faults.clear()
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert server.ranges == ["bytes=80000-"]
    assert (tmp_path / "showers.dat").read_bytes() == DATA


def test_the_bytes_are_not_those_of_a_compressed_copy(server: FileServer, tmp_path: Path) -> None:
    server.compresses = True
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert (tmp_path / "showers.dat").read_bytes() == DATA


def test_a_part_that_is_not_of_this_file_is_dropped(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(cut_after=80_000)] + [Fault(status=503)] * 4
    with pytest.raises(SourceError):
        fetch(entry(server), tmp_path, waits_s=WAITS)
    (tmp_path / "showers.dat.part").write_bytes(b"other" * 1000)
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert server.ranges[-2:] == ["bytes=5000-", None]
    assert (tmp_path / "showers.dat").read_bytes() == DATA


@pytest.mark.parametrize("size", [len(DATA), len(DATA) + 7])
@pytest.mark.parametrize("sized", [True, False])
def test_a_part_that_is_whole_or_too_long(server: FileServer, tmp_path: Path, size: int, sized: bool) -> None:
    (tmp_path / "showers.dat.part").write_bytes((DATA + b"surplus")[:size])
    (tmp_path / "showers.dat.part.etag").write_text(f'"{sha256(DATA)[:16]}"')
    fetch(entry(server, sized=sized), tmp_path, waits_s=WAITS)
    assert (tmp_path / "showers.dat").read_bytes() == DATA


def test_busy_at_first_then_well(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(status=500), Fault(status=503), Fault(status=429)]
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert (tmp_path / "showers.dat").read_bytes() == DATA


@pytest.mark.parametrize("fault", [Fault(pieces=10), Fault(hide_length=True)], ids=["slow", "without a length"])
def test_slow_servers_and_those_that_do_not_tell_the_length(server: FileServer, tmp_path: Path, fault: Fault) -> None:
    server.faults = [fault]
    seen: list[tuple[str, int, int | None]] = []
    fetch(entry(server), tmp_path, on_progress=lambda *told: seen.append(told), waits_s=WAITS)
    done = [count for _, count, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == ("showers.dat", len(DATA), len(DATA))
    assert len(done) > 2


def test_a_cut_that_looks_like_an_end_is_noticed_by_the_size(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault(cut_after=80_000, hide_length=True)]
    fetch(entry(server), tmp_path, waits_s=WAITS)
    assert server.ranges == [None, "bytes=80000-"]
    assert (tmp_path / "showers.dat").read_bytes() == DATA


@pytest.mark.parametrize(
    "sent", [bytes(len(DATA)), DATA[:-1], DATA + b"\n", b"<html>sign in</html>"], ids=["other", "-1", "+1", "page"]
)
@pytest.mark.parametrize("sized", [True, False])
def test_other_bytes_are_refused_and_removed(server: FileServer, tmp_path: Path, sent: bytes, sized: bool) -> None:
    server.files["showers.dat"] = sent
    with pytest.raises(ArtifactError, match="is not the published file; it was removed") as caught:
        fetch(entry(server, sized=sized), tmp_path, waits_s=WAITS)
    assert sha256(DATA) in caught.value.expected
    assert caught.value.got.startswith(f"sha256 {sha256(sent)}")
    assert "the lab" in caught.value.hint
    assert names(tmp_path) == []


def test_a_body_without_end_is_not_stored(server: FileServer, tmp_path: Path) -> None:
    server.files["showers.dat"] = DATA * 50
    most: list[int] = []
    with pytest.raises(ArtifactError):
        fetch(entry(server), tmp_path, on_progress=lambda _, done, __: most.append(done), waits_s=WAITS)
    assert max(most) < 2 * len(DATA)


def test_a_file_that_is_not_there_is_told_at_once(server: FileServer, tmp_path: Path) -> None:
    del server.files["showers.dat"]
    with pytest.raises(SourceError, match=r"showers\.dat is not at its address") as caught:
        fetch(entry(server), tmp_path, waits_s=WAITS)
    assert len(server.asked) == 1
    assert "404" in caught.value.got
    assert "the lab" in caught.value.expected
    assert "cascada data import PATH --as mine" in caught.value.hint


def test_without_a_network_the_other_way_is_named(server: FileServer, tmp_path: Path) -> None:
    away = entry(server).model_copy(update={"base_url": f"http://127.0.0.1:{free_port()}/"})
    with pytest.raises(SourceError, match="cannot be downloaded") as caught:
        fetch(away, tmp_path, waits_s=WAITS)
    assert "the lab" in caught.value.expected
    assert "cascada data import PATH --as mine" in caught.value.hint


def test_an_entry_without_an_address_says_how_to_get_it(tmp_path: Path) -> None:
    facts = {"title": "t", "origin": "a portal", "licence": "?", "citation": "c", "obtain": "Register first."}
    portal = validate_section(CatalogEntry, facts | {"name": "portal"}, "a test")
    with pytest.raises(SourceError, match="cannot be downloaded by its address alone") as caught:
        fetch(portal, tmp_path)
    assert caught.value.expected == "Register first."
    assert "--map" in caught.value.hint


def test_another_file_in_its_place_is_neither_used_nor_overwritten(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "showers.dat").write_bytes(b"mine")
    with pytest.raises(ArtifactError, match="another version of the file") as caught:
        fetch(entry(server), tmp_path, waits_s=WAITS)
    assert "not in the catalogue" in caught.value.got
    assert (tmp_path / "showers.dat").read_bytes() == b"mine"


def test_an_archive_is_unpacked_inside_the_folder_only(server: FileServer, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("summary/events.csv", "id\n1\n")
        archive.writestr("../outside.csv", "no")
    server.files["summary.zip"] = packed.getvalue()
    fetch(entry(server, **{"summary.zip": packed.getvalue()}), tmp_path / "in", waits_s=WAITS)
    assert (tmp_path / "in" / "summary" / "events.csv").read_text() == "id\n1\n"
    assert names(tmp_path) == ["in"]


def test_the_files_that_arrived_before_one_failed_stay(server: FileServer, tmp_path: Path) -> None:
    both = entry(server, **{"showers.dat": DATA, "lost.dat": b"lost"})
    with pytest.raises(SourceError, match=r"lost\.dat"):
        fetch(both, tmp_path, waits_s=WAITS)
    assert (tmp_path / "showers.dat").read_bytes() == DATA
