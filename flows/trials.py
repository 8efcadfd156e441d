"""A trial of a search: the experiment with other values, fitted and judged on the validation partition. No Prefect."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from cascada.config import Experiment
from cascada.errors import InvalidDataError
from cascada.evaluation.calibration import log_loss
from cascada.evaluation.separation import roc_auc
from cascada.registry.export import Inference
from cascada.training.dataset import Sample
from cascada.training.space import with_values
from cascada.training.tuning import Report
from flows.members import ASK_ROWS, FittedModel, fit_model


@dataclass(frozen=True)
class Trials:
    """What all trials of a search share.

    Attributes
    ----------
    classes
        Primaries in the order of class indices.
    metric
        What a trial is judged by, as in `cascada.config.Search`.
    """

    experiment: Experiment
    train: Sample
    validation: Sample
    calibration: Sample
    classes: tuple[str, ...]
    metric: str


def fit_trial(values: Mapping[str, JsonValue], trials: Trials, report: Report | None) -> float:
    """Fit the experiment with other values, and its own seed, and judge it.

    Parameters
    ----------
    report
        Takes the log loss after each epoch of the first member.

    Raises
    ------
    CascadaError
        If the values cannot be fitted together.
    """
    experiment = with_values(trials.experiment, values)

    def on_epoch(member: int, epoch: int, row: Mapping[str, float]) -> None:
        loss = row.get("validation_cross_entropy", math.nan)
        if report is not None and member == 0 and math.isfinite(loss):
            report(epoch, loss)

    with tempfile.TemporaryDirectory(prefix="cascada-trial-") as scratch:
        fitted = fit_model(
            experiment, trials.train, trials.validation, trials.calibration, classes=trials.classes,
            folder=Path(scratch), on_epoch=on_epoch,
        )  # fmt: skip
    normal = [name in experiment.reference for name in trials.classes]
    return judge(fitted, trials.validation, trials.metric, normal=normal)


def judge(fitted: FittedModel, sample: Sample, metric: str, *, normal: list[bool]) -> float:
    """Judge a fitted model on a sample, by what its bundle would answer.

    Parameters
    ----------
    normal
        Per class: whether the anomaly score calls it normal.

    Raises
    ------
    InvalidDataError
        If the sample does not define the metric.
    """
    inference = Inference(fitted.members, fitted.scaling, fitted.temperature).eval()
    inputs = [torch.split(torch.from_numpy(values), ASK_ROWS) for values in sample.inputs]
    with torch.no_grad():
        said = [inference(*part) for part in zip(*inputs, strict=True)]
    probabilities, scores, _ = (torch.cat(answers).double().numpy() for answers in zip(*said, strict=True))
    if metric == "accuracy":
        return float((probabilities.argmax(axis=1) == sample.labels).mean())
    if metric == "log_loss":
        return log_loss(probabilities, sample.labels, np.ones(sample.labels.size))
    strange = ~np.asarray(normal)[sample.labels]
    auc = roc_auc(scores, strange, np.ones(scores.size))
    if not np.isfinite(auc):
        raise InvalidDataError(
            "the validation partition does not define anomaly_auc", expected="showers of the reference and others",
            got=f"{int(strange.sum())} others of {strange.size}", hint="search by another metric",
        )  # fmt: skip
    return auc
