"""Crates as files: what goes in comes out, and what was tampered with comes nowhere."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from repositories import git, repository

from cascada.errors import ArtifactError, SourceError
from cascada.repro.code import restore_code
from cascada.repro.commit import pack_commit, unpack_commit
from cascada.repro.crate import METADATA, pack_crate, part, unpack_crate
from cascada.repro.environment import code_state


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    """A crate with a text and an empty file, one of them with a name that a URI must quote."""
    files = {"record/a b#1.txt": "some text\n", "record/empty.txt": ""}
    parts = {}
    for number, (name, text) in enumerate(files.items()):
        path = tmp_path / f"{number}.txt"
        path.write_text(text)
        parts[name] = part(path)
    quoted = {"record/a b#1.txt": "record/a%20b%231.txt"}
    graph = [
        {"@id": quoted.get(name, name), "@type": "File", "sha256": one.sha256, "contentSize": str(one.bytes)}
        for name, one in parts.items()
    ]
    pack_crate(parts, json.dumps({"@graph": graph}), tmp_path / "crate.zip")
    return tmp_path / "crate.zip"


def rewritten(crate: Path, changes: dict[str, bytes | None], *added: zipfile.ZipInfo) -> Path:
    """The same zip with members replaced, added or, by None, left out."""
    target = crate.with_name("other.zip")
    with zipfile.ZipFile(crate) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in ({name: old.read(name) for name in old.namelist()} | changes).items():
            if content is not None:
                new.writestr(name, content)
        for entry in added:
            new.writestr(entry, b"/etc/passwd")
    return target


def test_round_trip(crate: Path, tmp_path: Path) -> None:
    unpack_crate(crate, tmp_path / "out")
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert files == {METADATA, "record/a b#1.txt", "record/empty.txt"}
    assert (tmp_path / "out" / "record" / "a b#1.txt").read_text() == "some text\n"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"record/a b#1.txt": b"some texT\n"}, "record/a b#1.txt of the crate was altered"),
        ({"record/empty.txt": b"x"}, "record/empty.txt of the crate was altered"),
        ({"record/empty.txt": None}, "record/empty.txt is missing from the crate"),
        ({"record/more.txt": b"x"}, "record/more.txt is not a file of the crate"),
        ({METADATA: None}, "this is no RO-Crate"),
        ({METADATA: b"[]"}, "does not describe a run"),
        ({"../outside.txt": b"x"}, "a file of the name '../outside.txt'"),
        ({"record/../../outside.txt": b"x"}, "a file of the name"),
        ({"/outside.txt": b"x"}, "a file of the name '/outside.txt'"),
        ({"record\\outside.txt": b"x"}, "a file of the name"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_is_refused_by_name(
    crate: Path, tmp_path: Path, changes: dict[str, bytes | None], told: str
) -> None:
    with pytest.raises(ArtifactError) as refusal:
        unpack_crate(rewritten(crate, changes), tmp_path / "out")
    assert told in str(refusal.value)
    assert not (tmp_path / "outside.txt").exists()


def test_no_byte_of_a_crate_changes_unseen(crate: Path, tmp_path: Path) -> None:
    """Flip every byte: the crate is refused, or what comes out is what went in (a time of the zip says nothing)."""
    content = crate.read_bytes()
    unpack_crate(crate, tmp_path / "out")
    whole = {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    flipped = tmp_path / "flipped.zip"
    for at in range(len(content)):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        flipped.write_bytes(content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :])
        try:
            unpack_crate(flipped, tmp_path / "out")
        except ArtifactError:
            continue
        assert {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == whole, at


def test_a_link_is_refused(crate: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("record/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ArtifactError, match="record/link is a link or a device"):
        unpack_crate(rewritten(crate, {}, link), tmp_path / "out")


def test_a_name_that_stands_twice_is_refused(crate: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = rewritten(crate, {}, zipfile.ZipInfo("record/empty.txt"))
    with pytest.raises(ArtifactError, match=r"holds record/empty\.txt twice"):
        unpack_crate(twice, tmp_path / "out")


def test_a_bomb_is_refused_by_what_it_declares(crate: Path, tmp_path: Path) -> None:
    content = crate.read_bytes()
    with zipfile.ZipFile(crate) as archive:
        entry = archive.getinfo("record/a b#1.txt")
    small = entry.file_size.to_bytes(4, "little")
    at = content.rindex(b"record/a b#1.txt") - 46 + 24  # uncompressed size in the central directory
    assert content[at : at + 4] == small
    bomb = crate.with_name("bomb.zip")
    bomb.write_bytes(content[:at] + (2**31).to_bytes(4, "little") + content[at + 4 :])
    with pytest.raises(ArtifactError, match="would unpack to 2147"):
        unpack_crate(bomb, tmp_path / "out")


def test_what_is_no_crate(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ArtifactError, match="the crate cannot be read"):
        unpack_crate(tmp_path / "text.zip", tmp_path / "out")
    with pytest.raises(SourceError, match="no such file"):
        unpack_crate(tmp_path / "nothing.zip", tmp_path / "out")


def test_packing_is_whole_or_nothing(crate: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is a file of this name"):
        pack_crate({}, "{}", crate)
    moving = tmp_path / "moving.txt"
    moving.write_text("before")
    parts = {"moving.txt": part(moving)}
    moving.write_text("after!")
    with pytest.raises(ArtifactError, match="a file changed while it was packed"):
        pack_crate(parts, "{}", tmp_path / "new.zip")
    assert not [path for path in tmp_path.iterdir() if "new.zip" in path.name]


def test_a_commit_travels_without_its_history(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"a.py": "first = 1\n", "sub/deep/b.txt": "b\n", "Ä n.txt": "text\n"})
    (root / "a.py").write_text("second = 2\n")
    git(root, "commit", "--quiet", "--all", "--message", "second")
    git(root, "gc", "--quiet")
    commit = git(root, "rev-parse", "HEAD").strip()
    one = pack_commit(root, commit, tmp_path / "one.pack")
    git(root, "repack", "-a", "-d", "-f", "--quiet")
    assert one.read_bytes() == pack_commit(root, commit, tmp_path / "two.pack").read_bytes()
    made = unpack_commit(one, commit, tmp_path / "made")
    restore_code(tmp_path, code_state(root), tmp_path / "checkout", repository=made)
    assert (tmp_path / "checkout" / "a.py").read_text() == "second = 2\n"
    assert (tmp_path / "checkout" / "Ä n.txt").read_text() == "text\n"
    assert git(made, "log", "--format=%H").split() == [commit]
    git(made, "fsck", "--strict")
    with pytest.raises(ArtifactError, match="this is not the code at commit 000000000000"):
        unpack_commit(one, "0" * 40, tmp_path / "other")


def test_a_damaged_pack(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"a.py": "text = 'long enough to change a byte of it'\n"})
    commit = git(root, "rev-parse", "HEAD").strip()
    pack = pack_commit(root, commit, tmp_path / "one.pack")
    content = bytearray(pack.read_bytes())
    content[60] ^= 1
    pack.write_bytes(content)
    with pytest.raises(ArtifactError, match="this is not the code at commit"):
        unpack_commit(pack, commit, tmp_path / "made")
    with pytest.raises(ArtifactError, match="is not in the repository"):
        pack_commit(root, "1" * 40, tmp_path / "two.pack")
