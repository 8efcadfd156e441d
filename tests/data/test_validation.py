"""Every rule of every suite lets good showers pass and has a table that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cascada.config import SimulatorSource
from cascada.data.etl import sieve
from cascada.data.sources.simulator import simulate
from cascada.data.validation import Rule, Suite, ValidationReport, enforce, load_suite, validate
from cascada.errors import ConfigError, InvalidDataError

EXPECTATIONS = Path(__file__).resolve().parents[2] / "expectations"
SUITES = ("raw_showers", "training_showers")
RAW = simulate(SimulatorSource(kind="simulator", showers=3000), seed=4).frame.collect()
LIMITS = load_suite(EXPECTATIONS, "training_showers").limits
GOOD = {"raw_showers": RAW, "training_showers": sieve(RAW.lazy(), LIMITS, np.empty(0, np.uint32)).kept.collect()}
FILES = {name: f"/somewhere/{name}.txt" for name in ("photon", "p", "He", "N", "Fe")}

Change = Callable[[pl.DataFrame], pl.DataFrame]


def put(column: str, value: object, share: float = 0.05) -> Change:
    """Put a value into the first rows."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        first = pl.int_range(pl.len()) < round(share * frame.height)
        return frame.with_columns(pl.when(first).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))

    return change


def summed(count: str) -> Change:
    return lambda frame: frame.with_columns(pl.col(count).cum_sum().over("primary"))


def steeper(primary: str, by: float) -> Change:
    """Let the muons of a primary grow faster with the energy."""
    factor = pl.when(pl.col("primary") == primary).then(pl.col("energy_eev") ** by).otherwise(1.0)
    return lambda frame: frame.with_columns(n_mu=pl.col("n_mu") * factor)


def noisier(frame: pl.DataFrame) -> pl.DataFrame:
    noise = np.exp(0.3 * np.random.default_rng(0).standard_normal(frame.height))
    return frame.with_columns(n_mu=pl.col("n_mu") * noise)


def again(*, share: float = 0.05) -> Change:
    """Append the first showers once more, under ids of their own."""
    return lambda frame: pl.concat(
        [frame, frame.head(round(share * frame.height)).with_columns(pl.col("shower_id") + 10**6)]
    )


def few_irons(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame.filter(pl.col("primary") != "Fe"), frame.filter(pl.col("primary") == "Fe").head(19)])


def muon_poor(primary: str) -> Change:
    factor = pl.when(pl.col("primary") == primary).then(0.7).otherwise(1.0)
    return lambda frame: frame.with_columns(n_mu=pl.col("n_mu") * factor)


def cut(primary: str, energy_eev: float) -> Change:
    """Leave the showers of one primary out below an energy."""
    return lambda frame: frame.filter((pl.col("primary") != primary) | (pl.col("energy_eev") > energy_eev))


def radians(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("zenith_deg").radians())


def giga(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("energy_eev") * 1e9)


def same_id(frame: pl.DataFrame) -> pl.DataFrame:
    ids = frame.filter(pl.col("primary") == "p")["shower_id"]
    return frame.with_columns(pl.col("shower_id").replace(ids[1], ids[0]))


IN_SET = "expect_column_values_to_be_in_set"
NOT_NULL = "expect_column_values_to_not_be_null"
BETWEEN = "expect_column_values_to_be_between"
NUCLEI, PHOTONS = 'primary != "photon"', 'primary == "photon"'

