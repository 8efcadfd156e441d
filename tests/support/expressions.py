"""The expressions of GitHub Actions, as far as our workflows use them: ``${{ a.b == 'c' && contains(d.*.e, 'f') }}``.

Rules: docs.github.com, "Evaluate expressions in workflows and actions": `==` compares text without case and other
types as numbers; `&&` and `||` give one of their operands; what is missing is null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Functions = Mapping[str, Callable[..., Any]]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'(?:[^']|'')*')|(?P<operator>==|!=|<=|>=|&&|\|\||[!<>()\[\],.*])"
    r"|(?P<name>[A-Za-z_][\w-]*))"
)
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_STATUS = re.compile(r"\b(success|failure|always|cancelled)\s*\(")
_BINDING = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4}


class ExpressionError(ValueError):
    """An expression that GitHub would refuse, or one beyond this subset."""


def evaluate(text: str, contexts: Mapping[str, Any], functions: Functions | None = None) -> Any:
    """Evaluate one expression, without its braces.

    >>> evaluate("github.ref == 'REFS/heads/main' && 'yes' || 'no'", {"github": {"ref": "refs/heads/main"}})
    'yes'
    """
    parser = _Parser(text, contexts, _FUNCTIONS | dict(functions or {}))
    value = parser.binary(0)
    if parser.position != len(parser.tokens):
        raise ExpressionError(f"{text!r} goes on after its end: {parser.tokens[parser.position][1]!r}")
    return value


def interpolate(value: Any, contexts: Mapping[str, Any], functions: Functions | None = None) -> Any:
    """Replace the expressions in text, lists and mappings; text that is one expression keeps its type."""
    if isinstance(value, Mapping):
        return {key: interpolate(one, contexts, functions) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolate(one, contexts, functions) for one in value]
    if not isinstance(value, str):
        return value
    if (whole := _EXPRESSION.fullmatch(value.strip())) and value.count("${{") == 1:
        return evaluate(whole[1], contexts, functions)
    return _EXPRESSION.sub(lambda found: to_text(evaluate(found[1], contexts, functions)), value)


def holds(condition: Any, contexts: Mapping[str, Any], functions: Functions) -> bool:
    """Decide an ``if``: without a status function it also asks that nothing failed before."""
    text = "true" if condition is None else to_text(condition).strip()
    text = whole[1] if (whole := _EXPRESSION.fullmatch(text)) else text
    asked = truth(evaluate(text, contexts, functions))
    return asked if _STATUS.search(text) else asked and bool(functions["success"]())


def truth(value: Any) -> bool:
    """Tell what counts as true: all but false, null, 0, NaN and empty text."""
    return not (value is None or value in ("", 0) or (isinstance(value, float) and math.isnan(value)))


def to_text(value: Any) -> str:
    """Write a value as it appears in text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _number(value: Any) -> float:
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return left is right
    return _number(left) == _number(right)


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(_equal(one, what) for one in where)
    return to_text(what).casefold() in to_text(where).casefold()


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": _contains,
    "startswith": lambda text, head: to_text(text).casefold().startswith(to_text(head).casefold()),
    "endswith": lambda text, tail: to_text(text).casefold().endswith(to_text(tail).casefold()),
    "format": lambda form, *values: re.sub(r"\{(\d+)\}", lambda found: to_text(values[int(found[1])]), form),
    "join": lambda values, by=",": by.join(map(to_text, values)),
    "tojson": lambda value: json.dumps(value, indent=2),
    "fromjson": json.loads,
}


class _Parser:
    """Recursive descent; values are computed while parsing."""

    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Functions) -> None:
        self.tokens, self.position = _tokens(text), 0
        self._contexts, self._functions = contexts, functions

    def _next(self, expected: str = "") -> tuple[str, str]:
        if self.position == len(self.tokens):
            raise ExpressionError(f"the expression ends where {expected or 'a value'} should be")
        token = self.tokens[self.position]
        if expected and token[1] != expected:
            raise ExpressionError(f"expected {expected!r}, got {token[1]!r}")
        self.position += 1
        return token

    def _at(self, *operators: str) -> bool:
        return self.position < len(self.tokens) and self.tokens[self.position] in [("operator", o) for o in operators]

    def binary(self, least: int) -> Any:
        left = self._unary()
        while self._at(*_BINDING) and _BINDING[self.tokens[self.position][1]] > least:
            operator = self._next()[1]
            left = _apply(operator, left, self.binary(_BINDING[operator]))
        return left

    def _unary(self) -> Any:
        if self._at("!"):
            self._next()
            return not truth(self._unary())
        return self._postfix(self._primary())

    def _primary(self) -> Any:
        kind, word = self._next()
        if kind == "number":
            return float(word)
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if word == "(":
            inner = self.binary(0)
            self._next(")")
            return inner
        if kind != "name":
            raise ExpressionError(f"no value begins with {word!r}")
        if self._at("("):
            return self._call(word)
        constants = {"true": True, "false": False, "null": None}
        if word in constants:
            return constants[word]
        if word not in self._contexts:
            raise ExpressionError(f"unknown context {word!r}")
        return self._contexts[word]

    def _call(self, name: str) -> Any:
        self._next("(")
        values = []
        while not self._at(")"):
            values.append(self.binary(0))
            if self._at(","):
                self._next()
        self._next(")")
        if name.lower() not in self._functions:
            raise ExpressionError(f"unknown function {name!r}")
        return self._functions[name.lower()](*values)

    def _postfix(self, value: Any) -> Any:
        while self._at(".", "["):
            if self._next()[1] == "[":
                value = _member(value, self.binary(0))
                self._next("]")
            else:
                value = _member(value, self._next()[1])
        return value


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position, text = [], 0, text.strip()
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ExpressionError(f"{text!r} cannot be read from {text[position:]!r} on")
        found.append((str(token.lastgroup), token[str(token.lastgroup)]))
        position = token.end()
    return found


def _apply(operator: str, left: Any, right: Any) -> Any:
    if operator in ("&&", "||"):
        return right if truth(left) is (operator == "&&") else left
    if operator in ("==", "!="):
        return _equal(left, right) is (operator == "==")
    less, same = _number(left) < _number(right), _number(left) == _number(right)
    return {"<": less, "<=": less or same, ">": _number(left) > _number(right), ">=": _number(left) >= _number(right)}[
        operator
    ]


class _Each(list[Any]):
    """What `.*` gives: a member of it is the members of all."""


def _member(value: Any, name: Any) -> Any:
    if name == "*":
        return _Each(value.values() if isinstance(value, Mapping) else value or [])
    if isinstance(value, _Each):
        return _Each(one[name] for one in value if isinstance(one, Mapping) and name in one)
    if isinstance(value, list) and isinstance(name, float):
        return value[int(name)] if 0 <= int(name) < len(value) else None
    if isinstance(value, Mapping):
        folded = {str(key).casefold(): one for key, one in value.items()}
        return folded.get(to_text(name).casefold())
    return None
