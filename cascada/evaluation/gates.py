"""The gate: whether a model may become champion. Nothing else builds a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from cascada.config import Gate
from cascada.evaluation.ceilings import CEILINGS, auc_bound, known_inputs
from cascada.evaluation.contest import Contest
from cascada.evaluation.controls import CHANCE, CONTROL
from cascada.evaluation.latency import Latency
from cascada.evaluation.metrics import Evaluation, Metric
from cascada.physics.columns import COLUMNS
from cascada.physics.observables import required_columns
from cascada.repro.score import Score

GAIN = "gain over the champion"
"""The check that the noise decides."""


class Check(BaseModel):
    """One condition of a verdict, with its numbers."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    required: str
    measured: str


class Verdict(BaseModel):
    """The outcome of a gate.

    Attributes
    ----------
    latency, contest
        The measurements behind two of the checks, so that a later judgement need not repeat them.
    """

    model_config = ConfigDict(frozen=True)

    checks: tuple[Check, ...] = Field(min_length=1)
    latency: Latency | None = None
    contest: Contest | None = None

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def waits_for_noise(self) -> bool:
        """Whether nothing stands against the model but that nobody measured the noise from seed to seed."""
        failed = [check.name for check in self.checks if not check.passed]
        return self.contest is not None and self.contest.needs_noise and failed == [GAIN]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What stands against the model, in words."""
        return tuple(f"{c.name}: {c.measured}, required {c.required}" for c in self.checks if not c.passed)

    def to_markdown(self) -> str:
        """Render as a table for people."""
        rows = [f"| {'ok' if c.passed else 'FAIL'} | {c.name} | {c.required} | {c.measured} |" for c in self.checks]
        return "\n".join(["| | check | required | measured |", "|---|---|---|---|", *rows])


@dataclass(frozen=True)
class Evidence:
    """What a model is judged by, beside its evaluation.

    Attributes
    ----------
    features
        Features of the model: they say which physics ceilings hold.
    data_valid
        Whether the snapshot passed its suites.
    score
        How well the run is documented.
    latency
        Time that the bundle takes for one event.
    contest
        Comparison with the champion; None when there is no champion.
    withdrawn
        Why the version was rolled back from; empty when it was not.
    """

    features: tuple[str, ...]
    data_valid: bool
    score: Score
    latency: Latency
    contest: Contest | None = None
    withdrawn: str = ""


def judge(evaluation: Evaluation, gate: Gate, evidence: Evidence) -> Verdict:
    """Judge a model.

    Notes
    -----
    Floors hold for the lower end of an interval. The bound on the calibration error holds for its value, which noise
    alone makes larger: by some 0.03 for 1,600 showers. A model is too good to be true when even the lower end of its
    accuracy lies above the experiment's ceiling, or that of the AUC of a pair above what physics allows
    (`cascada.evaluation.ceilings`). AUC is compared, not the merit factor: that of an estimate of ln A
    that saturates lies above the factors of linear discriminants without any leak.

    A challenger beats the champion when the lower end of its gain on the same showers lies above the noise from seed to
    seed (`cascada.evaluation.contest`), and when neither in a protected slice nor in the anomaly AUC the lower end of
    the difference lies below the margin. A training of an unchanged recipe with another seed is thus no reason to
    change champions.
    """
    checks = [
        Check(name="valid data", passed=evidence.data_valid, required="every suite passed",
              measured="passed" if evidence.data_valid
              else "trained on data that a suite refused (--allow-invalid-data)"),
        _features(evidence.features),
        _at_least("accuracy", evaluation.find("accuracy"), gate.min_accuracy),
        _at_least("anomaly AUC", evaluation.find("anomaly_auc"), gate.min_anomaly_auc),
        _at_most("calibration", evaluation.find("ece"), gate.max_calibration_error),
        _ceiling(evaluation, gate, evidence.features),
        _control(evaluation),
        _documented(evidence.score, gate.min_reproducibility),
        Check(name="latency", passed=evidence.latency.p99_ms <= gate.max_latency_ms,
              required=f"p99 of one event <= {gate.max_latency_ms:g} ms", measured=str(evidence.latency)),
    ]  # fmt: skip
    if evidence.withdrawn:
        checks.append(
            Check(name="not withdrawn", passed=False, required="never rolled back from", measured=evidence.withdrawn)
        )
    if evidence.contest is not None:
        checks += _compared(evidence.contest, gate.non_inferiority_margin)
    return Verdict(checks=tuple(checks), latency=evidence.latency, contest=evidence.contest)


def _compared(contest: Contest, margin: float) -> list[Check]:
    checks = [_beats(contest), _keeps_up(contest.slices, margin)]
    return checks if contest.anomalies is None else [*checks, _still_finds(contest.anomalies, margin)]


def _beats(contest: Contest) -> Check:
    gain, noise = contest.gain, contest.noise
    bound = 0.0 if noise is None else noise.bound
    passed = noise is not None and gain.low > bound
    against = f"{gain} on {gain.n:,} showers against version {contest.rival}"
    told = f"noise {bound:.4f} of {len(noise.accuracies)} seeds" if noise else "noise not measured: it decides nothing"
    words = "" if passed else "not compared with noise: " if contest.needs_noise else "not better than noise: "
    return Check(
        name=GAIN, passed=passed, measured=f"{words}{against}, {told}",
        required="lower end above the noise from seed to seed",
    )  # fmt: skip


def _keeps_up(slices: Sequence[Metric], margin: float) -> Check:
    """Ask that the challenger is not worse in any slice; one that holds too few showers to tell counts against it."""
    below = sorted((one for one in slices if not one.low >= -margin), key=lambda one: one.low)
    worst = min(slices, key=lambda one: one.low, default=None)
    told = "no slice holds enough showers" if worst is None else f"{len(slices)} slices, worst {_told(worst)}"
    return Check(
        name="protected slices", passed=not below, measured="; ".join(map(_told, below)) or told,
        required=f"lower end of each difference >= {-margin:g}, all at once",
    )  # fmt: skip


def _still_finds(difference: Metric, margin: float) -> Check:
    return Check(
        name="anomalies against the champion", passed=difference.low >= -margin,
        required=f"lower end of the difference of anomaly AUC >= {-margin:g}",
        measured=f"{difference} on {difference.n:,} showers",
    )  # fmt: skip


def _told(difference: Metric) -> str:
    return f"{difference.region}: {difference} on {difference.n:,} showers"


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