CASES: dict[tuple[str, str, str, str], Change] = {
    ("raw_showers", BETWEEN, "rows", "at least 100"): lambda frame: frame.head(99),
    ("raw_showers", IN_SET, "primary", ""): put("primary", "proton", 0.001),
    ("raw_showers", NOT_NULL, "shower_id", ""): put("shower_id", None, 0.001),
    ("raw_showers", BETWEEN, "repeated_ids", ""): same_id,
    ("raw_showers", BETWEEN, "repeated_share", ""): again(share=0.01),
    ("raw_showers", NOT_NULL, "energy_eev", ""): put("energy_eev", None),
    ("raw_showers", BETWEEN, "energy_eev", ""): put("energy_eev", 0.9),
    ("raw_showers", NOT_NULL, "zenith_deg", ""): put("zenith_deg", None),
    ("raw_showers", BETWEEN, "zenith_deg", ""): put("zenith_deg", 61.0),
    ("raw_showers", BETWEEN, "median_zenith_deg", ""): radians,
    ("raw_showers", NOT_NULL, "n_mu", ""): put("n_mu", None),
    ("raw_showers", BETWEEN, "n_mu", ""): put("n_mu", 0.0),
    ("raw_showers", NOT_NULL, "n_em", ""): put("n_em", None),
    ("raw_showers", BETWEEN, "n_em", ""): put("n_em", 0.0),
    ("raw_showers", BETWEEN, "xmax_g_cm2", ""): put("xmax_g_cm2", 399.0),
    ("raw_showers", BETWEEN, "decreasing_share_n_mu", ""): summed("n_mu"),
    ("raw_showers", BETWEEN, "decreasing_share_n_em", ""): summed("n_em"),
    ("raw_showers", BETWEEN, "ln_n_mu_slope", NUCLEI): steeper("He", -0.1),
    ("raw_showers", BETWEEN, "ln_n_mu_slope", PHOTONS): steeper("photon", 0.4),
    ("raw_showers", BETWEEN, "ln_n_mu_scatter", NUCLEI): noisier,
    ("raw_showers", BETWEEN, "zenith_distance", ""): lambda frame: frame.filter(pl.col("zenith_deg") % 30 < 15),
    ("raw_showers", BETWEEN, "muon_mass_exponent", ""): muon_poor("He"),
    ("raw_showers", BETWEEN, "lg_energy_edge_spread", ""): cut("Fe", 2.0),
    ("training_showers", BETWEEN, "rows", "at least 100"): lambda frame: frame.head(99),
    ("training_showers", IN_SET, "primary", ""): put("primary", "proton", 0.001),
    ("training_showers", NOT_NULL, "group_id", ""): put("group_id", None, 0.001),
    ("training_showers", BETWEEN, "repeated_ids", ""): same_id,
    ("training_showers", BETWEEN, "repeated_showers", ""): again(share=0.001),
    ("training_showers", BETWEEN, "energy_eev", ""): put("energy_eev", 321.0, 0.001),
    ("training_showers", BETWEEN, "zenith_deg", ""): put("zenith_deg", -1.0, 0.001),
    ("training_showers", BETWEEN, "n_mu", ""): put("n_mu", 2e12, 0.001),
    ("training_showers", BETWEEN, "n_em", ""): put("n_em", 2e14, 0.001),
    ("training_showers", BETWEEN, "xmax_g_cm2", ""): put("xmax_g_cm2", 1601.0, 0.001),
    ("training_showers", BETWEEN, "rows", "at least 20"): few_irons,
    ("training_showers", BETWEEN, "decreasing_share_n_mu", ""): summed("n_mu"),
    ("training_showers", BETWEEN, "ln_n_mu_slope", NUCLEI): steeper("Fe", 0.1),
    ("training_showers", BETWEEN, "muon_mass_exponent", ""): muon_poor("Fe"),
}  # fmt: skip


def judge(frame: pl.DataFrame, suite: str) -> ValidationReport:
    return validate(frame.lazy(), load_suite(EXPECTATIONS, suite), FILES, limits=LIMITS)


def refused(frame: pl.DataFrame, suite: str) -> InvalidDataError:
    with pytest.raises(InvalidDataError) as caught:
        enforce(judge(frame, suite))
    return caught.value


def test_every_rule_has_a_case() -> None:
    names = sorted(path.stem for path in EXPECTATIONS.glob("*.yaml"))
    suites = [load_suite(EXPECTATIONS, name) for name in names]
    rules = [(s.name, r.type, r.column) for s in suites for r in s.rows + s.per_primary + s.table if s.name in SUITES]
    assert names == [suite.name for suite in suites]
    assert sorted(rules) == sorted(key[:3] for key in CASES)


