"""Tables of a report, as rows of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cascada.evaluation.ceilings import CEILINGS, known_inputs
from cascada.evaluation.composition import SHOWERS, mixtures_for
from cascada.evaluation.contest import Contest
from cascada.evaluation.metrics import ALL, FEWEST, Evaluation, Metric
from cascada.evaluation.separation import CONTAMINATIONS, pairs_of
from cascada.evaluation.slices import LG_ENERGY, ZENITH, bounds_of
from cascada.repro.score import Score

_NONE = "–"


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes
    ----------
    head
        Names of the columns.
    rows
        Cells of every row.
    note
        What a reader must know to read it.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def to_markdown(self) -> str:
        """Render for a pull request; text of the note first."""
        lines = [self.head, tuple("---" for _ in self.head), *self.rows]
        table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        return f"{self.note}\n\n{table}" if self.note else table


def _cell(metric: Metric | None) -> str:
    return _NONE if metric is None else str(metric)


_LABELS = {
    "merit_factor_p_fe": "merit factor p – Fe", "auc_p_fe": "AUC p – Fe", "ece": "calibration error (ECE)",
    "anomaly_auc": "anomaly AUC", "false_alarm_rate_at_p_0.01": "false alarms at p ≤ 0.01",
    "anomaly_efficiency_at_p_0.01": "anomaly efficiency at p ≤ 0.01",
}  # fmt: skip


def headline_table(evaluations: Mapping[str, Evaluation]) -> Table:
    """Show the metrics that are read first, one column a model; the first model says which."""
    first = next(iter(evaluations.values()))
    rows = [
        (
            _LABELS.get(metric.name, metric.name.replace("_", " ")),
            *(_cell(e.find(metric.name)) for e in evaluations.values()),
            f"{metric.n:,}",
        )
        for metric in first.headline
    ]
    note = "Values with 95 % intervals: Wilson for proportions, else bootstrap by shower group."
    return Table("In short", ("metric", *evaluations, "n"), tuple(rows), note)


def pair_table(evaluation: Evaluation, features: Sequence[str]) -> Table:
    """Show how well neighbours in mass are told apart, beside what physics allows for these features."""
    inputs = known_inputs(tuple(features))
    rows = []
    for pair in pairs_of(evaluation.classes):
        tail = "_".join(pair).lower()
        ceiling = CEILINGS[pair][inputs] if inputs is not None and pair in CEILINGS else None
        limits = (_NONE, _NONE) if ceiling is None else (f"{ceiling.auc:.3f}", f"{ceiling.merit_factor:.2f}")
        measured = (_cell(evaluation.find(f"auc_{tail}")), _cell(evaluation.find(f"merit_factor_{tail}")))
        rows.append((" – ".join(pair), measured[0], limits[0], measured[1], limits[1]))
    note = _DISCRIMINANTS.get(inputs or "", "No physics ceiling is known for these inputs.")
    if mass_table(evaluation).rows:
        note += " Merit factors of an estimated ln A compare only with their own kind; AUC knows no scale."
    head = ("pair", "AUC", "AUC, discriminant", "merit factor", "merit factor, discriminant")
    return Table("Neighbours in mass", head, tuple(rows), note)


_DISCRIMINANTS = {
    "muons": "Discriminant: linear, of the true number of muons on the CORSIKA library.",
    "xmax": "Discriminant: linear, of the true depth of the maximum on the CORSIKA library.",
    "both": "Discriminant: linear, of the true number of muons and depth of the maximum on the CORSIKA library.",
}


def signal_table(evaluation: Evaluation) -> Table:
    """Show the efficiency of the lightest primary at fixed contamination, with counts."""
    name = evaluation.classes[0]
    background = sum(sum(row) for row in evaluation.confusion[1:])
    rows = []
    for share in CONTAMINATIONS:
        metric = evaluation.find(f"efficiency_{name}_at_{share:.0e}")
        left = f"{share * background:,.1f} of {background:,}"
        reason = f"not measurable: fewer than {FEWEST} showers left"
        rows.append((f"{share:g}", left, reason if metric is None else str(metric)))
    half, gain = (evaluation.find(f"{n}") for n in (f"contamination_{name}_at_efficiency_0.5", f"q_factor_{name}"))
    note = f"Contamination at 50 % efficiency: {_scientific(half)}. Best Q-factor: {_cell(gain)}."
    head = ("contamination", "showers of the others left", f"{name} efficiency")
    return Table(f"Search for {name}s", head, tuple(rows), note)


def _scientific(metric: Metric | None) -> str:
    if metric is None:
        return _NONE
    counted = f"{round(metric.value * metric.n):,} of {metric.n:,}"
    return f"{metric.value:.2g} [{metric.low:.1g}, {metric.high:.2g}], {counted}"


def mass_table(evaluation: Evaluation) -> Table:
    """Show bias and resolution of ln A."""
    names = [n for n in evaluation.classes if evaluation.find(f"ln_mass_bias_{n}") is not None]
    kinds = ("ln_mass_bias", "ln_mass_resolution")
    rows = [(n, *(_cell(evaluation.find(f"{kind}_{n}")) for kind in kinds)) for n in names]
    cover = _cell(evaluation.find("ln_mass_coverage_2_sigma"))
    note = f"The true ln A lies within two of the estimate's own sigmas for a share of {cover} of the nuclei."
    return Table("ln A", ("nucleus", "bias", "resolution"), tuple(rows), note if names else "")


def fraction_table(evaluation: Evaluation) -> Table:
    """Show the errors of unfolded fractions."""
    rows = []
    for mixture, fractions in mixtures_for(evaluation.classes).items():
        error = evaluation.find(f"fraction_error_{mixture}")
        if error is not None:
            found = [evaluation.find(f"fraction_bias_{mixture}_{name}") for name in evaluation.classes]
            cells = [_unfolded(share, m) for share, m in zip(fractions, found, strict=True)]
            rows.append((mixture.replace("auger_", "Auger, lg(E/eV) "), f"{error.value:.3f}", *cells))
    note = (
        f"True fraction → unfolded one, mean and central 95 % of simulated measurements of {SHOWERS} showers; the "
        "response is measured on one half of the test showers, the mixture drawn from the other."
    )
    return Table("Unfolded composition", ("mixture", "mean error", *evaluation.classes), tuple(rows), note)


def _unfolded(fraction: float, error: Metric | None) -> str:
    if error is None:
        return _NONE
    mean, low, high = (max(fraction + e, 0.0) for e in (error.value, error.low, error.high))
    return f"{fraction:.2f} → {mean:.2f} [{low:.2f}, {high:.2f}]"


def anomaly_table(evaluation: Evaluation) -> Table:
    """Show what raises alarms: each primary, and each kind of anomaly."""
    tail = "_at_p_0.01"
    starts = ("anomaly_", "false_alarm_rate_")
    rows = [("all anomalies", *_alarms(evaluation, "anomaly")), _false_alarms(evaluation, "all reference", "")]
    for metric in evaluation.overall:
        kind = metric.name.removeprefix(starts[0]).removesuffix("_auc")
        if metric.name.startswith(starts[0]) and metric.name.endswith("_auc") and kind not in ("anomaly", "auc"):
            rows.append((kind.replace("_", " "), *_alarms(evaluation, f"anomaly_{kind}")))
        name = metric.name.removeprefix(starts[1]).removesuffix(tail)
        if metric.name.startswith(starts[1]) and name in evaluation.classes:
            rows.append(_false_alarms(evaluation, name, f"_{name}"))
    sic = _cell(evaluation.find("anomaly_sic"))
    note = (
        f"Best significance improvement: {sic}. Reference: {', '.join(evaluation.reference)}; showers exchangeable "
        "with those of its calibration raise at most 1 % false alarms."
    )
    return Table("Alarms", ("showers", "AUC against the reference", "share at p ≤ 0.01"), tuple(rows), note)


def _alarms(evaluation: Evaluation, name: str) -> tuple[str, str]:
    return _cell(evaluation.find(f"{name}_auc")), _cell(evaluation.find(f"{name}_efficiency_at_p_0.01"))


def _false_alarms(evaluation: Evaluation, label: str, part: str) -> tuple[str, str, str]:
    return label, _NONE, _cell(evaluation.find(f"false_alarm_rate{part}_at_p_0.01"))


_SLICED = {
    "accuracy": "accuracy", "merit_factor_p_fe": "merit factor p – Fe", "auc_p_fe": "AUC p – Fe",
    "anomaly_auc": "anomaly AUC", "false_alarm_rate_at_p_0.01": "false alarms",
}  # fmt: skip


def slice_table(evaluation: Evaluation) -> Table:
    """Show the metrics of every bin of energy and zenith."""
    regions = list(dict.fromkeys(m.region for m in evaluation.metrics if m.region != ALL))
    rows = [
        (_bin(region), *(_cell(evaluation.find(name, region)) for name in _SLICED), _size(evaluation, region))
        for region in regions
    ]
    return Table("Energy and zenith angle", ("bin", *_SLICED.values(), "n"), tuple(rows))


def _bin(region: str) -> str:
    axis, low, high = bounds_of(region) or (region, 0.0, 0.0)
    return {LG_ENERGY: f"lg(E/eV) {low:g} – {high:g}", ZENITH: f"zenith {low:g}° – {high:g}°"}.get(axis, region)


def _size(evaluation: Evaluation, region: str) -> str:
    metric = evaluation.find("accuracy", region)
    return _NONE if metric is None else f"{metric.n:,}"


def shift_table(evaluation: Evaluation, shifts: Iterable[tuple[str, Evaluation]]) -> Table:
    """Show what becomes of the model on showers of another world, beside its own test partition."""
    rows = [
        (label, *(_cell(e.find(name)) for name in (*_SLICED, "ece")))
        for label, e in [("as trained", evaluation), *shifts]
    ]
    return Table("Domain shift", ("showers", *_SLICED.values(), "calibration error"), tuple(rows))


def metric_table(evaluation: Evaluation) -> Table:
    """Show every metric there is."""
    rows: list[tuple[str, ...]] = [(m.name, m.region, str(m), f"{m.n:,}", m.interval) for m in evaluation.metrics]
    rows += [(name, ALL, f"not measurable: {why}", _NONE, _NONE) for name, why in evaluation.unmeasured.items()]
    return Table("Every metric", ("metric", "showers", "value", "n", "interval"), tuple(rows))


def contest_table(contest: Contest) -> Table:
    """Show what a challenger gains and loses against the champion, as a whole and in protected slices."""
    noise = contest.noise
    told = "not measured: the gain is not above zero"
    if noise is not None:
        seeds = ", ".join(f"{accuracy:.4f}" for accuracy in noise.accuracies)
        told = f"{noise.bound:.4f}; accuracies with {len(noise.accuracies)} seeds: {seeds}"
    rows = tuple(
        (name, f"{one.value:+.4f}", f"{one.low:+.4f}", f"{one.high:+.4f}", f"{one.n:,}")
        for name, one in [("all", contest.gain), *((_bin(one.region), one) for one in contest.slices)]
    )
    note = (
        f"Accuracy minus that of version {contest.rival} on the same showers; the intervals of the slices hold for all "
        f"of them at once. Noise from seed to seed: {told}."
    )
    if (found := contest.anomalies) is not None:
        note += f" Anomaly AUC: {found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}] on {found.n:,} showers."
    return Table("Against the champion", ("showers", "gain", "low", "high", "n"), rows, note)


def score_table(score: Score) -> Table:
    """Show how well each aspect of the run is documented, and what would raise it."""
    rows = tuple((one.aspect, f"{one.level} {one.meaning}", one.reason, one.next_step) for one in score.aspects)
    note = f"{score.total} of 24; 3 needs a replay that passed."
    return Table("Reproducibility", ("aspect", "level", "why", "next step"), rows, note)
