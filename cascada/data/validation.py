"""The one door to Great Expectations: suites as YAML, judged on a table and on its physics per primary."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cascada.data.quality import physics_per_primary
from cascada.errors import ConfigError, InvalidDataError, nearest

logger = logging.getLogger(__name__)

_EXAMPLES = 5
_TOLD = 3  # failures that an error message spells out


class Rule(BaseModel):
    """An expectation of a suite, as the YAML holds it.

    Attributes
    ----------
    type, kwargs
        Name and arguments of a Great Expectations expectation.
    severity
        ``critical`` stops the run; ``warning`` is reported.
    notes
        What the rule means and what to do when it fails; shown to the user.
    when_present
        Skip the rule when the table does not have its column (for optional columns).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    kwargs: dict[str, Any]
    severity: Literal["critical", "warning"] = "critical"
    notes: str = ""
    when_present: bool = False

    @property
    def subject(self) -> str:
        return str(self.kwargs.get("column") or ", ".join(self.kwargs.get("column_list", [])) or "table")


class Suite(BaseModel):
    """Rules on the rows of a shower table and on its summary per primary (`cascada.data.quality`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: tuple[Rule, ...] = Field(min_length=1)
    per_primary: tuple[Rule, ...] = ()


class Outcome(BaseModel):
    """What became of one rule.

    Attributes
    ----------
    required
        What the rule asks, in words.
    measured
        What was found: a value, or the share of rows outside and some of their values.
    """

    model_config = ConfigDict(frozen=True)

    expectation: str
    subject: str
    passed: bool
    severity: str
    required: str
    measured: str
    notes: str


class ValidationReport(BaseModel):
    """Outcome of a suite on a table."""

    model_config = ConfigDict(frozen=True)

    suite: str
    files: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """Critical rules that did not hold."""
        return tuple(o for o in self.outcomes if not o.passed and o.severity == "critical")

    @property
    def passed(self) -> bool:
        return not self.failures

    def to_markdown(self) -> str:
        """Render as a table for people."""
        head = f"**{self.suite}**: {'passed' if self.passed else 'FAILED'}\n\n"
        head += "| | expectation | on | required | measured |\n|---|---|---|---|---|\n"
        marks = {
            (True, "critical"): "ok",
            (True, "warning"): "ok",
            (False, "warning"): "warn",
            (False, "critical"): "FAIL",
        }
        return head + "".join(
            f"| {marks[o.passed, o.severity]} | {o.expectation} | {o.subject} | {o.required} | {o.measured} |\n"
            for o in self.outcomes
        )


def load_suite(folder: Path, name: str) -> Suite:
    """Read a suite.

    Raises
    ------
    ConfigError
        If there is no such suite, or it is not valid.
    """
    path = folder / f"{name}.yaml"
    try:
        return Suite.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        known = [p.stem for p in folder.glob("*.yaml")]
        raise ConfigError(f"there is no suite {name!r}", where=str(folder), hint=nearest(name, known)) from error
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError("the suite is not valid", where=str(path), got=str(error)) from error


def validate(frame: pl.DataFrame, suite: Suite, files: Mapping[str, str]) -> ValidationReport:
    """Judge a shower table by a suite.

    Parameters
    ----------
    frame
        Shower table in file order.
    files
        Primary to its file.
    """
    names = {primary: Path(file).name for primary, file in files.items()}
    outcomes = _run(physics_per_primary(frame, names), suite.per_primary, index=["primary", "file"])
    outcomes += _run(frame, suite.rows, index=["primary", "shower_id"])
    return ValidationReport(suite=suite.name, files=tuple(dict.fromkeys(files.values())), outcomes=tuple(outcomes))


def enforce(report: ValidationReport) -> None:
    """Stop when a critical rule failed.

    Raises
    ------
    InvalidDataError
        With the file, the expectation, the numbers and the next step of the first failure, and the names of the rest.
    """
    if report.passed:
        return
    told = report.failures[:_TOLD]
    lines = [f"{o.subject}: {o.measured}; required {o.required} ({o.expectation})" for o in told]
    others = ", ".join(o.subject for o in report.failures[_TOLD:])
    count = len(report.failures)
    raise InvalidDataError(
        f"the data do not meet the suite {report.suite!r}: {count} expectation{'s' * (count > 1)} failed",
        where="\n            ".join(report.files),
        expected=f"expectations/{report.suite}.yaml",
        got="\n            ".join(lines + ([f"and more on {others}"] if others else [])),
        hint="\n            ".join(dict.fromkeys(o.notes for o in told if o.notes))
        or "mend the data or its column map",
    )


def _run(frame: pl.DataFrame, rules: tuple[Rule, ...], index: list[str]) -> list[Outcome]:
    absent = [rule for rule in rules if not _columns(rule) <= set(frame.columns)]
    present = [rule for rule in rules if rule not in absent]
    results = _great_expectations(frame, present, [name for name in index if name in frame.columns])
    judged = dict(zip(map(id, present), results, strict=True))
    judged |= {id(rule): _missing(rule, frame) for rule in absent if not rule.when_present}
    return [judged[id(rule)] for rule in rules if id(rule) in judged]


def _columns(rule: Rule) -> set[str]:
    column = [rule.kwargs["column"]] if "column" in rule.kwargs else []
    return {*column, *rule.kwargs.get("column_list", [])}


def _missing(rule: Rule, frame: pl.DataFrame) -> Outcome:
    lacking = ", ".join(sorted(_columns(rule) - set(frame.columns)))
    return Outcome(
        expectation=rule.type, subject=rule.subject, passed=False, severity=rule.severity, required="the column",
        measured=f"the table has no column {lacking}", notes=rule.notes,
    )  # fmt: skip


def _great_expectations(frame: pl.DataFrame, rules: list[Rule], index: list[str]) -> list[Outcome]:
    if not rules:
        return []
    import great_expectations as gx
    from great_expectations.core import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("whole")
    expectations = [{"type": r.type, "kwargs": r.kwargs, "meta": {"position": i}} for i, r in enumerate(rules)]
    suite = context.suites.add(ExpectationSuite(name="suite", expectations=expectations))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="run", data=batch, suite=suite))
    answer = definition.run(
        batch_parameters={"dataframe": frame.to_pandas()},
        result_format={"result_format": "SUMMARY", "unexpected_index_column_names": index},
    ).to_json_dict()
    ordered = sorted(answer["results"], key=lambda r: r["expectation_config"]["meta"]["position"])
    return [_outcome(rule, result) for rule, result in zip(rules, ordered, strict=True)]


def _outcome(rule: Rule, result: Mapping[str, Any]) -> Outcome:
    broken = [v["exception_message"] for v in result["exception_info"].values() if isinstance(v, dict)]
    return Outcome(
        expectation=rule.type,
        subject=rule.subject,
        passed=bool(result["success"]),
        severity=rule.severity,
        required=_required(rule.kwargs),
        measured=str(broken[0]) if broken else _measured(result["result"]),
        notes=rule.notes,
    )


def _required(kwargs: Mapping[str, Any]) -> str:
    parts = []
    if "min_value" in kwargs or "max_value" in kwargs:
        parts.append(f"{kwargs.get('min_value', '-inf')} to {kwargs.get('max_value', 'inf')}")
    if "value_set" in kwargs:
        parts.append(f"one of {', '.join(map(str, kwargs['value_set']))}")
    if "row_condition" in kwargs:
        parts.append(f"where {kwargs['row_condition']}")
    if "mostly" in kwargs:
        parts.append(f"for at least {100 * kwargs['mostly']:g} % of rows")
    return ", ".join(parts) or "always"


def _measured(result: Mapping[str, Any]) -> str:
    if "observed_value" in result:
        return _short(result["observed_value"])
    share = f"{result.get('unexpected_percent') or 0:.3g} % of {result.get('element_count', 0)} rows outside"
    examples = [_example(item) for item in result.get("partial_unexpected_index_list", [])[:_EXAMPLES]]
    return share + (f", e.g. {'; '.join(examples)}" if examples and result.get("unexpected_count") else "")


def _example(item: Mapping[str, Any]) -> str:
    labels = ("primary", "shower_id", "file")
    ordered = [*(name for name in item if name not in labels), *(name for name in labels if name in item)]
    return " ".join(_short(item[name]) for name in ordered)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)[:120]
