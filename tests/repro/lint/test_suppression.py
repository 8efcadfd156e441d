"""What suppresses a finding, which files are looked at, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import repository, write

from cascada.errors import SourceError
from cascada.repro.lint.check import lint_file, lint_paths
from cascada.repro.lint.sources import find_files

BAD = "import random\nr = random.Random()"


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        (f"{BAD}\n", ["D102"]),
        (f"{BAD}  # cascada: ignore[D102]\n", []),
        (f"{BAD}  # cascada: ignore[D101, D102] of a game\n", []),
        (f"{BAD}  # cascada: ignore[D101]\n", ["D102"]),
        ("import random\n# cascada: ignore[D102]\nr = random.Random()\n", []),
        ("import random\n# cascada: ignore[D102]\n\nr = random.Random()\n", ["D102"]),
        ("import random\nr = [random.Random(\n)]  # cascada: ignore[D102]\n", []),
        ('import random\nx = "# cascada: ignore[D102]"; r = random.Random()\n', ["D102"]),
        ("x = 1  # cascada: ignore[D999]\n", ["D002"]),
        ("def f(:\n", ["D001"]),
    ],
)
def test_a_comment_suppresses_one_rule_in_one_place(tmp_path: Path, code: str, rules: list[str]) -> None:
    path = write(tmp_path, "a.py", code)
    assert [one.rule for one in lint_file(path, tmp_path)] == rules


def test_an_unknown_rule_is_told_with_the_nearest(tmp_path: Path) -> None:
    (one,) = lint_file(write(tmp_path, "a.py", "x = 1  # cascada: ignore[D1O2]\n"), tmp_path)
    assert (one.message, one.line) == ("there is no rule D1O2", 1)
    assert "D102" in one.fix


def test_code_that_is_no_text_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"x = '\xff'\n")
    (one,) = lint_file(path, tmp_path)
    assert (one.rule, one.path) == ("D001", "a.py")


def test_a_folder_gives_what_git_sees_without_tests(tmp_path: Path) -> None:
    files = {"a.py": "", "sub/b.py": "", "tests/test_a.py": "", "sub/test_b.py": "", "x.txt": "", "out/c.py": ""}
    root = repository(tmp_path / "work", files | {".gitignore": "out/\n"})
    write(root, "new.py", "")
    assert [path.relative_to(root).as_posix() for path in find_files([root])] == ["a.py", "new.py", "sub/b.py"]
    assert find_files([root / "tests" / "test_a.py"]) == [root / "tests" / "test_a.py"]


def test_a_folder_outside_of_git_is_walked(tmp_path: Path) -> None:
    for name in ("b.py", "a.ipynb", ".venv/c.py", "venv/d.py"):
        write(tmp_path, name, "")
    assert [path.name for path in find_files([tmp_path])] == ["a.ipynb", "b.py"]


@pytest.mark.parametrize(("name", "told"), [("train", "did you mean train.py"), ("x.txt", "a .py or .ipynb")])
def test_a_wrong_path_is_refused(tmp_path: Path, name: str, told: str) -> None:
    write(tmp_path, "train.py", "")
    write(tmp_path, "x.txt", "")
    with pytest.raises(SourceError, match=told):
        lint_paths([tmp_path / name], tmp_path)
