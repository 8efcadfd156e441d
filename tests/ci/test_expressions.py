"""The runner's expressions, by the examples and rules of GitHub's documentation."""

from __future__ import annotations

from typing import Any

import pytest
from expressions import ExpressionError, evaluate, holds, interpolate

CONTEXTS = {
    "github": {
        "ref": "refs/heads/main",
        "event": {"pull_request": {"labels": [{"name": "GPU"}, {"name": "bug"}]}, "action": "opened"},
    },
    "inputs": {"pool": "", "seed": None},
    "vars": {},
    "needs": {"changes": {"outputs": {"train": "true"}}},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("1 < 2 && 2 >= 2", True),
        ("null == ''", True),
        ("true == 1", True),
        ("'a' == 'A'", True),
        ("'a' != 1", True),
        ("!github.missing.deeper", True),
        ("'a' == 'b' || 'c' == 'c' && false", False),
        ("('a' == 'b' || 'c' == 'c') && 'x'", "x"),
        (
            "inputs.pool || (contains(github.event.pull_request.labels.*.name, 'gpu') && 'gpu-cloud') || 'default'",
            "gpu-cloud",
        ),
        (
            "inputs.pool || (contains(github.event.pull_request.labels.*.name, 'tpu') && 'gpu-cloud') || 'default'",
            "default",
        ),
        ("github['ref']", "refs/heads/main"),
        ("github.event.pull_request.labels[1].name", "bug"),
        ("startsWith(github.ref, 'refs/HEADS/')", True),
        ("format('{1}-{0}', 'a', 2)", "2-a"),
        ("fromJSON('[1, 2]')[1]", 2),
        ("join(github.event.pull_request.labels.*.name, '+')", "GPU+bug"),
        ("needs.changes.outputs.train == 'true'", True),
        ("needs.skipped.outputs.train == 'true'", False),
    ],
)
def test_known_answers(text: str, value: Any) -> None:
    assert evaluate(text, CONTEXTS) == value


def test_text_with_expressions_becomes_text_and_one_expression_keeps_its_type() -> None:
    assert interpolate("a-${{ github.ref }}-${{ inputs.seed }}", CONTEXTS) == "a-refs/heads/main-"
    assert interpolate({"fast": "${{ 1 == 1 }}", "list": ["${{ 2 }}"]}, CONTEXTS) == {"fast": True, "list": [2]}


@pytest.mark.parametrize("text", ["'open", "a b", "github.", "unknown.x", "nope()", "(1", "1 +"])
def test_what_github_refuses_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, CONTEXTS)


def test_a_condition_without_a_status_function_needs_success() -> None:
    broken = {"success": lambda: False, "failure": lambda: True, "always": lambda: True, "cancelled": lambda: False}
    assert not holds(None, CONTEXTS, broken)
    assert not holds("true", CONTEXTS, broken)
    assert holds("always()", CONTEXTS, broken)
    assert holds("${{ failure() }}", CONTEXTS, broken)
    assert not holds("always() && github.ref == 'x'", CONTEXTS, broken)
