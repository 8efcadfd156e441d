"""The results that a manifest holds: metrics and the hashes of output files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cascada.repro.compare import Results
from cascada.repro.fingerprint import file_sha256, json_sha256
from cascada.repro.manifest import Manifest
from cascada.repro.record import RunRecord

NOT_A_NUMBER = float("nan")  # JSON has none: a metric that is null was NaN


def results_of(manifest: Manifest, *, printed_sha256: str = "") -> Results:
    """Read metrics and output hashes; a metric is a number by name, or an object with name, value and interval.

    Of an object the ends of the interval and the sample size are metrics, too: they must come out again as well. Its
    region, where it has one, tells apart metrics of the same name on different parts of the data.
    """
    assessment = manifest.assessment
    return Results(
        metrics=_metrics(assessment.get("metrics") or {}),
        outputs=dict(assessment.get("outputs") or {}),
        printed_sha256=printed_sha256,
    )


def results_of_record(record: RunRecord) -> Results:
    """Read the results of a record, what it printed included."""
    printed = file_sha256(record.log) if record.log.exists() and record.log.stat().st_size else ""
    return results_of(record.manifest, printed_sha256=printed)


def _metrics(value: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {name: _number(number) for name, number in value.items()}
    ends = {"": "value", "_low": "low", "_high": "high", "_n": "n"}
    return {f"{_name(one)}{end}": _number(one[key]) for one in value for end, key in ends.items() if key in one}


def _name(metric: Mapping[str, Any]) -> str:
    region = metric.get("region", "all")
    return str(metric["name"]) if region == "all" else f"{metric['name']} in {region}"


def _number(value: Any) -> float:
    return NOT_A_NUMBER if value is None else float(value)


def metrics_sha256(metrics: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> str:
    """Hash metrics in either form; NaN hashes the same before and after it went through JSON."""
    return json_sha256(_metrics(metrics))
