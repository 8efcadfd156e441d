"""Signatures hold for what was signed, by whom is trusted, and for nothing else."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cascada.errors import ArtifactError
from cascada.repro.signing import own_key, require_signature, sign


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(bytes(range(200)))
    (folder / "bundle.json").write_text("{}")
    sign(folder, tmp_path / "bundle.sig", key=own_key(tmp_path / "keys"))
    return folder


def check(bundle: Path, trusted: str = "keys") -> str:
    return require_signature(bundle, bundle.with_suffix(".sig"), trusted=bundle.parent / trusted)


def test_a_signature_names_its_key(bundle: Path) -> None:
    assert check(bundle) == "signing"
    own_key(bundle.parent / "others")
    (bundle.parent / "keys" / "signing.pub").rename(bundle.parent / "others" / "ours.pub")
    assert check(bundle, "others") == "ours"


def test_one_byte_a_file_more_or_less_is_refused(bundle: Path) -> None:
    graph = bundle / "model.onnx"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + b"\x00")
    with pytest.raises(ArtifactError, match="not what was signed") as caught:
        check(bundle)
    assert "model.onnx" in caught.value.got
    graph.write_bytes(content)
    check(bundle)
    (bundle / "evil.pkl").write_bytes(b"cos\nsystem\n")
    with pytest.raises(ArtifactError, match="not what was signed"):
        check(bundle)
    (bundle / "evil.pkl").unlink()
    graph.unlink()
    with pytest.raises(ArtifactError, match="not what was signed"):
        check(bundle)


def test_unsigned_and_strange_signatures_are_refused(bundle: Path) -> None:
    own_key(bundle.parent / "others")
    with pytest.raises(ArtifactError, match="key that is not trusted"):
        check(bundle, "others")
    with pytest.raises(ArtifactError, match="nobody's signature is trusted"):
        check(bundle, "nowhere")
    bundle.with_suffix(".sig").write_text("no signature")
    with pytest.raises(ArtifactError, match="not what was signed"):
        check(bundle)
    bundle.with_suffix(".sig").unlink()
    with pytest.raises(ArtifactError, match="not signed"):
        check(bundle)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from cascada.repro.signing import own_key; own_key(Path({str(tmp_path)!r}))"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    key = own_key(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["signing.pem", "signing.pub"]
    target = tmp_path / "text"
    target.write_text("x")
    sign(target, tmp_path / "text.sig", key=key)
    assert require_signature(target, tmp_path / "text.sig", trusted=tmp_path) == "signing"


def test_a_key_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    (tmp_path / "text").write_text("x")
    with pytest.raises(ArtifactError, match="cannot be signed") as caught:
        sign(tmp_path / "text", tmp_path / "text.sig", key=tmp_path / "key.pem")
    assert str(tmp_path / "key.pem") in caught.value.expected
