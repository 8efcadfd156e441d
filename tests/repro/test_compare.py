"""Verdicts on results whose answer is known."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest

from cascada.repro.compare import Comparison, Results, Tolerance, Verdict, compare_results, settle, spread_of
from cascada.repro.fingerprint import file_sha256

NAN = float("nan")


def verdict(original: Results, replay: Results, **tolerance: float) -> Verdict:
    return compare_results(original, replay, Tolerance(**tolerance)).verdict


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"loss": 0.3, "nan": NAN}, Verdict.IDENTICAL),
        ({"loss": 0.3, "nan": -NAN}, Verdict.IDENTICAL),  # other bits, the same meaning
        ({"loss": 0.1 + 0.2, "nan": NAN}, Verdict.DIVERGED),  # one bit off: 0.30000000000000004
        ({"loss": 0.3}, Verdict.DIVERGED),  # a metric is gone
        ({"loss": 0.3, "nan": NAN, "more": 1.0}, Verdict.DIVERGED),
        ({"loss": 0.3, "nan": 0.0}, Verdict.DIVERGED),
        ({"loss": -0.3, "nan": NAN}, Verdict.DIVERGED),
    ],
)
def test_metrics_bit_by_bit(metrics: dict[str, float], expected: Verdict) -> None:
    assert verdict(Results(metrics={"loss": 0.3, "nan": NAN}), Results(metrics=metrics)) is expected


@pytest.mark.parametrize(
    ("tolerance", "expected"),
    [
        ({}, Verdict.DIVERGED),
        ({"relative": 1e-3}, Verdict.EQUIVALENT),  # 2.0 to 2.001 is a relative 5e-4
        ({"relative": 1e-4}, Verdict.DIVERGED),
        ({"absolute": 2e-3}, Verdict.EQUIVALENT),
        ({"absolute": 5e-4}, Verdict.DIVERGED),
    ],
)
def test_metrics_within_a_tolerance(tolerance: dict[str, float], expected: Verdict) -> None:
    assert verdict(Results(metrics={"loss": 2.0}), Results(metrics={"loss": 2.001}), **tolerance) is expected


def test_no_tolerance_makes_a_lost_number_equivalent() -> None:
    assert verdict(Results(metrics={"loss": 2.0}), Results(metrics={"loss": NAN}), relative=1e9) is Verdict.DIVERGED
    assert verdict(Results(metrics={"loss": 2.0}), Results(metrics={"loss": math.inf}), relative=1) is Verdict.DIVERGED
    assert verdict(Results(metrics={"loss": math.inf}), Results(metrics={"loss": 2.0}), relative=1) is Verdict.DIVERGED


def test_a_zero_has_no_relative_deviation() -> None:
    (metric,) = compare_results(Results(metrics={"bias": 0.0}), Results(metrics={"bias": 1e-9})).metrics
    assert metric.relative is None
    assert metric.absolute == 1e-9


def test_files_by_hash() -> None:
    original = Results(metrics={"loss": 1.0}, outputs={"model": "a", "table": "b"})
    assert verdict(original, original) is Verdict.IDENTICAL
    other = Results(metrics={"loss": 1.0}, outputs={"model": "a", "table": "c"})
    found = compare_results(original, other)
    assert found.verdict is Verdict.DIVERGED
    assert found.reasons[0] == "table: other bytes"
    assert "state a tolerance" in found.reasons[1]
    left = compare_results(original, other, Tolerance(relative=1e-6))
    assert left.verdict is Verdict.EQUIVALENT
    assert left.reasons[-1] == "table: other bytes (the files were not kept), left to the metrics"
    gone = Results(metrics={"loss": 1.0}, outputs={"model": "a"})
    assert verdict(original, gone, relative=1e-6) is Verdict.DIVERGED, "a file that was not made has no tolerance"


def test_files_without_metrics_have_no_tolerance() -> None:
    assert verdict(Results(outputs={"x": "a"}), Results(outputs={"x": "b"}), relative=1.0) is Verdict.DIVERGED


@pytest.mark.parametrize(
    ("printed", "expected"),
    [(("a", "a"), Verdict.IDENTICAL), (("a", "b"), Verdict.UNVERIFIABLE), (("", ""), Verdict.UNVERIFIABLE)],
)
def test_a_run_that_only_prints(printed: tuple[str, str], expected: Verdict) -> None:
    assert verdict(*(Results(printed_sha256=digest) for digest in printed)) is expected


@pytest.mark.parametrize(("verdict_", "code"), zip(Verdict, (0, 0, 0, 1, 2), strict=True))
def test_exit_codes(verdict_: Verdict, code: int) -> None:
    assert verdict_.exit_code == code


def seeds(*values: float) -> list[dict[str, float]]:
    return [{"accuracy": value} for value in values]


def test_the_interval_of_three_seeds_by_hand() -> None:
    """Mean 2, s = 1, t(2) = 4.302653 at 95 %: half width 4.302653 · √(4/3) = 4.968276."""
    (spread,) = spread_of({"accuracy": 2.0}, seeds(1.0, 2.0, 3.0))
    assert spread.low == pytest.approx(2 - 4.968276, abs=1e-5)
    assert spread.high == pytest.approx(2 + 4.968276, abs=1e-5)


def test_two_metrics_share_the_five_percent() -> None:
    runs = [{"a": v, "b": v} for v in (1.0, 2.0, 3.0)]
    one, other = spread_of({"a": 2.0, "b": 2.0}, runs)
    assert one.confidence == other.confidence == 0.975
    assert one.high == pytest.approx(2 + 6.205347 * math.sqrt(4 / 3), abs=1e-4)  # t(2) at 97.5 %


def diverged(original: float, replay: float) -> Comparison:
    return compare_results(Results(metrics={"accuracy": original}), Results(metrics={"accuracy": replay}))


def test_the_spread_of_seeds_decides() -> None:
    near, far = diverged(0.81, 0.80), diverged(0.99, 0.80)
    values = seeds(0.80, 0.82, 0.79, 0.81)
    assert settle(near, spread_of({"accuracy": 0.81}, values)).verdict is Verdict.CONSISTENT
    settled = settle(far, spread_of({"accuracy": 0.99}, values))
    assert settled.verdict is Verdict.DIVERGED
    assert "0.99 is outside" in settled.reasons[-1]


def test_a_metric_that_no_seed_moves_stays_diverged() -> None:
    assert settle(diverged(0.81, 0.80), spread_of({"accuracy": 0.81}, seeds(0.8, 0.8, 0.8))).verdict is Verdict.DIVERGED


def test_no_seeds_stand_for_a_file_that_was_not_made() -> None:
    original = Results(metrics={"accuracy": 0.81}, outputs={"model": "a"})
    comparison = compare_results(original, Results(metrics={"accuracy": 0.80}))
    spread = spread_of(original.metrics, seeds(0.80, 0.82, 0.79, 0.81))
    assert settle(comparison, spread).verdict is Verdict.DIVERGED


def test_an_identical_result_needs_no_seeds() -> None:
    same = diverged(0.8, 0.8)
    assert settle(same, ()) is same


def test_two_seeds_are_no_spread() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        spread_of({"accuracy": 1.0}, seeds(1.0, 2.0))


def test_a_comparison_survives_json() -> None:
    found = compare_results(Results(metrics={"loss": NAN, "top": math.inf}), Results(metrics={"loss": NAN, "top": 1.0}))
    again = Comparison.model_validate_json(found.model_dump_json())
    assert again.model_dump_json() == found.model_dump_json()
    assert math.isnan(again.metrics[0].original or 0)


def compared(tmp_path: Path, name: str, one: bytes, other: bytes, **tolerance: float) -> Comparison:
    """Compare two runs that wrote one file and logged nothing."""
    folders = (tmp_path / "one", tmp_path / "other")
    for folder, content in zip(folders, (one, other), strict=True):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    results = (Results(outputs={name: file_sha256(folder / name)}) for folder in folders)
    return compare_results(*results, Tolerance(**tolerance), kept=folders)


@pytest.mark.parametrize(
    ("other", "expected", "told"),
    [
        (b"id,mean\n7,0.5\n8,1.25e-3\n", Verdict.IDENTICAL, "equal hash"),
        (b"id,mean\n7,0.500000001\n8,1.25e-3\n", Verdict.EQUIVALENT, "every number within"),
        (b"id,mean\n7,0.5\n8,1.26e-3\n", Verdict.DIVERGED, "line 3: 1.25e-3 became 1.26e-3"),
        (b"id,mean\n7,0.5\n9,1.25e-3\n", Verdict.DIVERGED, "line 3: 8 became 9"),  # whole numbers are names
        (b"id,mode\n7,0.5\n8,1.25e-3\n", Verdict.DIVERGED, "the text between the numbers differs"),
        (b"id,mean\n7,0.5\n", Verdict.DIVERGED, "the text between the numbers differs"),
        (b"id,mean\n7,nan\n8,1.25e-3\n", Verdict.DIVERGED, "the text between the numbers differs"),
        (b"\xff\xfe", Verdict.DIVERGED, "neither text nor an array"),
    ],
)
def test_tables_number_by_number(tmp_path: Path, other: bytes, expected: Verdict, told: str) -> None:
    found = compared(tmp_path, "table.csv", b"id,mean\n7,0.5\n8,1.25e-3\n", other, relative=1e-6)
    assert found.verdict is expected
    assert told in " ".join(found.reasons)


def test_without_a_tolerance_bytes_decide(tmp_path: Path) -> None:
    assert compared(tmp_path, "x.csv", b"0.5", b"0.50").verdict is Verdict.DIVERGED
    assert compared(tmp_path, "x.csv", b"0.5", b"0.50", relative=1e-12).verdict is Verdict.EQUIVALENT


def npy(values: object, dtype: str) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array(values, dtype))
    return file.getvalue()


@pytest.mark.parametrize(
    ("other", "expected", "told"),
    [
        (npy([1.0, NAN, 2.0 + 1e-9], "f8"), Verdict.EQUIVALENT, "within"),
        (npy([1.0, NAN, 2.1], "f8"), Verdict.DIVERGED, "at (2,)"),
        (npy([1.0, NAN, 2.0], "f4"), Verdict.DIVERGED, "float64 (3,) became float32 (3,)"),
        (npy([1.0, NAN], "f8"), Verdict.DIVERGED, "(2,)"),
    ],
)
def test_arrays_number_by_number(tmp_path: Path, other: bytes, expected: Verdict, told: str) -> None:
    found = compared(tmp_path, "weights.npy", npy([1.0, NAN, 2.0], "f8"), other, relative=1e-6)
    assert found.verdict is expected
    assert told in " ".join(found.reasons)


def test_whole_arrays_are_names(tmp_path: Path) -> None:
    found = compared(tmp_path, "ids.npy", npy([1, 2], "i8"), npy([1, 3], "i8"), relative=10.0)
    assert found.verdict is Verdict.DIVERGED
