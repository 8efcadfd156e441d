"""Rules on notebooks, with notebooks that nbformat writes."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from cascada.repro.lint.check import lint_file


def notebook(folder: Path, *cells: tuple[str, int | None]) -> Path:
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_markdown_cell("# Title")]
    made.cells += [nbformat.v4.new_code_cell(source, execution_count=count) for source, count in cells]
    path = folder / "analysis.ipynb"
    nbformat.write(made, path)
    return path


@pytest.mark.parametrize(
    ("cells", "rules"),
    [
        ([("a = 1", 1), ("b = 2", 2)], []),
        ([("a = 1", None), ("b = 2", None)], []),
        ([("a = 1", 3), ("b = 2", 2)], ["D601"]),
        ([("a = 1", 2), ("b = 2", 2)], ["D601"]),
        ([("a = 1", 1), ("b = 2", None)], ["D602"]),
        ([("a = 1", 1), ("", None)], []),
        ([("!pip install numpy", 1)], ["D603"]),
        ([("%pip install -U numpy", 1)], ["D603"]),
        ([("!pip install numpy==2.1", 1), ("!pip install -r requirements.txt", 2)], []),
        ([("%matplotlib inline\nx = 1", 1), ("%%bash\nls | (", 2), ("x?", 3)], []),
    ],
)
def test_notebooks(tmp_path: Path, cells: list[tuple[str, int | None]], rules: list[str]) -> None:
    assert [one.rule for one in lint_file(notebook(tmp_path, *cells), tmp_path)] == rules


def test_a_finding_names_the_cell(tmp_path: Path) -> None:
    path = notebook(tmp_path, ("import random", 1), ("%time x = 1\nr = random.Random()", 2))
    (one,) = lint_file(path, tmp_path)
    assert (one.rule, one.where) == ("D102", "analysis.ipynb cell 2")


def test_a_broken_notebook_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "analysis.ipynb"
    path.write_text('{"cells": [')
    (one,) = lint_file(path, tmp_path)
    assert one.rule == "D001"
