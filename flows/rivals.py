"""Baselines on the showers of a model: fitted on the same partition, calibrated and judged alike. Without Prefect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascada.config import Experiment
from cascada.evaluation.assessment import evaluate, evaluate_score
from cascada.evaluation.metrics import Evaluation
from cascada.evaluation.predictions import Floats, Predictions, conformal_p_value
from cascada.evaluation.truth import Truth
from cascada.repro.seeds import generator
from cascada.training.baselines import Classifier, fit_anomaly, fit_supervised
from cascada.training.calibration import fit_temperature
from cascada.training.dataset import Sample
from cascada.training.scaling import fit_scaling


def judge_baselines(
    experiment: Experiment, train: Sample, calibration: Sample, test: Sample, truth: Truth, *, classes: tuple[str, ...]
) -> dict[str, Evaluation]:
    """Fit and judge the baselines that an experiment names.

    A classifier's anomaly score is the probability of all primaries that are no reference: it has seen them, which an
    anomaly score proper has not.

    Parameters
    ----------
    train, calibration, test
        Partitions, not yet standardised.
    truth
        Of the test partition.

    Returns
    -------
    dict
        Name -> evaluation; those of anomaly scores hold the metrics of anomalies alone.
    """
    rivals = predict_baselines(experiment, train, calibration, test, classes=classes)
    judged: dict[str, Evaluation] = {}
    for name, predictions in rivals.items():
        rng, reference = generator(experiment.seed, "bootstrap"), experiment.reference
        if name in experiment.baselines.supervised:
            judged[name] = evaluate(predictions, truth, classes=classes, reference=reference, rng=rng, in_bins=False)
        else:
            judged[name] = evaluate_score(predictions, truth, classes=classes, reference=reference, rng=rng)
    return judged


def predict_baselines(
    experiment: Experiment, train: Sample, calibration: Sample, test: Sample, *, classes: tuple[str, ...]
) -> dict[str, Predictions]:
    """Fit the baselines that an experiment names and let them predict; parameters as in `judge_baselines`.

    Anomaly scores come with equal probabilities for all primaries.
    """
    named, seed, threads = experiment.baselines, experiment.seed, experiment.training.threads
    scaling = fit_scaling(train.features, experiment.features)
    normal = tuple(name in experiment.reference for name in classes)
    said: dict[str, Predictions] = {}
    for name in named.supervised:
        model = fit_supervised(
            name, train, scaling=scaling, classes=classes, baselines=named, seed=seed, threads=threads
        )
        said[name] = _predictions(model, calibration, test, np.asarray(normal))
    for kind in named.anomaly:
        reference = train.of_classes(normal).features
        found = fit_anomaly(kind, reference, scaling=scaling, baselines=named, seed=seed, threads=threads)
        score, quiet = found.score(test.features), found.score(calibration.of_classes(normal).features)
        equal = np.full((score.size, len(classes)), 1.0 / len(classes))
        said[kind] = Predictions(equal, score, conformal_p_value(score, np.sort(quiet)))
    return said


def _predictions(model: Classifier, calibration: Sample, test: Sample, normal: NDArray[np.bool_]) -> Predictions:
    held_out, asked = _log(model.predict(calibration.features)), _log(model.predict(test.features))
    temperature = fit_temperature(held_out[None], calibration.labels)
    probabilities = _softmax(asked / temperature)
    score = probabilities[:, ~normal].sum(axis=1)
    known = _softmax(held_out / temperature)[normal[calibration.labels]][:, ~normal].sum(axis=1)
    return Predictions(probabilities, score, conformal_p_value(score, np.sort(known)))


def _log(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, 1e-12))


def _softmax(logits: Floats) -> Floats:
    from scipy.special import softmax

    return np.asarray(softmax(logits, axis=1), np.float64)
