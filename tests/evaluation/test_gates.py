"""The gate: each condition stands alone, says its numbers, and counts the interval and not the value."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from cascada.config import Gate
from cascada.evaluation.contest import Contest, Noise
from cascada.evaluation.controls import CHANCE, CONTROL
from cascada.evaluation.gates import Check, Evidence, Verdict, judge
from cascada.evaluation.latency import Latency
from cascada.evaluation.metrics import Evaluation, Metric
from cascada.repro.score import AspectScore, Score

GATE = Gate(
    min_accuracy=0.7, max_accuracy=0.9, min_anomaly_auc=0.85, non_inferiority_margin=0.01, max_calibration_error=0.05,
    max_latency_ms=2.0,
)  # fmt: skip
CHECKS = (
    *("valid data", "observables only", "accuracy", "anomaly AUC", "calibration", "physics ceiling", "shuffled labels"),
    *("reproducibility", "latency", "gain over the champion", "protected slices", "anomalies against the champion"),
)
FEATURES = ("lg_energy", "sec_zenith", "muon_residual", "xmax_residual")
GOOD: dict[str, tuple[float, float, float] | None] = {
    "accuracy": (0.8, 0.79, 0.81),
    "anomaly_auc": (0.95, 0.94, 0.96),
    "ece": (0.01, 0.005, 0.02),
    "auc_p_he": (0.78, 0.77, 0.79),
    CONTROL: (0.21, 0.19, 0.23),
    CHANCE: (0.2, 0.19, 0.21),
    "gain": (0.02, 0.004, 0.04),
    "slice": (0.01, -0.005, 0.025),
    "anomalies": (0.0, -0.005, 0.005),
}
NOISE = Noise(accuracies=(0.8, 0.801, 0.799), bound=0.003)


def documented(*levels: int) -> Score:
    aspects = zip(("dataset", "software"), levels, strict=True)
    return Score(
        run_id="one",
        aspects=tuple(AspectScore(aspect=a, level=n, reason="said so", next_step="") for a, n in aspects),
    )


def metric(name: str, numbers: tuple[float, float, float]) -> Metric:
    value, low, high = numbers
    return Metric(name=name, value=value, low=low, high=high, n=1000, interval="bootstrap")


def verdict(
    *, data_valid: bool = True, features: tuple[str, ...] = FEATURES, levels: tuple[int, int] = (2, 3),
    p99_ms: float = 1.0, noise: Noise | None = NOISE, withdrawn: str = "",
    **changes: tuple[float, float, float] | None,
) -> Verdict:  # fmt: skip
    numbers = {name: value for name, value in (GOOD | changes).items() if value is not None}
    made = {name: metric(name, value) for name, value in numbers.items()}
    gain, part = made.pop("gain", None), made.pop("slice").model_copy(update={"region": "primary He"})
    anomalies = made.pop("anomalies", None)
    evaluation = Evaluation(classes=("photon", "p"), metrics=tuple(made.values()), confusion=((5, 1), (1, 5)))
    latency = Latency(median_ms=0.5, p99_ms=p99_ms, calls=300, processor="Cray-1")
    contest = gain and Contest(rival=7, gain=gain, slices=(part,), anomalies=anomalies, noise=noise)
    return judge(evaluation, GATE, Evidence(features, data_valid, documented(*levels), latency, contest, withdrawn))


def test_a_good_model_passes_every_check() -> None:
    good = verdict()
    assert tuple(check.name for check in good.checks) == CHECKS
    assert good.passed
    assert good.reasons == ()


@pytest.mark.parametrize(
    ("changes", "name", "reason"),
    [
        ({"data_valid": False}, "valid data", "trained on data that a suite refused (--allow-invalid-data), required "),
        ({"levels": (1, 3)}, "reproducibility", "dataset 1 (said so), required every aspect at level 2 of 3"),
        ({"accuracy": (0.8, 0.699, 0.9)}, "accuracy", "0.800 [0.699, 0.900], required lower end >= 0.7"),
        ({"anomaly_auc": (0.9, 0.84, 0.95)}, "anomaly AUC", "0.900 [0.840, 0.950], required lower end >= 0.85"),
        ({"ece": (0.051, 0.04, 0.06)}, "calibration", "0.051 [0.040, 0.060], required <= 0.05"),
        ({"ece": None}, "calibration", "not measured"),
        ({"ece": (math.nan,) * 3}, "calibration", "nan"),
        (
            {"accuracy": (0.95, 0.91, 0.97)},
            "physics ceiling",
            "accuracy 0.950 [0.910, 0.970] above 0.9, required accuracy not above 0.9, AUC of pairs not above what",
        ),
        ({"auc_p_he": (0.9, 0.87, 0.93)}, "physics ceiling", "auc_p_he 0.900 [0.870, 0.930] above 0.862"),
        ({CONTROL: (0.3, 0.22, 0.4)}, "shuffled labels", "accuracy 0.300 [0.220, 0.400], chance 0.200 [0.190, 0.210]"),
        ({CONTROL: None}, "shuffled labels", "not measured, required no better than chance"),
        (
            {"gain": (0.01, 0.0029, 0.03)},
            "gain over the champion",
            "not better than noise: 0.010 [0.003, 0.030] on 1,000 showers against version 7, noise 0.0030 of 3 seeds",
        ),
        ({"gain": (0.01, -0.01, 0.03), "noise": None}, "gain over the champion", ": not better than noise: 0.010 [-0."),
        ({"gain": (0.02, 0.01, 0.03), "noise": None}, "gain over the champion", ": not compared with noise: "),
        ({"slice": (0.0, -0.011, 0.0)}, "protected slices", "primary He: 0.000 [-0.011, 0.000] on 1,000 showers, requ"),
        ({"slice": (0.0, math.nan, 0.0)}, "protected slices", "primary He"),
        (
            {"anomalies": (-0.005, -0.011, 0.001)},
            "anomalies against the champion",
            "-0.005 [-0.011, 0.001] on 1,000 showers, required lower end of the difference of anomaly AUC >= -0.01",
        ),
        ({"anomalies": (0.0, math.nan, 0.0)}, "anomalies against the champion", "nan"),
        (
            {"p99_ms": 2.01},
            "latency",
            "p99 2.01 ms, median 0.5 ms of 300 calls on Cray-1, required p99 of one event <=",
        ),
        ({"p99_ms": math.nan}, "latency", "nan"),
        ({"withdrawn": "rolled back: it drifts"}, "not withdrawn", "rolled back: it drifts"),
        ({"anomaly_auc": None}, "anomaly AUC", "not measurable: no such showers in the test partition"),
        ({"anomaly_auc": (math.nan,) * 3}, "anomaly AUC", "nan"),
    ],
)
def test_each_check_fails_for_its_own_reason(changes: dict[str, Any], name: str, reason: str) -> None:
    refused = verdict(**changes)
    assert not refused.passed
    assert [check.name for check in refused.checks if not check.passed] == [name]
    assert len(refused.reasons) == 1
    assert refused.reasons[0].startswith(f"{name}: ")
    assert reason in refused.reasons[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"accuracy": (0.8, 0.7, 0.9)},
        {"accuracy": (0.91, 0.9, 0.92)},
        {"accuracy": (0.89, 0.88, 0.95)},
        {"ece": (0.05, 0.04, 0.06)},
        {"auc_p_he": (0.9, 0.86, 0.93)},
        {"auc_p_fe": (1.0, 1.0, 1.0)},
        {CONTROL: (0.25, 0.21, 0.3)},
        {"anomaly_auc": (0.9, 0.85, 0.95)},
        {"gain": (0.005, 0.0031, 0.01)},
        {"slice": (-0.005, -0.01, 0.0)},
        {"anomalies": (-0.005, -0.01, 0.0)},
        {"p99_ms": 2.0},
    ],
)
def test_the_bounds_themselves_pass(changes: dict[str, Any]) -> None:
    assert verdict(**changes).passed


def test_without_a_champion_there_is_no_gain_to_ask_for() -> None:
    first = verdict(gain=None)
    assert tuple(check.name for check in first.checks) == CHECKS[:-3]
    assert first.passed


def test_without_anomalies_to_measure_the_champion_is_not_compared_in_them() -> None:
    assert tuple(check.name for check in verdict(anomalies=None).checks) == CHECKS[:-1]


def test_a_verdict_of_before_the_comparison_of_anomalies_can_be_read() -> None:
    facts = verdict(anomalies=None).model_dump(mode="json")
    del facts["contest"]["anomalies"]
    assert Verdict.model_validate(facts) == verdict(anomalies=None)


@pytest.mark.parametrize("number", [math.nan, None])
def test_an_accuracy_that_was_not_measured_passes_neither_floor_nor_ceiling(number: float | None) -> None:
    refused = verdict(accuracy=None if number is None else (number,) * 3)
    assert [check.name for check in refused.checks if not check.passed] == ["accuracy", "physics ceiling"]


def test_noise_is_asked_for_when_nothing_else_stands_in_the_way() -> None:
    gains: dict[str, Any] = {"gain": (0.02, 0.01, 0.03), "noise": None}
    assert verdict(**gains).waits_for_noise
    assert not verdict(**gains, accuracy=(0.6, 0.5, 0.7)).waits_for_noise
    assert not verdict(**gains, slice=(-0.1, -0.2, 0.0)).waits_for_noise
    assert not verdict(**gains, anomalies=(-0.1, -0.2, 0.0)).waits_for_noise
    assert not verdict(gain=(0.02, -0.01, 0.03), noise=None).waits_for_noise
    assert not verdict(gain=(0.02, 0.01, 0.03)).waits_for_noise


def test_every_reason_is_told() -> None:
    refused = verdict(data_valid=False, accuracy=(0.5, 0.4, 0.6), anomaly_auc=(0.5, 0.4, 0.6), gain=(-0.1, -0.2, 0.0))
    told = [reason.partition(":")[0] for reason in refused.reasons]
    assert told == ["valid data", "accuracy", "anomaly AUC", "gain over the champion"]


def ceiling_of(features: tuple[str, ...], **changes: tuple[float, float, float]) -> Check:
    return next(c for c in verdict(features=features, **changes).checks if c.name == "physics ceiling")


def test_who_knows_less_has_a_lower_ceiling() -> None:
    between = {"auc_p_he": (0.82, 0.81, 0.83)}
    assert ceiling_of(FEATURES, **between).passed
    muons = ceiling_of(("lg_energy", "sec_zenith", "muon_residual"), **between)
    assert not muons.passed
    assert "above 0.753" in muons.measured
    assert muons.required.endswith("AUC of pairs not above what the true number of muons can tell")


def test_where_no_ceiling_is_known_it_says_so() -> None:
    check = ceiling_of(("lg_energy", "sec_zenith"), auc_p_he=(0.99, 0.98, 1.0))
    assert check.passed
    assert check.measured.endswith("; no ceiling is known for these inputs")
    assert check.required == "accuracy not above 0.9"


def test_a_verdict_rests_on_checks() -> None:
    with pytest.raises(ValidationError, match="checks"):
        Verdict(checks=())


def test_a_verdict_cannot_be_changed() -> None:
    refused = verdict(data_valid=False)
    with pytest.raises(ValidationError, match="frozen"):
        refused.checks = (Check(name="x", passed=True, required="", measured=""),)  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        refused.checks[0].passed = True  # type: ignore[misc]


def test_a_verdict_survives_the_round_trip() -> None:
    refused = verdict(data_valid=False)
    assert Verdict.model_validate_json(refused.model_dump_json()) == refused


def test_markdown_has_a_row_a_check() -> None:
    heading, rule, *rows = verdict(accuracy=(0.5, 0.4, 0.6)).to_markdown().splitlines()
    assert heading == "| | check | required | measured |"
    assert rule == "|---|---|---|---|"
    assert len(rows) == len(CHECKS)
    assert "| FAIL | accuracy | lower end >= 0.7 | 0.500 [0.400, 0.600] |" in rows
    assert "| ok | anomaly AUC | lower end >= 0.85 | 0.950 [0.940, 0.960] |" in rows
    assert {row.count("|") for row in [heading, rule, *rows]} == {5}