@pytest.mark.parametrize("suite", SUITES)
def test_good_showers_pass_every_rule(suite: str) -> None:
    report = judge(GOOD[suite], suite)
    assert [outcome for outcome in report.outcomes if not outcome.passed] == []
    assert len(report.outcomes) == sum(name == suite for name, *_ in CASES)
    assert report.passed
    enforce(report)


@pytest.mark.parametrize(("suite", "expectation", "subject", "where"), CASES)
def test_a_rule_refuses(suite: str, expectation: str, subject: str, where: str) -> None:
    report = judge(CASES[suite, expectation, subject, where](GOOD[suite]), suite)
    refusals = [outcome for outcome in report.outcomes if not outcome.passed]
    found = [o for o in refusals if (o.expectation, o.subject) == (expectation, subject) and where in o.required]
    assert len(found) == 1, report.to_markdown()
    assert found[0].measured
    assert report.passed == all(outcome.severity == "warning" for outcome in refusals)


@pytest.mark.parametrize(
    ("suite", "change"),
    [
        ("raw_showers", put("n_mu", float("nan"), 0.009)),
        ("raw_showers", put("n_mu", None, 0.009)),
        ("raw_showers", put("energy_eev", 1000.0, 0.009)),
        ("raw_showers", put("xmax_g_cm2", 0.0, 0.02)),
        ("raw_showers", lambda frame: frame.drop("xmax_g_cm2")),
        ("training_showers", lambda frame: frame.drop("xmax_g_cm2")),
        ("raw_showers", lambda frame: frame.filter(pl.col("primary") != "photon")),
        ("raw_showers", lambda frame: frame.sample(fraction=1, shuffle=True, seed=1)),
    ],
    ids=[
        "few NaN",
        "few null",
        "few energies",
        "few depths",
        "no depth",
        "no depth, training",
        "no photons",
        "shuffled",
    ],
)
def test_what_is_no_reason_to_refuse(suite: str, change: Change) -> None:
    assert judge(change(GOOD[suite]), suite).failures == ()


@pytest.mark.parametrize("column", ["shower_id", "n_mu", "n_em", "primary", "energy_eev", "zenith_deg"])
def test_a_missing_column_is_a_failure_that_says_so(column: str) -> None:
    report = judge(RAW.drop(column), "raw_showers")
    outcomes = [outcome for outcome in report.failures if outcome.subject == column]
    assert outcomes
    assert {outcome.measured for outcome in outcomes} == {f"the table has no column {column}"}


def suite_of(*rules: dict[str, object]) -> Suite:
    return Suite(name="of_the_test", rows=tuple(Rule.model_validate(rule) for rule in rules))


def test_a_warning_is_reported_and_does_not_block() -> None:
    rule = {"type": BETWEEN, "kwargs": {"column": "zenith_deg", "max_value": 30}}
    report = validate(RAW.lazy(), suite_of(rule | {"severity": "warning"}), FILES)
    assert [outcome.passed for outcome in report.outcomes] == [False]
    assert report.passed
    assert "| warn |" in report.to_markdown()
    enforce(report)
    with pytest.raises(InvalidDataError):
        enforce(validate(RAW.lazy(), suite_of(rule), FILES))


def test_an_optional_column_is_judged_where_it_is_present() -> None:
    rule = {"type": BETWEEN, "kwargs": {"column": "xmax_g_cm2", "max_value": 700}, "when_present": True}
    other = {"type": NOT_NULL, "kwargs": {"column": "n_mu"}}
    assert len(validate(RAW.lazy(), suite_of(rule, other), FILES).failures) == 1
    absent = validate(RAW.drop("xmax_g_cm2").lazy(), suite_of(rule, other), FILES)
    assert [outcome.subject for outcome in absent.outcomes] == ["n_mu"]


