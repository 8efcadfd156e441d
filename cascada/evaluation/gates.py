"""The gate: whether a model may become champion. Nothing else builds a verdict."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cascada.config import Gate
from cascada.evaluation.metrics import Evaluation, Metric


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


def judge(evaluation: Evaluation, gate: Gate, *, data_valid: bool, gain: Metric | None) -> Verdict:
    """Judge a model.

    Parameters
    ----------
    data_valid
        Whether the snapshot passed its suites.
    gain
        Accuracy minus the champion's on the same showers; None when there is no champion.

    Notes
    -----
    Floors hold for the lower end of an interval. A model is too good to be true when even the lower end of its accuracy
    lies above the physics ceiling.
    """
    accuracy = evaluation.find("accuracy")
    checks = [
        Check(name="valid data", passed=data_valid, required="every suite passed",
              measured="passed" if data_valid else "trained on data that a suite refused (--allow-invalid-data)"),
        _at_least("accuracy", accuracy, gate.min_accuracy),
        _at_least("anomaly AUC", evaluation.find("anomaly_auc"), gate.min_anomaly_auc),
        Check(name="physics ceiling", passed=accuracy is not None and accuracy.low <= gate.max_accuracy,
              required=f"accuracy not above {gate.max_accuracy:g}", measured=str(accuracy)),
    ]  # fmt: skip
    if gain is not None:
        checks.append(_at_least("gain over the champion", gain, -gate.non_inferiority_margin))
    return Verdict(checks=tuple(checks))


def _at_least(name: str, metric: Metric | None, floor: float) -> Check:
    measured = "not measurable: no such showers in the test partition" if metric is None else str(metric)
    passed = metric is not None and metric.low >= floor
    return Check(name=name, passed=passed, required=f"lower end >= {floor:g}", measured=measured)
