"""Figures of an evaluation, for the report of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascada.evaluation.anomalies import normal_showers
from cascada.evaluation.calibration import reliability
from cascada.evaluation.drawing import COLOURS, STYLE, colour_of, new_axes
from cascada.evaluation.metrics import FEWEST, Evaluation, Floats, Mask, Metric, wilson
from cascada.evaluation.predictions import Predictions, mean_ln_mass
from cascada.evaluation.separation import CONTAMINATIONS, Ranking, improvement_curve, rank
from cascada.evaluation.slices import LG_ENERGY, bounds_of
from cascada.evaluation.truth import Truth
from cascada.physics.anomalies import NONE
from cascada.physics.primaries import PRIMARIES

_POINTS = 400
"""Points of a curve, at most."""


def draw_figures(
    evaluation: Evaluation, predictions: Predictions, truth: Truth, others: Mapping[str, Evaluation]
) -> dict[str, Figure]:
    """Draw what the showers at hand allow.

    Parameters
    ----------
    evaluation
        Of `predictions` and `truth`.
    others
        Evaluations of other models on the same showers, by name, to compare with.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        Of ``confusion, signal_roc, ln_mass, merit_factor, reliability, anomaly_score, anomaly_roc, anomaly_sic,
        comparison`` those that are defined.
    """
    with mpl.rc_context(STYLE):
        figures = {
            "confusion": _confusion(evaluation),
            "signal_roc": _signal_roc(evaluation, predictions, truth),
            "ln_mass": _ln_mass(evaluation, predictions, truth),
            "merit_factor": _merit_factor({"this model": evaluation} | dict(others)),
            "reliability": _reliability(predictions, truth),
            **_anomalies(evaluation, predictions, truth),
            "comparison": _comparison({"this model": evaluation} | dict(others)) if others else None,
        }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _confusion(evaluation: Evaluation) -> Figure:
    counts = np.asarray(evaluation.confusion, dtype=np.float64)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    figure, axes = new_axes("Confusion: rows add up to 1", "predicted primary", "true primary", (5.2, 4.2))
    axes.grid(visible=False)
    axes.pcolormesh(share[::-1], vmin=0.0, vmax=1.0, cmap="Blues", edgecolors="#88888855", linewidth=0.5)
    size = len(evaluation.classes)
    for (row, column), value in np.ndenumerate(share) if size <= 12 else ():
        colour = "#ffffff" if value > 0.5 else "#0b2545"
        axes.text(column + 0.5, size - row - 0.5, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)
    totals = [f"{name} ({int(n):,})" for name, n in zip(evaluation.classes, counts.sum(axis=1), strict=True)]
    axes.set_xticks(np.arange(size) + 0.5, evaluation.classes)
    axes.set_yticks(np.arange(size) + 0.5, totals[::-1])
    axes.tick_params(length=0)
    return figure


def _steps(ranking: Ranking) -> tuple[Floats, Floats, float]:
    """Give the shares of background and signal above some `_POINTS` cuts, even in the logarithm of the background."""
    signal, background = ranking.above(np.ones(ranking.position.size))
    least = 0.5 / background[-1]
    share = np.maximum(background / background[-1], least)
    places = np.unique(np.searchsorted(share, np.geomspace(least, 1.0, _POINTS), side="right") - 1)
    return share[places], signal[places] / signal[-1], least


def _roc(title: str, ranking: Ranking, x: str, y: str, colour: str) -> tuple[Figure, Axes]:
    figure, axes = new_axes(title, x, y)
    share, efficiency, least = _steps(ranking)
    axes.plot(share, efficiency, drawstyle="steps-post", color=colour)
    edge = FEWEST * 2.0 * least
    if least < edge < 1.0:
        axes.axvspan(least, edge, color="#888888", alpha=0.15, linewidth=0)
        axes.text(least * 1.2, 0.03, f"fewer than {FEWEST} showers", fontsize=7, rotation=90, va="bottom")
    axes.set(xscale="log", xlim=(least, 1.0), ylim=(0.0, 1.03))
    return figure, axes


def _signal_roc(evaluation: Evaluation, predictions: Predictions, truth: Truth) -> Figure | None:
    signal, name = truth.labels == 0, evaluation.classes[0]
    if signal.all() or not signal.any():
        return None
    ranking = rank(predictions.probabilities[:, 0], signal)
    title = f"{name} among all others: AUC {evaluation.find(f'auc_{name}_against_rest')}"
    figure, axes = _roc(title, ranking, "share of the others above the cut", f"{name} efficiency", COLOURS[0])
    for share in CONTAMINATIONS:
        metric = evaluation.find(f"efficiency_{name}_at_{share:.0e}")
        if metric is not None:
            _point(axes, share, metric, COLOURS[1])
    return figure


def _point(axes: Axes, x: float, metric: Metric, colour: str, label: str | None = None) -> None:
    below, above = max(metric.value - metric.low, 0.0), max(metric.high - metric.value, 0.0)
    axes.errorbar(
        [x], [metric.value], yerr=[[below], [above]], fmt="o", color=colour, markersize=4, capsize=2, label=label
    )


def _ln_mass(evaluation: Evaluation, predictions: Predictions, truth: Truth) -> Figure | None:
    nuclei = [(i, n) for i, n in enumerate(evaluation.classes) if PRIMARIES[n].is_nucleus and (truth.labels == i).any()]
    if len(nuclei) < 2:
        return None
    estimate = mean_ln_mass(predictions.probabilities, evaluation.classes)
    figure, axes = new_axes("Estimated ln A of each nucleus; ticks: true ln A", "estimated ln A", "density")
    bins = np.linspace(-0.05, max(PRIMARIES[name].ln_mass for _, name in nuclei) + 0.05, 60).tolist()
    for index, name in nuclei:
        colour = colour_of(index, len(evaluation.classes))
        axes.hist(estimate[truth.labels == index], bins=bins, histtype="step", density=True, color=colour, label=name)
        axes.axvline(PRIMARIES[name].ln_mass, ymax=0.05, color=colour, linewidth=3)
    axes.set_yscale("log")
    axes.legend(ncols=2)
    return figure


def _merit_factor(evaluations: Mapping[str, Evaluation]) -> Figure | None:
    figure, axes = new_axes("Merit factor of p and Fe, from ln A", "lg(E/eV)", "merit factor")
    drawn = 0
    for place, (name, evaluation) in enumerate(evaluations.items()):
        found = [(b, m) for m in evaluation.metrics if m.name == "merit_factor_p_fe" and (b := bounds_of(m.region))]
        points = [((low + high) / 2.0, m) for (axis, low, high), m in found if axis == LG_ENERGY]
        for number, (centre, metric) in enumerate(points):
            shifted = centre + 0.02 * (place - (len(evaluations) - 1) / 2.0)
            _point(axes, shifted, metric, colour_of(place, len(evaluations)), name if number == 0 else None)
        drawn += len(points)
    axes.set_ylim(bottom=0.0)
    if len(evaluations) > 1 and drawn:
        axes.legend()
    return figure if drawn else None


def _reliability(predictions: Predictions, truth: Truth) -> Figure | None:
    if not truth.labels.size:
        return None
    curve = reliability(predictions.probabilities, truth.labels, np.ones(truth.labels.size))
    x, y = "probability of the most likely primary", "share that is right"
    figure, axes = new_axes("Reliability; areas: showers", x, y)
    axes.plot([0, 1], [0, 1], color="#888888", linestyle="--", linewidth=1)
    for confidence, accuracy, weight in zip(curve.confidence, curve.accuracy, curve.weight, strict=True):
        _point(axes, confidence, wilson("", round(accuracy * weight), round(weight)), COLOURS[1])
    axes.scatter(curve.confidence, curve.accuracy, s=8 + 160 * curve.weight / curve.weight.sum(), color=COLOURS[1])
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    return figure


def _anomalies(evaluation: Evaluation, predictions: Predictions, truth: Truth) -> dict[str, Figure | None]:
    normal = normal_showers(truth, evaluation.classes, evaluation.reference)
    figures: dict[str, Figure | None] = {"anomaly_score": _scores(evaluation, predictions, truth)}
    if normal.any() and not normal.all():
        ranking = rank(predictions.anomaly_score, ~normal)
        title = f"Anomaly score: AUC {evaluation.find('anomaly_auc')}"
        x, y = "share of reference showers above the cut", "share of anomalies above it"
        figures["anomaly_roc"] = _roc(title, ranking, x, y, COLOURS[3])[0]
        figures["anomaly_sic"] = _improvement(ranking, normal)
    return figures


def _scores(evaluation: Evaluation, predictions: Predictions, truth: Truth) -> Figure | None:
    if not truth.labels.size:
        return None
    score = np.log10(np.maximum(predictions.anomaly_score, 1e-12))
    low, high = np.quantile(score, [0.001, 0.999])
    bins = np.linspace(float(low), max(float(high), float(low) + 1e-6), 50).tolist()
    figure, axes = new_axes("Anomaly score of each kind of shower", "lg(anomaly score)", "density", (5.2, 4.2))
    kinds = [] if truth.kinds is None else [str(kind) for kind in np.unique(truth.kinds) if kind != NONE]
    ordinary = truth.ordinary()
    rows = {name: (truth.labels == i) & ordinary for i, name in enumerate(evaluation.classes)}
    rows |= {kind: np.asarray(truth.kinds == kind) for kind in kinds}
    for place, (name, mask) in enumerate(rows.items()):
        colour, dashes = colour_of(place, len(rows)), "--" if name in kinds else "-"
        if mask.any():
            axes.hist(score[mask], bins=bins, histtype="step", density=True, label=name, color=colour, linestyle=dashes)
    axes.set_yscale("log")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def _improvement(ranking: Ranking, normal: Mask) -> Figure | None:
    efficiency, gain = improvement_curve(ranking, np.ones(normal.size))
    if efficiency.size < 2:
        return None
    places = np.unique(np.linspace(0, efficiency.size - 1, _POINTS).astype(int))
    x, y = "share of anomalies above the cut", "significance improvement"
    figure, axes = new_axes("SIC of the anomaly score", x, y)
    axes.plot(efficiency[places], gain[places], color=COLOURS[3])
    axes.axhline(1.0, color="#888888", linestyle="--", linewidth=1)
    axes.set(xlim=(0, 1.02), ylim=(0, None))
    return figure


_COMPARED = {
    "accuracy": "accuracy", "merit_factor_p_fe": "merit factor p–Fe", "auc_p_he": "AUC p–He",
    "efficiency_photon_at_1e-03": "photon efficiency at 1e-3", "anomaly_auc": "anomaly AUC", "ece": "calibration error",
}  # fmt: skip


def _comparison(evaluations: Mapping[str, Evaluation]) -> Figure | None:
    names = [name for name in _COMPARED if sum(e.find(name) is not None for e in evaluations.values()) > 1]
    if not names:
        return None
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(9.0, rows * (0.7 + 0.28 * len(evaluations))), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for place, (name, axes) in enumerate(zip(names, panels, strict=False)):
        _panel(axes, {label: e.find(name) for label, e in evaluations.items()}, named=place % columns == 0)
        axes.set_title(_COMPARED[name])
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return figure


def _panel(axes: Axes, metrics: Mapping[str, Metric | None], *, named: bool) -> None:
    for place, metric in enumerate(metrics.values()):
        if metric is not None:
            error = [[max(metric.value - metric.low, 0.0)], [max(metric.high - metric.value, 0.0)]]
            colour = colour_of(place, len(metrics))
            axes.errorbar([metric.value], [-place], xerr=error, fmt="o", color=colour, markersize=4, capsize=2)
    axes.set_yticks([-place for place in range(len(metrics))], list(metrics) if named else [""] * len(metrics))
    axes.set_ylim(0.6 - len(metrics), 0.6)
    axes.grid(visible=True, axis="x")
    axes.margins(x=0.15)
    axes.locator_params(axis="x", nbins=4)