def test_outcomes_come_in_the_order_of_the_rules() -> None:
    columns = ["n_mu", "gone", "energy_eev", "zenith_deg", "n_em"]
    rules = [{"type": NOT_NULL, "kwargs": {"column": column}} for column in columns]
    assert [o.subject for o in validate(RAW.lazy(), suite_of(*rules), FILES).outcomes] == columns


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "expect_showers_to_be_nice", "kwargs": {}},
        {"type": NOT_NULL, "kwargs": {"colum": "n_mu"}},
        {"type": BETWEEN, "kwargs": {"column": "n_mu", "mostly": 2}},
        {"type": "expect_column_median_to_be_between", "kwargs": {"column": "n_mu", "min_value": 1}},
        {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["n_mu", "n_em"]}},
    ],
)
def test_a_rule_that_great_expectations_does_not_know(rule: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(RAW.lazy(), suite_of(rule), FILES)
    assert caught.value.where == "suite of_the_test, rows"
    assert str(rule["type"]) in caught.value.what


def test_a_condition_that_cannot_be_judged_does_not_pass() -> None:
    kwargs = {"column": "n_mu", "min_value": 1, "row_condition": "nope > 3", "condition_parser": "pandas"}
    (outcome,) = validate(RAW.lazy(), suite_of({"type": BETWEEN, "kwargs": kwargs}), FILES).failures
    assert "nope" in outcome.measured


def test_a_refusal_says_where_what_how_much_and_what_next() -> None:
    error = refused(put("n_mu", 0.0, 0.02)(RAW), "raw_showers")
    message = str(error)
    assert error.exit_code == 3
    for told in (
        "/somewhere/p.txt",
        "'raw_showers': 1 expectation failed",
        "expectations/raw_showers.yaml",
        "n_mu: 2 % of 3000 rows outside, e.g. 0 ",
        "for at least 99 % of rows",
        BETWEEN,
        "was not simulated to the end",
    ):
        assert told in message


def test_a_refusal_names_rows_by_primary_and_id() -> None:
    first = RAW.row(0, named=True)
    told = refused(put("n_mu", 0.0, 0.02)(RAW), "raw_showers").got
    assert f"0 {first['primary']} {first['shower_id']}" in told


def test_a_refusal_by_physics_names_the_file() -> None:
    told = refused(steeper("He", -0.1)(RAW), "raw_showers").got
    assert "He.txt" in told
    assert "0.8" in told
    assert "required 0.88 to 0.99" in told


def test_a_refusal_spells_out_three_failures_and_names_the_rest() -> None:
    bad = put("n_em", 0.0)(put("n_mu", 0.0)(put("zenith_deg", 70.0)(put("energy_eev", 0.0)(RAW))))
    error = refused(bad, "raw_showers")
    assert f"{len(judge(bad, 'raw_showers').failures)} expectations failed" in error.what
    *told, rest = error.got.splitlines()
    assert len(told) == 3
    assert rest.strip().startswith("and more on")
    assert "n_em" in rest


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (radians, "`unit: rad`"),
        (giga, "A factor 1e9 off means GeV"),
        (summed("n_mu"), "repair: difference_running_sums"),
        (summed("n_em"), "repair: difference_running_sums"),
    ],
)
def test_a_refusal_knows_the_usual_mistakes(change: Change, told: str) -> None:
    assert told in refused(change(RAW), "raw_showers").hint


def test_a_refusal_of_every_row_stays_short() -> None:
    assert len(str(refused(put("energy_eev", 0.0, 1.0)(RAW), "raw_showers"))) < 3000


def test_an_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'raw_shower'") as caught:
        load_suite(EXPECTATIONS, "raw_shower")
    assert caught.value.hint.startswith("did you mean raw_showers")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "name: [",
        "name: mine\nrows: []",
        "name: mine",
        "name: mine\nrows: [{type: a, kwargs: {}, severty: warning}]",
        "name: mine\nrows: [{type: a, kwargs: {}, severity: fatal}]",
        "name: mine\nrow: [{type: a, kwargs: {}}]",
    ],
)
def test_a_broken_suite_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match="not valid") as caught:
        load_suite(tmp_path, "mine")
    assert caught.value.where == str(tmp_path / "mine.yaml")
    assert caught.value.got
