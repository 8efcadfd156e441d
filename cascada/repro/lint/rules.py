"""The shape of a rule, and the register that all rules are in."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from cascada.repro.diagnosis import Severity
from cascada.repro.lint.module import Module

Match = tuple[ast.AST | int, str]
"""A node, or the number of a line, and what was found there."""

Finder = Callable[[Module], Iterator[Match]]


@dataclass(frozen=True)
class Rule:
    """A numbered rule.

    Attributes
    ----------
    why
        What goes wrong, in one sentence.
    fix
        What to write instead.
    """

    number: str
    name: str
    severity: Severity
    why: str
    fix: str
    find: Finder


NAMES: dict[str, frozenset[str]] = {
    library: frozenset(names)
    for library, names in yaml.safe_load(Path(__file__).with_name("names.yaml").read_text(encoding="utf-8")).items()
}
"""Names that the rules know, by library: `names.yaml`."""

RULES: dict[str, Rule] = {}


def rule(number: str, name: str, severity: Severity, *, why: str, fix: str) -> Callable[[Finder], Finder]:
    """Register a function that finds what a rule forbids."""

    def register(find: Finder) -> Finder:
        if number in RULES:
            raise ValueError(f"the rule {number} exists already: {RULES[number].name}")
        RULES[number] = Rule(number, name, severity, why, fix, find)
        return find

    return register
