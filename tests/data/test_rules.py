"""Every rule of every suite refuses what is outside it and lets pass what is inside, up to the share it forgives."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from intakes import SUITES

from cascada.data.validation import Outcome, Rule, Suite, load_suite, validate, validate_summary
from cascada.physics.columns import COLUMNS
from cascada.physics.primaries import PRIMARIES

NAMES = sorted(path.stem for path in Path(SUITES).glob("*.yaml"))
LOADED = {name: load_suite(SUITES, name) for name in NAMES}
PARTS = [
    (name, part) for name, suite in LOADED.items() for part in ("rows", "per_primary", "table") if getattr(suite, part)
]
ROWS = 1000


def apart(name: str, part: str) -> list[Rule]:
    """The rules of a part, each on a column of its own, without conditions on other columns."""
    rules: tuple[Rule, ...] = getattr(LOADED[name], part)
    dropped = ("column", "row_condition", "condition_parser")
    return [
        rule.model_copy(
            update={"kwargs": {k: v for k, v in rule.kwargs.items() if k not in dropped} | {"column": f"column_{i}"}}
        )
        for i, rule in enumerate(rules)
    ]


def judge(part: str, rules: list[Rule], values: list[list[Any]]) -> list[Outcome]:
    frame = pl.DataFrame({rule.column: v for rule, v in zip(rules, values, strict=True)}, strict=False)
    if part == "rows":
        return list(validate(frame.lazy(), Suite(name="one", rows=tuple(rules)), {}).outcomes)
    return list(validate_summary(frame, Suite(name="one", table=tuple(rules)), {}).outcomes)


def inside(rule: Rule) -> Any:
    if rule.type == "expect_column_values_to_be_in_set":
        return rule.kwargs["value_set"][-1]
    if rule.type == "expect_column_values_to_not_be_null":
        return 1.0
    assert rule.type == "expect_column_values_to_be_between", f"teach this test {rule.type}"
    low, high = rule.kwargs.get("min_value"), rule.kwargs.get("max_value")
    return float(low if low is not None else high)


def outside(rule: Rule, *, above: bool) -> Any:
    if rule.type == "expect_column_values_to_be_in_set":
        return "nothing of the kind"
    if rule.type == "expect_column_values_to_not_be_null":
        return None
    low, high = rule.kwargs.get("min_value"), rule.kwargs.get("max_value")
    take_high = high is not None and (above or low is None)
    return math.nextafter(float(high), math.inf) if take_high else math.nextafter(float(low), -math.inf)


def mixed(rule: Rule, size: int, bad: int, *, above: bool = False) -> list[Any]:
    return [outside(rule, above=above)] * bad + [inside(rule)] * (size - bad)


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_every_rule_refuses_what_is_outside_and_nothing_inside(name: str, part: str) -> None:
    rules = apart(name, part)
    size = ROWS if part == "rows" else 1
    forgiven = [math.floor(size * (1 - rule.kwargs.get("mostly", 1.0)) + 1e-9) for rule in rules]
    for outcome in judge(part, rules, [mixed(r, size, bad) for r, bad in zip(rules, forgiven, strict=True)]):
        assert outcome.passed, outcome
    for above in (False, True):
        values = [mixed(r, size, bad + 1, above=above) for r, bad in zip(rules, forgiven, strict=True)]
        for outcome in judge(part, rules, values):
            assert not outcome.passed, outcome
            assert outcome.measured


@pytest.mark.parametrize("name", NAMES)
def test_a_suite_names_itself_and_known_columns(name: str) -> None:
    suite = LOADED[name]
    assert suite.name == name
    for rule in suite.rows:
        assert rule.column in COLUMNS, f"{name}: {rule.column}"
        for primary in rule.kwargs.get("value_set", []) if rule.column == "primary" else []:
            assert primary in PRIMARIES


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("training")])
def test_what_trains_has_limits(name: str) -> None:
    assert LOADED[name].limits
