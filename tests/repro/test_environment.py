"""The container that a run was in."""

from __future__ import annotations

from pathlib import Path

import pytest

from cascada.repro import environment
from cascada.repro.environment import software

PODMAN = 'engine="podman-4.3.1"\nimage="docker.io/library/python:3.11"\nimageid="{}"\nrootless=1\n'


@pytest.mark.parametrize(
    ("text", "image"),
    [(PODMAN.format("f1" * 32), "f1" * 32), (PODMAN.format(""), "docker.io/library/python:3.11"), ("", "")],
)
def test_podman_tells_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, image: str) -> None:
    mark = tmp_path / ".containerenv"
    mark.write_text(text)
    monkeypatch.setattr(environment, "_PODMAN", mark)
    monkeypatch.delenv("CASCADA_IMAGE", raising=False)
    assert software().image == image


def test_who_starts_a_container_may_tell_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADA_IMAGE", "registry/train@sha256:0a1b")
    assert software().image == "registry/train@sha256:0a1b"
