"""The one door to Great Expectations: suites as YAML, judged on a table in chunks and on its physics in summary."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from cascada.data.etl import Limit, Limits
from cascada.data.quality import CHUNK_ROWS, summarise
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
    may_be_missing
        Whether the sieve keeps rows in which the column is null: what is not there for every shower.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    kwargs: dict[str, Any]
    severity: Literal["critical", "warning"] = "critical"
    notes: str = ""
    when_present: bool = False
    may_be_missing: bool = False

    @property
    def column(self) -> str:
        return str(self.kwargs.get("column", ""))


class Suite(BaseModel):
    """Rules on a table: on its rows one by one, and on its two summaries (`cascada.data.quality.Physics`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: tuple[Rule, ...] = ()
    per_primary: tuple[Rule, ...] = ()
    table: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.rows or self.per_primary or self.table):
            raise ValueError("a suite holds at least one rule, in rows, per_primary or table")
        return self

    @property
    def limits(self) -> Limits:
        """Ranges that every row must be in: the critical rules on rows that make no exception with ``mostly``."""
        return {
            rule.column: Limit(
                rule.kwargs.get("min_value", -math.inf), rule.kwargs.get("max_value", math.inf), rule.may_be_missing
            )
            for rule in self.rows
            if rule.type == "expect_column_values_to_be_between"
            and rule.severity == "critical"
            and not {"mostly", "row_condition"} & set(rule.kwargs)
        }


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
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise ConfigError(f"there is no suite {name!r}", where=str(folder), hint=nearest(name, known)) from error
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError("the suite is not valid", where=str(path), got=str(error)) from error


