"""What leaks from one partition into another is counted, and the suite of partitions refuses each of it."""

from __future__ import annotations

import polars as pl
import pytest
from intakes import SUITES, simulated

from cascada.config import Split
from cascada.data.leaks import summarise_split
from cascada.data.splits import assign
from cascada.data.validation import ValidationReport, enforce, load_suite, validate_summary
from cascada.errors import InvalidDataError

FEATURES = ("energy_eev", "zenith_deg", "n_mu")
SHOWERS = simulated(600)
MANIFEST = assign(SHOWERS, Split(), 5)


def judge(frame: pl.DataFrame, manifest: pl.DataFrame, columns: tuple[str, ...] = FEATURES) -> ValidationReport:
    return validate_summary(summarise_split(frame, manifest, columns), load_suite(SUITES, "partitions"), {"": "here"})


def with_copies(change: pl.Expr | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Show the first ten showers once more, under ids of their own, on the other side."""
    copies = SHOWERS.head(10).with_columns(pl.col("shower_id", "group_id") + 10**6)
    sides = MANIFEST.head(10).with_columns(
        pl.col("shower_id", "group_id") + 10**6,
        partition=pl.when(pl.col("partition") == "train").then(pl.lit("test")).otherwise(pl.lit("train")),
    )
    return pl.concat([SHOWERS, copies if change is None else copies.with_columns(change)]), pl.concat([MANIFEST, sides])


def test_a_good_split_passes() -> None:
    report = judge(SHOWERS, MANIFEST)
    assert report.passed
    assert [outcome.measured for outcome in report.outcomes] == ["0"] * 5
    enforce(report)


def failed(report: ValidationReport) -> dict[str, str]:
    with pytest.raises(InvalidDataError, match="'partitions'"):
        enforce(report)
    return {outcome.subject: outcome.measured for outcome in report.failures}


def test_a_group_on_two_sides_is_refused() -> None:
    manifest = MANIFEST.with_columns(pl.col("group_id") // 2)
    assert set(failed(judge(SHOWERS, manifest))) == {"shared_groups"}


def test_the_same_shower_on_two_sides_is_refused() -> None:
    assert failed(judge(*with_copies())) == {"shared_showers": "20", "near_showers": "20"}


@pytest.mark.parametrize("factor", [1 + 2e-6, 1 - 2e-6])
def test_a_shower_copied_with_noise_is_refused(factor: float) -> None:
    found = failed(judge(*with_copies(pl.col("n_mu", "n_em", "energy_eev", "xmax_g_cm2") * factor)))
    assert set(found) == {"near_showers"}
    assert int(found["near_showers"]) >= 18, "one of two shifted grids joins nearly every pair"


def test_showers_that_differ_by_more_are_not_near() -> None:
    assert judge(*with_copies(pl.col("n_mu") * 1.001)).passed


def test_few_observables_agree_by_chance_and_are_not_called_near() -> None:
    frame = SHOWERS.select("shower_id", "group_id", "primary", "energy_eev", "zenith_deg")
    assert summarise_split(frame, MANIFEST, FEATURES)["near_showers"].to_list() == [None]
    assert judge(frame, MANIFEST).passed


@pytest.mark.parametrize(
    ("column", "rule"), [("primary", "label_columns"), ("shower_id", "label_columns"), ("group_id", "label_columns")]
)
def test_an_answer_among_the_features_is_refused(column: str, rule: str) -> None:
    assert failed(judge(SHOWERS, MANIFEST, (*FEATURES, column))) == {rule: "1"}


def test_a_truth_column_among_the_features_is_refused() -> None:
    from cascada.physics.columns import COLUMNS

    truth = next(name for name, column in COLUMNS.items() if column.role == "truth")
    assert failed(judge(SHOWERS, MANIFEST, (*FEATURES, truth))) == {"truth_columns": "1"}
