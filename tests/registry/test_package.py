"""Packages are served as they were signed, or not at all; a deployment moves in one step and tells its history."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from bundles import export, identity

from cascada.errors import ArtifactError
from cascada.registry.bundle import Bundle
from cascada.registry.deployment import current, deploy, history, served_identity
from cascada.registry.package import open_package, write_package
from cascada.repro.signing import own_key, sign


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    write_package(bundle.folder, identity(bundle), tmp_path / "v1", key=own_key(tmp_path / "keys"))
    return tmp_path / "v1"


def test_a_package_opens_as_it_was_signed(bundle: Bundle, folder: Path) -> None:
    opened = open_package(folder, trusted=folder.parent / "keys")
    assert (opened.bundle.sha256, opened.identity, opened.signer) == (bundle.sha256, identity(bundle), "signing")


@pytest.mark.parametrize(
    "name", ["bundle/model.onnx", "bundle/weights.safetensors", "bundle/bundle.json", "identity.json"]
)
def test_one_byte_is_refused(folder: Path, name: str) -> None:
    path = folder / "package" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="not what was signed"):
        open_package(folder, trusted=folder.parent / "keys")


def test_unsigned_is_refused(folder: Path) -> None:
    (folder / "package.sig").unlink()
    with pytest.raises(ArtifactError, match="not signed"):
        open_package(folder, trusted=folder.parent / "keys")


def test_a_signed_pickle_is_refused(folder: Path) -> None:
    keys = folder.parent / "keys"
    (folder / "package" / "bundle" / "model.pkl").write_bytes(pickle.dumps({"weights": [1.0]}))
    sign(folder / "package", folder / "package.sig", key=own_key(keys))
    with pytest.raises(ArtifactError, match="and nothing else") as caught:
        open_package(folder, trusted=keys)
    assert caught.value.got == "bundle/model.pkl"


def test_a_signed_identity_of_another_bundle_is_refused(bundle: Bundle, folder: Path) -> None:
    other = identity(bundle, bundle_sha256="0" * 64)
    write_package(bundle.folder, other, folder.parent / "v2", key=own_key(folder.parent / "keys"))
    with pytest.raises(ArtifactError, match="of another bundle"):
        open_package(folder.parent / "v2", trusted=folder.parent / "keys")


def test_a_deployment_tells_its_history(bundle: Bundle, tmp_path: Path) -> None:
    served, key = tmp_path / "served" / "toy", own_key(tmp_path / "keys")
    assert current(served) is None
    for version, reason in ((1, "first"), (2, "better"), (1, "rollback: 2 drifts")):
        deploy(bundle.folder, identity(bundle, version), served, key=key, reason=reason)
    found = current(served)
    assert found is not None
    assert open_package(found, trusted=tmp_path / "keys").identity.version == 1
    assert [(c.before, c.after, c.reason) for c in history(served)] == [
        (None, 1, "first"), (1, 2, "better"), (2, 1, "rollback: 2 drifts"),
    ]  # fmt: skip
    assert len([path for path in served.iterdir() if path.name.startswith("v")]) == 3


def test_what_is_served_is_what_the_link_says(bundle: Bundle, tmp_path: Path) -> None:
    served, key = tmp_path / "served" / "toy", own_key(tmp_path / "keys")
    assert served_identity(served) is None
    deploy(bundle.folder, identity(bundle, 1), served, key=key, reason="first")
    deploy(bundle.folder, identity(bundle, 2), served, key=key, reason="better")
    lines = (served / "history.jsonl").read_text().splitlines(keepends=True)
    (served / "history.jsonl").write_text(lines[0])  # as after a crash between link and line
    found = served_identity(served)
    assert found is not None
    assert found.version == 2
    deploy(bundle.folder, identity(bundle, 1), served, key=key, reason="back")
    assert (history(served)[-1].before, history(served)[-1].after) == (2, 1)


def test_a_damaged_history_is_named(bundle: Bundle, tmp_path: Path) -> None:
    served = tmp_path / "toy"
    deploy(bundle.folder, identity(bundle), served, key=own_key(tmp_path / "keys"), reason="first")
    with (served / "history.jsonl").open("a") as file:
        file.write('{"time": "2026-')
    with pytest.raises(ArtifactError, match="history of deployments is damaged") as caught:
        history(served)
    assert caught.value.where == str(served / "history.jsonl")
