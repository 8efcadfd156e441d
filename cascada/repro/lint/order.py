"""D2: orders that the file system, a hash or the clock decides."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from cascada.repro.diagnosis import Severity
from cascada.repro.lint.module import Module, last
from cascada.repro.lint.rules import Match, rule

# Not os.walk: its folders are sorted in place, which a rule cannot follow.
_LISTINGS = frozenset({"os.listdir", "os.scandir", "glob.glob", "glob.iglob"})
_PATH_LISTINGS = frozenset({"iterdir", "rglob", "glob"})
_UNORDERED = frozenset({"concurrent.futures.as_completed", "asyncio.as_completed"})
_ANY_ORDER = frozenset({"sorted", "len", "set", "frozenset", "any", "all", "max", "min", "sum", "Counter", "bool"})
_KEEPS_ORDER = frozenset({"list", "tuple", "map", "filter", "zip", "reversed", "iter"})
_GROWING = frozenset({"append", "extend", "write", "insert"})


@rule(
    "D201", "directory listing without an order", Severity.warning,
    why="The file system decides the order of a listing; another disk gives other rows first.",
    fix="wrap it: sorted(folder.glob('*.csv'))",
)  # fmt: skip
def _listing(module: Module) -> Iterator[Match]:
    for call in module.calls:
        if _is_listing(module, call) and _used_in_order(module, call):
            yield call, f"{_spelled(module, call)}() lists files in no fixed order"


def _is_listing(module: Module, call: ast.Call) -> bool:
    if module.called(call) in _LISTINGS:
        return True
    return isinstance(call.func, ast.Attribute) and call.func.attr in _PATH_LISTINGS and "pathlib" in module.imported


def _spelled(module: Module, call: ast.Call) -> str:
    return module.called(call) or (call.func.attr if isinstance(call.func, ast.Attribute) else "")


@rule(
    "D202", "set in an order", Severity.warning,
    why="The order of a set of text changes with the hash seed of the process.",
    fix="sort it: for name in sorted(names)",
)  # fmt: skip
def _set(module: Module) -> Iterator[Match]:
    for node in module.nodes:
        if _is_set(module, node) and _used_in_order(module, node):
            yield node, "the order of a set is used"


def _is_set(module: Module, node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return module.called(node) in {"set", "frozenset"}
    return isinstance(node, ast.Set | ast.SetComp)


@rule(
    "D203", "results in the order of finishing", Severity.warning,
    why="Which worker is done first differs from run to run, and so does the order of the results.",
    fix="collect them in the order of submission: executor.map, or [future.result() for future in futures]",
)  # fmt: skip
def _finishing(module: Module) -> Iterator[Match]:
    for call in module.calls:
        unordered = isinstance(call.func, ast.Attribute) and call.func.attr == "imap_unordered"
        if (unordered or module.called(call) in _UNORDERED) and _order_matters(module, call):
            yield call, f"{last(module.called(call)) or 'imap_unordered'}() gives results as they finish"


def _used_in_order(module: Module, node: ast.AST) -> bool:
    """Tell whether the order of a collection matters where it stands, or where the variable that it goes to is used."""
    parent = module.parents[node]
    if not isinstance(parent, ast.Assign) or not isinstance(parent.targets[0], ast.Name):
        return _order_matters(module, node)
    if _sorted_later(module, parent.targets[0]):
        return False
    uses = (one for one in module.nodes if isinstance(one, ast.Name) and one.id == parent.targets[0].id)
    here = (one for one in uses if module.scope(one) is module.scope(parent) and isinstance(one.ctx, ast.Load))
    return any(_order_matters(module, one) for one in here)


def _order_matters(module: Module, node: ast.AST) -> bool:
    """Follow a collection to where its order is lost (sorted, a count) or kept (a list, a loop that collects)."""
    parent = module.parents[node]
    if isinstance(parent, ast.Call) and node in parent.args:
        return _matters_to_call(module, parent)
    if isinstance(parent, ast.comprehension):
        parent = module.parents[parent]
        return isinstance(parent, ast.ListComp | ast.GeneratorExp) and _kept(module, parent)
    if isinstance(parent, ast.For | ast.AsyncFor) and parent.iter is node:
        return _collects(parent)
    return False


def _matters_to_call(module: Module, call: ast.Call) -> bool:
    name = last(module.called(call))
    if name in _ANY_ORDER:
        return False
    if name == "enumerate" or (isinstance(call.func, ast.Attribute) and call.func.attr == "join"):
        return True  # numbers are given, or text made, in that order
    return name in _KEEPS_ORDER and (
        (name in {"list", "tuple"} and _kept(module, call)) or _order_matters(module, call)
    )


def _kept(module: Module, node: ast.AST) -> bool:
    """Tell whether a list is kept in the order in which it was made: not sorted later, nor lost."""
    parent = module.parents[node]
    if isinstance(parent, ast.Call):
        is_argument = node in parent.args
        return is_argument and last(module.called(parent)) not in _ANY_ORDER
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        return not _sorted_later(module, parent.targets[0])
    if isinstance(parent, ast.For) and parent.iter is node:
        return _collects(parent)
    return not isinstance(parent, ast.Compare | ast.SetComp | ast.comprehension)


def _sorted_later(module: Module, target: ast.expr) -> bool:
    name = ast.unparse(target)

    def sorts(call: ast.Call) -> bool:
        in_place = (
            isinstance(call.func, ast.Attribute) and call.func.attr == "sort" and ast.unparse(call.func.value) == name
        )
        loses = last(module.called(call)) in {"sorted", "shuffle"}
        return in_place or (loses and any(ast.unparse(one) == name for one in call.args))

    return any(sorts(call) for call in module.calls)


def _collects(loop: ast.For | ast.AsyncFor) -> bool:
    """Tell whether a loop makes something that has an order; one that deletes or checks files does not."""
    for node in (inner for statement in loop.body for inner in ast.walk(statement)):
        if isinstance(node, ast.Yield | ast.YieldFrom | ast.AugAssign):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _GROWING:
            return True
    return False
