"""Running all rules over files, and what suppresses a finding."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from cascada.errors import SourceError, nearest
from cascada.repro.diagnosis import Finding, Section, Severity
from cascada.repro.lint import inputs, kernels, leakage, notebooks, order, randomness
from cascada.repro.lint.imports import with_imports
from cascada.repro.lint.module import Module
from cascada.repro.lint.rules import RULES, Rule
from cascada.repro.lint.sources import SourceText, find_files, read_source

FAMILIES = (randomness, order, kernels, inputs, leakage, notebooks)
"""The modules that register rules when they are imported."""

_IGNORE = re.compile(r"#\s*cascada:\s*ignore\[([^\]]*)\]")


def all_rules() -> list[Rule]:
    """List the rules by their number."""
    return [RULES[number] for number in sorted(RULES)]


def lint_paths(paths: Iterable[Path], root: Path) -> Section:
    """Lint folders, and files with what they import of the project.

    Parameters
    ----------
    root
        The project: paths in findings start there.

    Raises
    ------
    SourceError
        If a path does not exist or is no Python.
    """
    root = root.resolve()
    paths = [path.resolve() for path in paths]
    named = [path for path in paths if path.is_file()]
    files = list(dict.fromkeys([*find_files(paths), *with_imports(named, root)]))
    found = [finding for path in files for finding in lint_file(path, root)]
    listed = "1 file" if len(files) == 1 else f"{len(files)} files"
    return Section(title="Code", examined=f"{listed}, {len(RULES)} rules", findings=tuple(found))


def lint_file(path: Path, root: Path) -> list[Finding]:
    """Lint a script or a notebook; one that cannot be read is a finding itself."""
    try:
        return lint_source(read_source(path, root))
    except SourceError as error:
        return [_unreadable(error.where, 0, error.got)]


def lint_source(source: SourceText) -> list[Finding]:
    """Lint code that was read; what cannot be parsed is a finding itself."""
    try:
        module = Module(source, _parse(source.text))
    except SyntaxError as error:
        return [_unreadable(source.path, error.lineno or 0, error.msg)]
    ignored = dict(_suppressions(source))
    found = [finding for rule in all_rules() for finding in _apply(rule, module, ignored)]
    return sorted([*found, *_unknown(source, ignored)], key=lambda one: (one.line, one.rule))


def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of somebody's code: an invalid escape sequence
        return ast.parse(text)


def _unreadable(path: str, line: int, message: str) -> Finding:
    return Finding(
        rule="D001", name="code that cannot be read", severity=Severity.error, path=path, line=line,
        message=message, fix="mend the file: what cannot be parsed cannot be run either",
    )  # fmt: skip


def _apply(rule: Rule, module: Module, ignored: dict[int, set[str]]) -> Iterator[Finding]:
    for place, message in rule.find(module):
        line = place if isinstance(place, int) else place.lineno  # type: ignore[attr-defined]
        end = line if isinstance(place, int) else place.end_lineno  # type: ignore[attr-defined]
        if any(rule.number in ignored.get(number, ()) for number in range(line, end + 1)):
            continue
        yield Finding(
            rule=rule.number, name=rule.name, severity=rule.severity, path=module.source.path, line=line,
            cell=_cell(module.source, line), message=message, fix=rule.fix,
        )  # fmt: skip


def _cell(source: SourceText, line: int) -> int:
    return source.cells[line - 1] if 0 < line <= len(source.cells) else 0


def _suppressions(source: SourceText) -> Iterator[tuple[int, set[str]]]:
    """Read the comments ``# cascada: ignore[D103, D201]``, line by line.

    One on a line of its own holds for the next line.
    """
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and (match := _IGNORE.search(token.string)):
            alone = not token.line[: token.start[1]].strip()
            yield token.start[0] + alone, {number.strip() for number in match[1].split(",")}


def _unknown(source: SourceText, ignored: dict[int, set[str]]) -> Iterator[Finding]:
    for line, numbers in ignored.items():
        for number in sorted(numbers - RULES.keys()):
            yield Finding(
                rule="D002", name="unknown rule is ignored", severity=Severity.warning, path=source.path, line=line,
                cell=_cell(source, line), message=f"there is no rule {number}", fix=nearest(number, RULES),
            )  # fmt: skip