def validate(
    frame: pl.LazyFrame,
    suite: Suite,
    files: Mapping[str, str],
    *,
    limits: Limits | None = None,
    repeated: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> ValidationReport:
    """Judge a table by a suite.

    Parameters
    ----------
    frame
        Table in file order, whose rows can be read more than once; it is read in chunks.
    files
        Primary to its file.
    limits
        Rows outside are left out of the fits of `cascada.data.quality`.
    repeated
        Rows that repeat an earlier one, if they were counted already.
    on_progress
        Called with the number of rows judged so far.

    Raises
    ------
    ConfigError
        If Great Expectations does not know a rule, or a rule on rows needs more than one row to be judged.
    """
    rules = {part: _Rules(suite, part) for part in ("rows", "per_primary", "table")}
    names = {primary: Path(file).name for primary, file in files.items()}
    columns = frame.collect_schema().names()
    physics = summarise(frame, names, limits, repeated) if suite.per_primary or suite.table else None
    chunks = frame.collect_batches(chunk_size=CHUNK_ROWS, maintain_order=True, engine="streaming")
    outcomes = [] if physics is None else rules["per_primary"].judge_summary(physics.per_primary)
    outcomes += [] if physics is None else rules["table"].judge_summary(physics.table)
    index = [name for name in ("primary", "shower_id") if name in columns]
    outcomes += rules["rows"].judge(_counted(chunks, on_progress), index, columns=columns)
    return ValidationReport(suite=suite.name, files=tuple(dict.fromkeys(files.values())), outcomes=tuple(outcomes))


def validate_summary(summary: pl.DataFrame, suite: Suite, files: Mapping[str, str]) -> ValidationReport:
    """Judge a summary of one row, such as that of a split (`cascada.data.leaks`), by the rules in ``table``.

    Raises
    ------
    ConfigError
        As `validate`.
    """
    outcomes = _Rules(suite, "table").judge_summary(summary)
    return ValidationReport(suite=suite.name, files=tuple(files.values()), outcomes=tuple(outcomes))


def _counted(chunks: Iterable[pl.DataFrame], on_progress: Callable[[int], None] | None) -> Iterable[pl.DataFrame]:
    rows = 0
    for chunk in chunks:
        yield chunk
        rows += chunk.height
        if on_progress is not None:
            on_progress(rows)


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


@dataclass
class _Tally:
    """What a rule found, summed over chunks."""

    elements: int = 0
    judged: int = 0
    outside: int = 0
    examples: list[Mapping[str, Any]] = field(default_factory=list)
    broken: str = ""

    def add(self, result: Mapping[str, Any], chunk: pl.DataFrame, named: Sequence[str]) -> None:
        errors = [v["exception_message"] for v in result["exception_info"].values() if isinstance(v, dict)]
        if errors:
            self.broken = str(errors[0])
            return
        found = result["result"]
        self.elements += found.get("element_count", 0)
        self.judged += found.get("element_count", 0) - found.get("missing_count", 0)
        self.outside += found.get("unexpected_count", 0)
        column = str(result["expectation_config"]["kwargs"]["column"])
        rows = found.get("partial_unexpected_index_list", [])[: _EXAMPLES - len(self.examples)]
        self.examples += chunk[rows].select(*dict.fromkeys((column, *named))).to_dicts() if rows else []

    def outcome(self, rule: Rule) -> Outcome:
        share = self.outside / self.judged if self.judged else 0.0
        return Outcome(
            expectation=rule.type,
            subject=rule.column,
            passed=not self.broken and 1.0 - share >= rule.kwargs.get("mostly", 1.0),
            severity=rule.severity,
            required=_required(rule.kwargs),
            measured=self.broken or self._measured(share),
            notes=rule.notes,
        )

    def _measured(self, share: float) -> str:
        if self.elements == 1 and self.examples:
            return _example(self.examples[0])
        text = f"{100 * share:.3g} % of {self.elements} rows outside"
        return text + (f", e.g. {'; '.join(map(_example, self.examples))}" if self.examples else "")


class _Rules:
    """The rules of one part of a suite, ready to be judged."""

    def __init__(self, suite: Suite, part: str) -> None:
        where = f"suite {suite.name}, {part}"
        self._rules: tuple[Rule, ...] = getattr(suite, part)
        for rule in self._rules:
            _check_known(rule, where)

    def judge(
        self, chunks: Iterable[pl.DataFrame], index: Sequence[str], *, columns: Sequence[str] = ()
    ) -> list[Outcome]:
        """Judge a table that comes in chunks; `columns` are those of all chunks, even if there are none."""
        tallies = {id(rule): _Tally() for rule in self._rules}
        definition = None
        for chunk in chunks:
            columns = chunk.columns
            present = [rule for rule in self._rules if rule.column in columns]
            definition = definition or _definition(present)
            for rule, result in zip(present, _results(definition, chunk), strict=True):
                tallies[id(rule)].add(result, chunk, index)
        shown = [rule for rule in self._rules if rule.column in columns or not rule.when_present]
        return [tallies[id(rule)].outcome(rule) if rule.column in columns else _missing(rule) for rule in shown]

    def judge_summary(self, summary: pl.DataFrame) -> list[Outcome]:
        """Judge a summary; what passes shows its values."""
        outcomes = self.judge([summary], [name for name in ("primary", "file") if name in summary.columns])
        return [
            outcome.model_copy(update={"measured": _range(summary, outcome.subject)}) if outcome.passed else outcome
            for outcome in outcomes
        ]


def _range(summary: pl.DataFrame, column: str) -> str:
    values = summary[column].drop_nulls()
    if values.is_empty():
        return "not to be computed"
    return " to ".join(dict.fromkeys(_short(end) for end in (values.min(), values.max())))


def _check_known(rule: Rule, where: str) -> None:
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations import registry
    from great_expectations.expectations.expectation import ColumnMapExpectation

    try:
        made = registry.get_expectation_impl(rule.type)(**rule.kwargs)
    except ExpectationNotFoundError as error:
        known = registry.list_registered_expectation_implementations()
        raise ConfigError(f"unknown expectation {rule.type!r}", where=where, hint=nearest(rule.type, known)) from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{rule.type}: its arguments are not valid", where=where, got=str(error)) from error
    if not isinstance(made, ColumnMapExpectation):
        raise ConfigError(
            f"{rule.type} judges a whole table at once, and tables are read in chunks",
            where=where,
            expected="expectations on the values of a column, one by one",
            hint="judge a column of the summaries instead, in `table` or `per_primary` (cascada.data.quality)",
        )


def _definition(rules: Sequence[Rule]) -> Any:
    import great_expectations as gx
    from great_expectations.core import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("whole")
    expectations = [{"type": r.type, "kwargs": r.kwargs, "meta": {"position": i}} for i, r in enumerate(rules)]
    suite = context.suites.add(ExpectationSuite(name="suite", expectations=expectations))
    return context.validation_definitions.add(gx.ValidationDefinition(name="run", data=batch, suite=suite))


def _results(definition: Any, chunk: pl.DataFrame) -> list[Mapping[str, Any]]:
    # Without names of columns to show, failing rows come by position: looking them up for each takes 0.1 ms a row.
    answer = definition.run(
        batch_parameters={"dataframe": chunk.to_pandas()}, result_format={"result_format": "SUMMARY"}
    ).to_json_dict()
    results: list[Mapping[str, Any]] = answer["results"]
    return sorted(results, key=lambda result: int(result["expectation_config"]["meta"]["position"]))


def _missing(rule: Rule) -> Outcome:
    return Outcome(
        expectation=rule.type, subject=rule.column, passed=False, severity=rule.severity, required="the column",
        measured=f"the table has no column {rule.column}", notes=rule.notes,
    )  # fmt: skip


def _required(kwargs: Mapping[str, Any]) -> str:
    parts = []
    match kwargs.get("min_value"), kwargs.get("max_value"):
        case None, None:
            pass
        case low, None:
            parts.append(f"at least {low:.6g}")
        case None, high:
            parts.append(f"at most {high:.6g}")
        case low, high:
            parts.append(f"{low:.6g} to {high:.6g}")
    if "value_set" in kwargs:
        parts.append(f"one of {', '.join(map(str, kwargs['value_set']))}")
    if "row_condition" in kwargs:
        parts.append(f"where {kwargs['row_condition']}")
    if "mostly" in kwargs:
        parts.append(f"for at least {100 * kwargs['mostly']:g} % of rows")
    return ", ".join(parts) or "always"


def _example(item: Mapping[str, Any]) -> str:
    labels = ("primary", "shower_id", "file")
    ordered = [*(name for name in item if name not in labels), *(name for name in labels if name in item)]
    return " ".join(text for text in (_short(item[name]) for name in ordered) if text)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)[:120]
