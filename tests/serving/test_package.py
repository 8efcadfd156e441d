"""A Bento is named by all that it is made of, so that a mended service reaches champions that were packaged before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cascada.registry.package import ModelIdentity
from serving import package

IDENTITY = ModelIdentity(
    name="toy", version=1, run_id="0" * 32, data_sha256="1" * 64, git_commit="2" * 40, bundle_sha256="3" * 64
)


def test_every_part_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = package._content(IDENTITY)
    assert package._content(IDENTITY) == before
    assert package._content(IDENTITY.model_copy(update={"verification": "IDENTICAL"})) != before
    for name in (*package._SOURCES, "requirements/serving.txt"):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package._ROOT / name, target)
    monkeypatch.setattr(package, "_ROOT", tmp_path)
    assert package._content(IDENTITY) == before
    for name in ("serving/app.py", "requirements/serving.txt"):
        with (tmp_path / name).open("a") as file:
            file.write("# mended\n")
        after = package._content(IDENTITY)
        assert after != before
        before = after
