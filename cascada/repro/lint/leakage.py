"""D5: what the test rows must not teach."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from cascada.repro.diagnosis import Severity
from cascada.repro.lint.module import Module, Scope, last
from cascada.repro.lint.rules import Match, rule

_LEARNING = frozenset({"fit_transform", "fit_resample"})
# They learn nothing from the distribution of the features.
_HARMLESS = frozenset({
    "LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer", "OrdinalEncoder", "FunctionTransformer",
    "HashingVectorizer", "FeatureHasher", "Normalizer", "Binarizer", "PolynomialFeatures",
})  # fmt: skip
_TEST_NAME = re.compile(r"(^|_)test($|_)", re.IGNORECASE)
_TRAIN_NAME = re.compile(r"(^|_)train($|_)", re.IGNORECASE)


@rule(
    "D501", "transformer fitted before the split", Severity.error,
    why="The test rows shaped what the model is trained on, so its score is too good (REFORMS 6a).",
    fix="split first, fit on the training rows, only transform the others; a sklearn Pipeline does so in every fold",
)  # fmt: skip
def _before_split(module: Module) -> Iterator[Match]:
    learned: dict[tuple[Scope, str], ast.Call] = {}
    for node in sorted(_statements(module), key=lambda one: one.lineno):
        for split in _splits(module, node):
            names = {one.id for argument in split.args for one in ast.walk(argument) if isinstance(one, ast.Name)}
            fits = [learned[key] for name in sorted(names) if (key := (module.scope(node), name)) in learned]
            for fit in dict.fromkeys(fits):
                yield fit, f"{_spelled(fit)}() sees all rows; they are split in line {split.lineno}"
        if isinstance(node, ast.Assign):
            _note(module, node, learned)


def _statements(module: Module) -> Iterator[ast.stmt]:
    simple = ast.Assign | ast.AnnAssign | ast.Expr | ast.Return | ast.For
    return (node for node in module.nodes if isinstance(node, simple))


def _splits(module: Module, statement: ast.stmt) -> Iterator[ast.Call]:
    looked_at: ast.AST = statement.iter if isinstance(statement, ast.For) else statement
    for node in ast.walk(looked_at):
        if isinstance(node, ast.Call) and last(module.called(node)) == "train_test_split":
            yield node


def _note(module: Module, statement: ast.Assign, learned: dict[tuple[Scope, str], ast.Call]) -> None:
    """Remember the names that hold what a transformer learned from; a name that is assigned anew is free again."""
    fits = [node for node in ast.walk(statement.value) if isinstance(node, ast.Call) and _learns(module, node)]
    passed = [
        learned[key]
        for node in ast.walk(statement.value)
        if isinstance(node, ast.Name) and (key := (module.scope(statement), node.id)) in learned
    ]
    for target in statement.targets:
        for name in (node.id for node in ast.walk(target) if isinstance(node, ast.Name)):
            key = (module.scope(statement), name)
            learned.pop(key, None)
            if fits or passed:
                learned[key] = (fits or passed)[0]


def _learns(module: Module, call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _LEARNING:
        return False
    owner = call.func.value
    name = module.called(owner) if isinstance(owner, ast.Call) else module.made.get(module.name(owner), "")
    return last(name) not in _HARMLESS


def _spelled(call: ast.Call) -> str:
    return ast.unparse(call.func)


@rule(
    "D502", "fitted on test rows", Severity.error,
    why="What is fitted on the test rows is not tested by them.",
    fix="fit on the training rows; on the test rows only transform or predict",
)  # fmt: skip
def _on_test(module: Module) -> Iterator[Match]:
    if not any(isinstance(node, ast.Name) and _TRAIN_NAME.search(node.id) for node in module.nodes):
        return
    for call in module.calls:
        fits = isinstance(call.func, ast.Attribute) and call.func.attr in {"fit", *_LEARNING}
        first = next(iter(call.args), None)
        if fits and isinstance(first, ast.Name) and _TEST_NAME.search(first.id):
            yield call, f"{_spelled(call)}({first.id})"
