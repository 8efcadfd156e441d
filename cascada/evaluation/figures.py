"""Figures of an evaluation, as PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cascada.evaluation.metrics import Evaluation
from cascada.evaluation.predictions import Predictions


def draw_figures(
    evaluation: Evaluation,
    predictions: Predictions,
    labels: NDArray[np.int64],
    *,
    reference: tuple[str, ...],
    folder: Path,
) -> list[Path]:
    """Draw the confusion matrix, the ROC curve of the anomaly score and the score per primary.

    Returns
    -------
    list of Path
        One file a figure, in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    anomalous = ~np.isin(labels, [evaluation.classes.index(name) for name in reference])
    figures = {
        "confusion": _confusion(evaluation),
        "anomaly_roc": _roc(evaluation, predictions, anomalous),
        "anomaly_score": _scores(evaluation, predictions, labels),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    return [folder / f"{name}.png" for name in figures]


def _confusion(evaluation: Evaluation) -> Figure:
    counts = np.asarray(evaluation.confusion, dtype=np.float64)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, vmin=0.0, vmax=1.0, cmap="Blues")
    for (row, column), value in np.ndenumerate(share):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.5 else "black")
    axes.set(xticks=range(len(evaluation.classes)), yticks=range(len(evaluation.classes)), xlabel="predicted primary",
             ylabel="true primary", title=f"Confusion, rows sum to 1 (n = {int(counts.sum())})")  # fmt: skip
    axes.set_xticklabels(evaluation.classes)
    axes.set_yticklabels(evaluation.classes)
    figure.colorbar(image, label="share of true primary")
    return figure


def _roc(evaluation: Evaluation, predictions: Predictions, anomalous: NDArray[np.bool_]) -> Figure:
    order = np.argsort(-predictions.anomaly_score)
    efficiency = np.cumsum(anomalous[order]) / max(int(anomalous.sum()), 1)
    contamination = np.cumsum(~anomalous[order]) / max(int((~anomalous).sum()), 1)
    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.maximum(contamination, 0.5 / max(int((~anomalous).sum()), 1)), efficiency, drawstyle="steps-post")
    axes.set(xscale="log", xlabel="reference showers above the cut", ylabel="anomalous showers above the cut",
             ylim=(0, 1.02), title=f"Anomaly score: AUC {evaluation.find('anomaly_auc')}")  # fmt: skip
    axes.grid(alpha=0.3)
    return figure


def _scores(evaluation: Evaluation, predictions: Predictions, labels: NDArray[np.int64]) -> Figure:
    score = np.log10(np.maximum(predictions.anomaly_score, 1e-12))
    low, high = np.quantile(score, [0.001, 0.999])
    bins = np.linspace(float(low), float(high), 60)
    figure = Figure(figsize=(5.2, 4.2), layout="constrained")
    axes = figure.subplots()
    for index, name in enumerate(evaluation.classes):
        axes.hist(score[labels == index], bins=bins.tolist(), histtype="step", density=True, label=name, linewidth=1.4)
    axes.set(xlabel="lg(anomaly score)", ylabel="density", title="Anomaly score per primary")
    axes.legend()
    return figure
