"""The files that are linted: scripts and notebooks of a project, and their text."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cascada.errors import CascadaError, SourceError, nearest
from cascada.repro.environment import run_git

_ENDINGS = (".py", ".ipynb")
_NOT_OURS = frozenset({"node_modules", "site-packages", "__pycache__", "build", "dist", "venv", "env"})
_TEST = re.compile(r"(^|/)(tests?/|test_[^/]*\.py$|[^/]*_test\.py$|conftest\.py$)")
_MAGIC = re.compile(r"^(\s*)(%|!|\?|[\w.]+\?\??$)")


@dataclass(frozen=True)
class SourceText:
    """The code of a file as one text.

    Attributes
    ----------
    path
        From the project's root where the file is inside of it.
    cells
        Number of the code cell of each line; empty for a script.
    counts
        Execution counts of the code cells of a notebook; None for one that was not run.
    shell
        Lines of a notebook that are no Python: line number to text.
    """

    path: str
    text: str
    cells: tuple[int, ...] = ()
    counts: tuple[int | None, ...] = ()
    shell: tuple[tuple[int, str], ...] = ()


def find_files(paths: Iterable[Path]) -> list[Path]:
    """List the scripts and notebooks among paths.

    A folder gives those that git tracks or could track, tests aside: a test makes no result. A file that is named is
    taken as it is.

    Raises
    ------
    SourceError
        If a path does not exist or is no Python.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(_in_folder(path))
        else:
            _require(path)
            found[path] = None
    return list(found)


def _require(path: Path) -> None:
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        raise SourceError(
            "there is no such file", where=str(path), hint=nearest(path.name, beside[:50]) if beside else ""
        )
    if path.suffix not in _ENDINGS:
        raise SourceError("this is no Python", where=str(path), expected="a .py or .ipynb file, or a folder")


def _in_folder(folder: Path) -> Iterator[Path]:
    for name in sorted(_tracked(folder) or _walked(folder)):
        if name.endswith(_ENDINGS) and not _TEST.search(name) and (folder / name).is_file():
            yield folder / name


def _tracked(folder: Path) -> list[str]:
    try:
        listed = run_git(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    except CascadaError:
        return []  # no work tree: the folder is walked
    return [name for name in os.fsdecode(listed).split("\0") if name]


def _walked(folder: Path) -> list[str]:
    names: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_OURS and not name.startswith(".")]
        names += [(Path(place) / name).relative_to(folder).as_posix() for name in files]
    return names


def read_source(path: Path, root: Path) -> SourceText:
    """Read a script, or the code cells of a notebook one below the other.

    Raises
    ------
    SourceError
        If it is no text, or no notebook.
    """
    inside = path.resolve().is_relative_to(root.resolve())
    name = path.resolve().relative_to(root.resolve()).as_posix() if inside else path.as_posix()
    try:
        text = path.read_text(encoding="utf-8-sig")
        return _notebook(name, json.loads(text)) if path.suffix == ".ipynb" else SourceText(name, text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError("this file cannot be read as code", where=name, got=str(error)) from error


def _notebook(name: str, notebook: dict[str, Any]) -> SourceText:
    codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    lines: list[str] = []
    cells: list[int] = []
    shell: list[tuple[int, str]] = []
    for number, cell in enumerate(codes, 1):
        for line in _cell_lines(cell["source"]):
            lines.append(_python(line))
            cells.append(number)
            if lines[-1] != line:
                shell.append((len(lines), line.strip()))
    counts = tuple(cell.get("execution_count") for cell in codes if "".join(cell["source"]).strip())
    return SourceText(name, "\n".join(lines) + "\n", tuple(cells), counts, tuple(shell))


def _cell_lines(source: str | list[str]) -> list[str]:
    text = source if isinstance(source, str) else "".join(source)
    lines = text.splitlines()
    if lines and lines[0].startswith("%%") and not lines[0].startswith(("%%time", "%%capture")):
        return [f"!{line}" for line in lines]  # a cell in another language
    return lines


def _python(line: str) -> str:
    """Put `pass` in the place of a magic or shell line, so that the text is Python with the same lines."""
    match = _MAGIC.match(line)
    return f"{match[1]}pass" if match else line
