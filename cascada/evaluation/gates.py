"""The gate: whether a model may become champion. Nothing else builds a verdict."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cascada.config import Gate
from cascada.evaluation.ceilings import CEILINGS, auc_bound, known_inputs
from cascada.evaluation.controls import CHANCE, CONTROL
from cascada.evaluation.metrics import Evaluation, Metric
from cascada.physics.columns import COLUMNS
from cascada.physics.observables import required_columns
from cascada.repro.score import Score


class Check(BaseModel):
    """One condition of a verdict, with its numbers."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    required: str
    measured: str


class Verdict(BaseModel):
    """The outcome of a gate."""

    model_config = ConfigDict(frozen=True)

    checks: tuple[Check, ...] = Field(min_length=1)

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What stands against the model, in words."""
        return tuple(f"{c.name}: {c.measured}, required {c.required}" for c in self.checks if not c.passed)

    def to_markdown(self) -> str:
        """Render as a table for people."""
        rows = [f"| {'ok' if c.passed else 'FAIL'} | {c.name} | {c.required} | {c.measured} |" for c in self.checks]
        return "\n".join(["| | check | required | measured |", "|---|---|---|---|", *rows])


def judge(
    evaluation: Evaluation, gate: Gate, *, features: tuple[str, ...], data_valid: bool, score: Score,
    gain: Metric | None,
) -> Verdict:  # fmt: skip
    """Judge a model.

    Parameters
    ----------
    features
        Features of the model: they say which physics ceilings hold.
    data_valid
        Whether the snapshot passed its suites.
    score
        How well the run is documented.
    gain
        Accuracy minus the champion's on the same showers; None when there is no champion.

    Notes
    -----
    Floors hold for the lower end of an interval. The bound on the calibration error holds for its value, which noise
    alone makes larger: by some 0.03 for 1,600 showers. A model is too good to be true when even the lower end of its
    accuracy lies above the experiment's ceiling, or that of the AUC of a pair above what physics allows
    (`cascada.evaluation.ceilings`). AUC is compared, not the merit factor: that of an estimate of ln A
    that saturates lies above the factors of linear discriminants without any leak.
    """
    checks = [
        Check(name="valid data", passed=data_valid, required="every suite passed",
              measured="passed" if data_valid else "trained on data that a suite refused (--allow-invalid-data)"),
        _features(features),
        _at_least("accuracy", evaluation.find("accuracy"), gate.min_accuracy),
        _at_least("anomaly AUC", evaluation.find("anomaly_auc"), gate.min_anomaly_auc),
        _at_most("calibration", evaluation.find("ece"), gate.max_calibration_error),
        _ceiling(evaluation, gate, features),
        _control(evaluation),
        _documented(score, gate.min_reproducibility),
    ]  # fmt: skip
    if gain is not None:
        checks.append(_at_least("gain over the champion", gain, -gate.non_inferiority_margin))
    return Verdict(checks=tuple(checks))


def _at_least(name: str, metric: Metric | None, floor: float) -> Check:
    measured = "not measurable: no such showers in the test partition" if metric is None else str(metric)
    passed = metric is not None and metric.low >= floor
    if metric is not None and not passed and round(metric.low, 3) >= floor:
        measured += f", lower end {metric.low:.6f}"
    return Check(name=name, passed=passed, required=f"lower end >= {floor:g}", measured=measured)


def _at_most(name: str, metric: Metric | None, bound: float) -> Check:
    measured = "not measured" if metric is None else str(metric)
    passed = metric is not None and metric.value <= bound
    return Check(name=name, passed=passed, required=f"<= {bound:g}", measured=measured)


def _features(features: tuple[str, ...]) -> Check:
    """Refuse features made of what only a simulation knows, or of what names the answer."""
    telling = [name for name in required_columns(features) if COLUMNS[name].role != "observable"]
    return Check(
        name="observables only",
        passed=not telling,
        required="features of observables",
        measured=f"features made of {', '.join(telling)}" if telling else "observables",
    )


def _ceiling(evaluation: Evaluation, gate: Gate, features: tuple[str, ...]) -> Check:
    accuracy = evaluation.find("accuracy")
    bounds = {"accuracy": gate.max_accuracy} | _auc_bounds(features, gate.ceiling_tolerance)
    found = {name: metric for name in bounds if (metric := evaluation.find(name)) is not None}
    above = [f"{name} {metric} above {bounds[name]:.3g}" for name, metric in found.items() if metric.low > bounds[name]]
    unknown = "" if len(bounds) > 1 else "; no ceiling is known for these inputs"
    worst = "; ".join(above) or f"accuracy {accuracy}, {len(found) - 1} pairs below their ceilings{unknown}"
    passed = accuracy is not None and accuracy.low <= gate.max_accuracy and not above
    inputs = known_inputs(features)
    pairs = f", AUC of pairs not above what {_WORDS[inputs]} can tell" if inputs else ""
    return Check(
        name="physics ceiling", passed=passed, required=f"accuracy not above {gate.max_accuracy:g}{pairs}",
        measured=worst,
    )  # fmt: skip


_WORDS = {"muons": "the true number of muons", "xmax": "the true depth of the maximum", "both": "true muons and depth"}


def _auc_bounds(features: tuple[str, ...], tolerance: float) -> dict[str, float]:
    inputs = known_inputs(features)
    if inputs is None:
        return {}
    return {f"auc_{'_'.join(pair).lower()}": auc_bound(pair, inputs, tolerance=tolerance) for pair in CEILINGS}


def _control(evaluation: Evaluation) -> Check:
    learnt, chance = evaluation.find(CONTROL), evaluation.find(CHANCE)
    measured = "not measured" if learnt is None or chance is None else f"accuracy {learnt}, chance {chance}"
    return Check(
        name="shuffled labels",
        passed=learnt is not None and chance is not None and learnt.low <= chance.high,
        required="no better than chance",
        measured=measured,
    )


def _documented(score: Score, level: int) -> Check:
    below = [f"{one.aspect} {one.level} ({one.reason})" for one in score.aspects if one.level < level]
    return Check(
        name="reproducibility",
        passed=not below,
        required=f"every aspect at level {level} of 3",
        measured="; ".join(below) or f"lowest level {score.lowest}, {score.total} of 24 in all",
    )
