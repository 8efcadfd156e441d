"""What a script imports of its project is linted with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import write

from cascada.repro.lint.check import lint_paths
from cascada.repro.lint.imports import with_imports


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import model", ["scripts/model.py"]),
        ("import numpy, model", ["scripts/model.py"]),
        ("import pack.inner", ["pack/inner.py"]),
        ("from pack import inner", ["pack/__init__.py", "pack/inner.py"]),
        ("from pack import deep", ["pack/__init__.py", "pack/deep.py", "pack/inner.py"]),
        ("from lib.tool import run", ["src/lib/tool.py"]),
        ("from . import model", ["scripts/model.py"]),
        ("from .model import fit", ["scripts/model.py"]),
        ("import os", []),
        ("def f(:", []),
    ],
)
def test_imports_are_followed(tmp_path: Path, line: str, found: list[str]) -> None:
    for name in ("scripts/model.py", "pack/__init__.py", "pack/inner.py", "src/lib/tool.py"):
        write(tmp_path, name, "import model\n" if name == "scripts/model.py" else "")
    write(tmp_path, "pack/deep.py", "from . import inner\n")
    script = write(tmp_path, "scripts/train.py", f"{line}\n")
    followed = with_imports([script], tmp_path)
    assert followed[0] == script
    assert sorted(path.relative_to(tmp_path).as_posix() for path in followed[1:]) == found


def test_a_finding_in_an_imported_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, although the folder of the script is the project, and its path is relative."""
    write(tmp_path, "model.py", "import random\nr = random.Random()\n")
    write(tmp_path, "train.py", "import model\n")
    monkeypatch.chdir(tmp_path)
    section = lint_paths([Path("train.py")], tmp_path)
    assert section.examined.startswith("2 files")
    assert [one.where for one in section.findings] == ["model.py:2"]
