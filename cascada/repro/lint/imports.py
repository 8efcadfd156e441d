"""The modules of a project that a script imports, and those that they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from cascada.errors import SourceError
from cascada.repro.lint.sources import read_source


def with_imports(scripts: list[Path], root: Path) -> list[Path]:
    """List scripts and every file of the project that they import, directly or not.

    Modules are looked for beside the file that imports them, at the project's root and below ``src``; what is
    imported under a computed name is not seen. All paths are absolute.
    """
    found: dict[Path, None] = {}
    waiting = list(scripts)
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found[one] = None
            waiting += sorted(_imported(one, (one.parent, root, root / "src"), root))
    return list(found)


def _imported(path: Path, places: tuple[Path, ...], root: Path) -> set[Path]:
    try:
        tree = ast.parse(read_source(path, root).text)
    except (SourceError, SyntaxError):
        return set()  # a finding of the lint
    names = {name for node in ast.walk(tree) for name in _names(node)}
    return {file for name in names for place in _around(name, path, places) if (file := _file(place, name))}


def _names(node: ast.AST) -> Iterator[str]:
    """Spell what an import may name as modules; each dot of a relative one stays in front."""
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom):
        start = "." * node.level + (node.module or "")
        yield start
        yield from (f"{start}{'' if start.endswith('.') else '.'}{name.name}" for name in node.names)


def _around(name: str, path: Path, places: tuple[Path, ...]) -> tuple[Path, ...]:
    dots = len(name) - len(name.lstrip("."))
    return (path.parents[dots - 1],) if dots else places


def _file(place: Path, name: str) -> Path | None:
    parts = name.lstrip(".").split(".")
    if not all(parts):
        return None
    stem = place.joinpath(*parts)
    candidates = (stem.with_suffix(".py") if parts else stem, stem / "__init__.py")
    return next((one for one in candidates if one.is_file()), None)
