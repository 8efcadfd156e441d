"""A parsed file: the full names of what it calls, what surrounds a node, and the scopes of assignments."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from cascada.repro.lint.sources import SourceText

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass(frozen=True, eq=False)
class Module:
    """The syntax tree of a file, with its names resolved."""

    source: SourceText
    tree: ast.Module

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node that each node is part of."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """All calls, from top to bottom."""
        found = [node for node in self.nodes if isinstance(node, ast.Call)]
        return tuple(sorted(found, key=lambda call: (call.lineno, call.col_offset)))

    @cached_property
    def aliases(self) -> dict[str, str]:
        """What the imports bind: ``{"np": "numpy", "tts": "sklearn.model_selection.train_test_split"}``."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for name in node.names:
                    found[name.asname or name.name.split(".")[0]] = (
                        name.name if name.asname else name.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for name in node.names:
                    found[name.asname or name.name] = f"{node.module}.{name.name}"
        return found

    @cached_property
    def imported(self) -> frozenset[str]:
        """The top-level packages that are imported."""
        return frozenset(name.split(".")[0] for name in self.aliases.values())

    def name(self, node: ast.AST) -> str:
        """Spell a name or attribute in full, import aliases resolved; empty for anything else.

        What was not imported keeps its own name, so that built-in functions are found by theirs.
        """
        if isinstance(node, ast.Attribute):
            owner = self.name(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        return ""

    def called(self, call: ast.Call) -> str:
        """Spell what is called."""
        return self.name(call.func)

    @cached_property
    def made(self) -> dict[str, str]:
        """What each variable was made by, where it is assigned a call: ``{"scaler": "sklearn....StandardScaler"}``."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found[target.id] = self.called(node.value)
        return found

    def scope(self, node: ast.AST) -> Scope:
        """Find the function, class or module that a node is directly in."""
        while not isinstance(node := self.parents[node], Scope):
            pass
        return node

    def inside(self, node: ast.AST, kind: type[ast.AST]) -> Iterator[ast.AST]:
        """Go through the nodes of a kind around a node, the nearest first."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, kind):
                yield node

    def calls_any(self, *names: str) -> bool:
        """Tell whether the file calls one of these full names."""
        return any(self.called(call) in names for call in self.calls)


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Find a keyword argument of a call."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def is_constant(node: ast.expr | None, value: object) -> bool:
    """Tell whether an expression is this constant, of this type: 1 is not True."""
    return isinstance(node, ast.Constant) and type(node.value) is type(value) and node.value == value


def has_unpacking(call: ast.Call) -> bool:
    """Tell whether ``*args`` or ``**options`` hide what is passed."""
    return any(one.arg is None for one in call.keywords) or any(isinstance(one, ast.Starred) for one in call.args)


def last(name: str) -> str:
    """Take the last part of a dotted name."""
    return name.rpartition(".")[2]
