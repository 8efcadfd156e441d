"""The evaluation of a model on a test partition: every metric, with intervals, in all and in bins."""

from __future__ import annotations

import numpy as np

from cascada.evaluation.anomalies import measure_anomalies, normal_showers
from cascada.evaluation.calibration import measure_calibration
from cascada.evaluation.composition import measure_fractions
from cascada.evaluation.mass import measure_mass
from cascada.evaluation.metrics import Evaluation, Floats, Integers, Metric, Resampling, wilson
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.separation import measure_one_against_rest, measure_pair, measure_signal, pairs_of
from cascada.evaluation.slices import measure_slices
from cascada.evaluation.truth import Truth


def evaluate(
    predictions: Predictions,
    truth: Truth,
    *,
    classes: tuple[str, ...],
    reference: tuple[str, ...],
    rng: np.random.Generator,
    in_bins: bool = True,
) -> Evaluation:
    """Measure a model on a test partition.

    Parameters
    ----------
    predictions, truth
        Of the same n showers, in the same order.
    classes
        Primaries in the order of class indices.
    reference
        Primaries that the anomaly score calls normal; the others are the anomalies.
    in_bins
        Whether to measure in bins of energy and zenith, too.

    Notes
    -----
    One bootstrap by group serves all metrics. Metrics that the showers at hand do not define, because there are none of
    a class, are left out; those that they define but are too few for are told in `Evaluation.unmeasured`.
    """
    probabilities, labels = predictions.probabilities, truth.labels
    confusion = _confusion(probabilities, labels, len(classes))
    metrics = _counts(confusion, classes)
    unmeasured: dict[str, str] = {}
    if labels.size:
        resampling = Resampling(truth.groups, rng)
        metrics += _separation(probabilities, labels, classes, resampling)
        signal, unmeasured = measure_signal(probabilities, labels, classes, resampling)
        metrics += signal
        metrics += measure_mass(probabilities, labels, classes, resampling)
        metrics += measure_calibration(probabilities, labels, resampling)
        metrics += measure_fractions(probabilities.argmax(axis=1), labels, truth.groups, classes, rng)
        normal = normal_showers(truth, classes, reference)
        metrics += measure_anomalies(predictions, truth, normal, classes, resampling)
        metrics += measure_slices(predictions, truth, normal, classes, resampling) if in_bins else []
    return Evaluation(
        classes=classes,
        reference=reference,
        metrics=tuple(metrics),
        confusion=tuple(map(tuple, confusion.tolist())),
        unmeasured=unmeasured,
    )


def evaluate_score(
    predictions: Predictions, truth: Truth, *, classes: tuple[str, ...], reference: tuple[str, ...],
    rng: np.random.Generator,
) -> Evaluation:  # fmt: skip
    """Measure an anomaly score that tells no primaries apart: the metrics of anomalies alone, without a confusion."""
    normal = normal_showers(truth, classes, reference)
    metrics = measure_anomalies(predictions, truth, normal, classes, Resampling(truth.groups, rng))
    return Evaluation(classes=classes, reference=reference, metrics=tuple(metrics), confusion=())


def _confusion(probabilities: Floats, labels: Integers, size: int) -> Integers:
    counts = np.bincount(labels * size + probabilities.argmax(axis=1), minlength=size**2)
    return counts.reshape(size, size)


def _counts(confusion: Integers, classes: tuple[str, ...]) -> list[Metric]:
    """Measure accuracy and the efficiency of each primary from the counts alone."""
    counts = {"accuracy": (np.trace(confusion), confusion.sum())}
    counts |= {f"efficiency_{name}": (confusion[i, i], confusion[i].sum()) for i, name in enumerate(classes)}
    return [wilson(name, int(right), int(trials)) for name, (right, trials) in counts.items() if trials > 0]


def _separation(
    probabilities: Floats, labels: Integers, classes: tuple[str, ...], resampling: Resampling
) -> list[Metric]:
    pairs = [measure_pair(probabilities, labels, classes, pair, resampling) for pair in pairs_of(classes)]
    metrics = [metric for pair in pairs for metric in pair]
    return metrics + measure_one_against_rest(probabilities, labels, classes, resampling)
