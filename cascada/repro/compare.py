"""Whether two runs earned the same results: metrics bit by bit or within a tolerance, files by their hash.

The statistical answer compares a value with the two-sided prediction interval of one further draw from a normal
population, given k runs that differ by their seed alone: mean ± t(k − 1) s √(1 + 1/k) (G. J. Hahn, J. Am. Stat. Assoc.
64 (1969) 878). With m metrics each interval is held at 1 − 0.05/m (Bonferroni): one chance in twenty is spent once.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from cascada.repro.environment import Record
from cascada.repro.numbers import Incomparable, compare_numbers

CONFIDENCE = 0.95
MIN_SEEDS = 3
"""Fewer runs give no spread worth a verdict: t(1) = 12.7 lets nearly anything pass."""


class Verdict(StrEnum):
    """What a verification found."""

    IDENTICAL = "IDENTICAL"
    EQUIVALENT = "EQUIVALENT"
    CONSISTENT = "CONSISTENT"
    DIVERGED = "DIVERGED"
    UNVERIFIABLE = "UNVERIFIABLE"

    @property
    def passed(self) -> bool:
        """Whether the result was earned again."""
        return self not in {Verdict.DIVERGED, Verdict.UNVERIFIABLE}

    @property
    def exit_code(self) -> int:
        """0 when earned again, 1 when diverged, 2 when nothing can be said."""
        return 0 if self.passed else 1 if self is Verdict.DIVERGED else 2


class Numbers(Record):
    """A record whose numbers may be NaN or infinite: JSON has no such values, so they are written as text."""

    model_config = ConfigDict(ser_json_inf_nan="strings")


class Tolerance(Numbers):
    """How far a metric may be off: |replay − original| ≤ max(absolute, relative · |original|)."""

    relative: float = Field(0.0, ge=0, allow_inf_nan=False)
    absolute: float = Field(0.0, ge=0, allow_inf_nan=False)

    @property
    def stated(self) -> bool:
        """Whether any deviation is allowed."""
        return self.relative > 0 or self.absolute > 0

    def allows(self, original: float, replay: float) -> bool:
        """Tell whether a value is near enough."""
        if same_bits(original, replay):
            return True
        finite = math.isfinite(original) and math.isfinite(replay)
        return finite and abs(replay - original) <= max(self.absolute, self.relative * abs(original))

    def __str__(self) -> str:
        return f"relative {self.relative:g}, absolute {self.absolute:g}"


class Results(Numbers):
    """What a run earned.

    Attributes
    ----------
    metrics
        Name to last value.
    outputs
        Path of an output file to its SHA-256.
    printed_sha256
        Hash of what the run printed; judged only where there is nothing else.
    """

    metrics: dict[str, float] = Field(default_factory=dict)
    outputs: dict[str, str] = Field(default_factory=dict)
    printed_sha256: str = ""

    def without(self, patterns: Sequence[str]) -> Results:
        """Leave out metrics and files whose name a shell pattern matches: durations, pages with a date.

        Examples
        --------
        >>> Results(metrics={"loss": 0.5, "fit_s": 3.2}).without(["*_s"]).metrics
        {'loss': 0.5}
        """
        return Results(
            metrics={name: value for name, value in self.metrics.items() if not _matches(name, patterns)},
            outputs={path: digest for path, digest in self.outputs.items() if not _matches(path, patterns)},
            printed_sha256=self.printed_sha256,
        )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class MetricChange(Numbers):
    """One metric in two runs; None where a run lacks it."""

    name: str
    original: float | None
    replay: float | None
    absolute: float | None
    relative: float | None
    equal: bool
    within: bool


class FileChange(Record):
    """One output file in two runs, by hash; empty where a run lacks it.

    Attributes
    ----------
    numbers
        Of files whose bytes differ, where a tolerance is stated: ``within`` or ``outside`` it, or ``unknown`` for what
        is no text and no array.
    detail
        The first number that is outside, or why they cannot be compared.
    """

    path: str
    original: str
    replay: str
    numbers: Literal["", "within", "outside", "unknown"] = ""
    detail: str = ""

    @property
    def equal(self) -> bool:
        return self.original == self.replay


class Spread(Numbers):
    """A recorded metric against runs with other seeds.

    Attributes
    ----------
    values
        The metric with each seed.
    low, high
        Prediction interval for one more run.
    """

    name: str
    original: float
    values: tuple[float, ...]
    low: float
    high: float
    confidence: float

    @property
    def inside(self) -> bool:
        return self.low <= self.original <= self.high


class Comparison(Numbers):
    """The verdict on two results, with every number and reason."""

    verdict: Verdict
    reasons: tuple[str, ...]
    tolerance: Tolerance = Tolerance()
    metrics: tuple[MetricChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    spread: tuple[Spread, ...] = ()


def same_bits(one: float, other: float) -> bool:
    """Compare two float64 bit by bit, but any NaN with any NaN.

    Examples
    --------
    >>> same_bits(0.1 + 0.2, 0.3), same_bits(float("nan"), float("nan")), same_bits(0.0, -0.0)
    (False, True, False)
    """
    return (math.isnan(one) and math.isnan(other)) or struct.pack("<d", one) == struct.pack("<d", other)


def compare_results(
    original: Results, replay: Results, tolerance: Tolerance | None = None, *, kept: tuple[Path, Path] | None = None
) -> Comparison:
    """Compare what two runs earned.

    Parameters
    ----------
    tolerance
        What counts as equivalent; when omitted, only identical results pass. Where it is stated, text and arrays are
        compared number by number, and other files whose bytes differ are left to the metrics: rounding that moves a
        metric moves the bytes of a model, too.
    kept
        Folders that hold the two runs' output files.
    """
    tolerance = tolerance or Tolerance()
    metrics = tuple(_metric_changes(original.metrics, replay.metrics, tolerance))
    files = tuple(
        _file_change(path, original.outputs.get(path, ""), replay.outputs.get(path, ""), tolerance, kept)
        for path in sorted(original.outputs.keys() | replay.outputs.keys())
    )
    verdict, reasons = _judge(metrics, files, tolerance) if metrics or files else _judge_printed(original, replay)
    return Comparison(verdict=verdict, reasons=tuple(reasons), tolerance=tolerance, metrics=metrics, files=files)


def _file_change(
    path: str, original: str, replay: str, tolerance: Tolerance, kept: tuple[Path, Path] | None
) -> FileChange:
    change = FileChange(path=path, original=original, replay=replay)
    if change.equal or not (original and replay and tolerance.stated):
        return change
    try:
        if kept is None or not all((folder / path).is_file() for folder in kept):
            raise Incomparable("the files were not kept")
        far = compare_numbers(kept[0] / path, kept[1] / path, tolerance.allows)
    except Incomparable as why:
        return change.model_copy(update={"numbers": "unknown", "detail": str(why)})
    return change.model_copy(update={"numbers": "outside" if far else "within", "detail": far})


def _metric_changes(
    original: Mapping[str, float], replay: Mapping[str, float], tolerance: Tolerance
) -> Iterable[MetricChange]:
    for name in sorted(original.keys() | replay.keys()):
        one, other = original.get(name), replay.get(name)
        if one is None or other is None:
            yield MetricChange(
                name=name, original=one, replay=other, absolute=None, relative=None, equal=False, within=False
            )
            continue
        off = abs(other - one)
        yield MetricChange(
            name=name, original=one, replay=other, absolute=off, relative=off / abs(one) if one else None,
            equal=same_bits(one, other), within=tolerance.allows(one, other),
        )  # fmt: skip


def _judge(
    metrics: Sequence[MetricChange], files: Sequence[FileChange], tolerance: Tolerance
) -> tuple[Verdict, list[str]]:
    off = [m for m in metrics if not m.equal]
    changed = [f for f in files if not f.equal]
    lacking = [_lacks(f.path, made=bool(f.replay)) for f in changed if not (f.original and f.replay)]
    other = [f for f in changed if f.original and f.replay]
    if not off and not changed:
        said = f"{_many(metrics, 'metric')} bit-equal, {_many(files, 'output file')} with equal hash"
        return Verdict.IDENTICAL, [said]
    # A file that is no numbers is left to the metrics, where there are any to leave it to.
    bad = [f for f in other if f.numbers in {"", "outside"} or (f.numbers == "unknown" and not metrics)]
    far = [_off(m) for m in metrics if not m.within] + lacking + [_other(f) for f in bad]
    if far:
        equal = metrics and not off and not tolerance.stated
        hint = ["every metric is equal: state a tolerance to judge files by their numbers"] if equal else []
        return Verdict.DIVERGED, far + hint
    bits = f"{_many(metrics, 'metric')} within the tolerance, {len(off)} of them not bit-equal"
    near = [f"within the tolerance ({tolerance})", *([bits] if metrics else [])]
    return Verdict.EQUIVALENT, near + [_other(f) for f in other]


def _other(file: FileChange) -> str:
    said = {
        "": "other bytes",
        "within": "other bytes, every number within the tolerance",
        "outside": file.detail,
        "unknown": f"other bytes ({file.detail}), left to the metrics",
    }
    return f"{file.path}: {said[file.numbers]}"


def _judge_printed(original: Results, replay: Results) -> tuple[Verdict, list[str]]:
    nothing = "the run recorded neither metrics nor output files"
    if original.printed_sha256 and original.printed_sha256 == replay.printed_sha256:
        return Verdict.IDENTICAL, [f"{nothing}; what it printed is equal to the byte"]
    if original.printed_sha256:
        return Verdict.UNVERIFIABLE, [f"{nothing}, and what it printed differs: log a metric or write a file"]
    return Verdict.UNVERIFIABLE, [f"{nothing}, and printed nothing: there is nothing to compare"]


def _many(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}" + ("" if len(things) == 1 else "s")


def _lacks(name: str, *, made: bool) -> str:
    return f"{name}: {'not in the record' if made else 'not made by the replay'}"


def _off(metric: MetricChange) -> str:
    if metric.original is None or metric.replay is None:
        return _lacks(metric.name, made=metric.replay is not None)
    relative = "" if metric.relative is None else f", relative {metric.relative:.2g}"
    return f"{metric.name}: {metric.original!r} became {metric.replay!r} (off by {metric.absolute:.2g}{relative})"


def spread_of(original: Mapping[str, float], runs: Sequence[Mapping[str, float]]) -> tuple[Spread, ...]:
    """Put every recorded metric beside the same metric of runs with other seeds.

    Raises
    ------
    ValueError
        If there are fewer than `MIN_SEEDS` runs.
    """
    if len(runs) < MIN_SEEDS:
        raise ValueError(f"{len(runs)} runs have no spread; at least {MIN_SEEDS} are needed")
    shared = [name for name in sorted(original) if all(name in run for run in runs)]
    confidence = 1 - (1 - CONFIDENCE) / max(len(shared), 1)
    return tuple(_spread(name, original[name], [run[name] for run in runs], confidence) for name in shared)


def _spread(name: str, original: float, values: Sequence[float], confidence: float) -> Spread:
    from statistics import fmean, stdev

    from scipy.stats import t

    k = len(values)
    half = float(t.ppf((1 + confidence) / 2, k - 1)) * stdev(values) * math.sqrt(1 + 1 / k)
    mean = fmean(values)
    return Spread(
        name=name, original=original, values=tuple(values), low=mean - half, high=mean + half, confidence=confidence
    )


def settle(comparison: Comparison, spread: Sequence[Spread]) -> Comparison:
    """Let the spread of seeds decide on a comparison that diverged.

    It becomes CONSISTENT when every metric that is out of tolerance lies within its interval; output files are then
    left to the metrics. A metric that a run lacks, or that no seed moves, stays diverged.
    """
    if comparison.verdict is not Verdict.DIVERGED:
        return comparison
    known = {one.name: one for one in spread}
    far = [metric for metric in comparison.metrics if not metric.within]
    outside = [metric.name for metric in far if metric.name not in known or not known[metric.name].inside]
    said = [_inside(one) for one in spread]
    lacking = any(not (file.original and file.replay) for file in comparison.files)
    if not comparison.metrics or outside or lacking:
        return comparison.model_copy(update={"spread": tuple(spread), "reasons": (*comparison.reasons, *said)})
    return comparison.model_copy(
        update={"verdict": Verdict.CONSISTENT, "spread": tuple(spread), "reasons": (*said, *comparison.reasons)}
    )


def _inside(one: Spread) -> str:
    where = "within" if one.inside else "outside"
    return (
        f"{one.name}: {one.original:.6g} is {where} [{one.low:.6g}, {one.high:.6g}], "
        f"the {100 * one.confidence:.3g} % interval of {len(one.values)} seeds"
    )
