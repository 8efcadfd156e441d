"""Fitting a model whole: scaling, networks, their scores and the temperature. Plain functions, without Prefect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import models
from cascada.config import Anomaly, Experiment
from cascada.errors import ConfigError, InvalidDataError
from cascada.registry.export import Member
from cascada.repro.seeds import generator, integer_seed
from cascada.training.calibration import fit_temperature
from cascada.training.dataset import Sample
from cascada.training.density import fit_mixture
from cascada.training.fit import fit
from cascada.training.scaling import Scaling, check_scaled, fit_scaling
from models.autoencoder import Pass
from models.scores import DensityScore, ReconstructionScore, points

ASK_ROWS = 16_384
"""Showers that a network is asked about at a time: what it keeps of traces in between fills memory."""


@dataclass(frozen=True)
class FittedModel:
    """What a bundle is written from.

    Attributes
    ----------
    history
        One row an epoch and member.
    stopped
        Which members ended before their last epoch, and why.
    """

    members: tuple[Member, ...]
    scaling: Scaling
    temperature: float
    history: list[dict[str, float]]
    stopped: tuple[str, ...]


def fit_model(
    experiment: Experiment, train: Sample, validation: Sample, calibration: Sample, *, classes: tuple[str, ...],
    folder: Path, progress: bool = False, resume: bool = False,
    on_epoch: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> FittedModel:  # fmt: skip
    """Fit the members of an experiment's model, one after the other.

    Parameters
    ----------
    train, validation, calibration
        Partitions, not yet standardised.
    classes
        Primaries in the order of class indices.
    folder
        Where files are kept that an interrupted fit goes on from.
    resume
        Go on from them; the result is that of a fit that was not interrupted.
    on_epoch
        Called after each epoch with the member, the epoch from 1 on, and its row of the history.

    Raises
    ------
    ConfigError
        If the model cannot be fitted in the way that the experiment asks for.
    InvalidDataError
        If a class is missing, or a feature cannot be standardised.
    """
    _check_config(experiment)
    normal = tuple(name in experiment.reference for name in classes)
    _check_classes(train, validation, calibration.of_classes(normal), classes)
    if experiment.training.one_class:
        train, validation, calibration = (sample.of_classes(normal) for sample in (train, validation, calibration))
    scaling = fit_scaling(train.features, experiment.features)
    for name, sample in (("training", train), ("validation", validation), ("calibration", calibration)):
        check_scaled(scaling.apply(sample.features), experiment.features, partition=name)
    if experiment.training.shuffle_labels:
        train = permute_labels(train, generator(experiment.seed, "shuffled labels"))
    members, history, logits, stopped = [], [], [], []
    for number in range(experiment.training.members):
        seed = integer_seed(experiment.seed, f"member {number}")
        torch.manual_seed(integer_seed(seed, "weights"))
        network = models.build(experiment.model, features=len(experiment.features), reference=normal)
        fitted = fit(
            network, train, validation, scaling=scaling, reference=normal, config=experiment.training, seed=seed,
            folder=folder / f"member-{number}", progress=progress, resume=resume,
            on_epoch=partial(on_epoch, number) if on_epoch else None,
        )  # fmt: skip
        score = _fit_score(experiment.anomaly, ask(fitted.network, scaling, train.of_classes(normal)), seed)
        members.append(Member(fitted.network, score))
        history += fitted.history
        stopped += [f"member {number}: {why}" for why in fitted.stopped]
        logits.append(ask(fitted.network, scaling, calibration).logits.double().numpy())
    temperature = fit_temperature(np.stack(logits), calibration.labels)
    return FittedModel(tuple(members), scaling, temperature, history, tuple(stopped))


def _check_config(experiment: Experiment) -> None:
    if experiment.model.kind != "per_class":
        return
    if experiment.training.head == "two_step":
        raise ConfigError("training.head: two_step needs a model with a head; per_class has none")
    if experiment.training.reconstruction_weight == 0.0:
        raise ConfigError("training.reconstruction_weight: 0 leaves nothing to learn; per_class has no other loss")


def _check_classes(train: Sample, validation: Sample, reference: Sample, classes: tuple[str, ...]) -> None:
    """Check that there is something of every class to learn from, and something to judge by."""
    counts = dict(zip(classes, np.bincount(train.labels, minlength=len(classes)).tolist(), strict=True))
    if len(classes) < 2:
        raise InvalidDataError(
            f"the training partition has one class only: {', '.join(classes)}", expected="at least two primaries",
            hint="add a primary to `source`",
        )  # fmt: skip
    lacking = [name for name, count in counts.items() if not count]
    if lacking:
        raise InvalidDataError(
            f"the training partition lacks {', '.join(lacking)}", expected="showers of every primary",
            got=", ".join(f"{name}: {count}" for name, count in counts.items()),
            hint="take more showers, or another `seed`",
        )  # fmt: skip
    for sample, what in ((validation, "validation partition has no showers"),
                         (reference, "calibration partition has no showers of the reference primaries")):  # fmt: skip
        if not sample.labels.size:
            raise InvalidDataError(f"the {what}", hint="take more showers, or enlarge it in `split`")


def permute_labels(sample: Sample, rng: np.random.Generator) -> Sample:
    """Permute the labels among the showers: nothing is left to learn."""
    return replace(sample, labels=rng.permutation(sample.labels))


def ask(network: torch.nn.Module, scaling: Scaling, sample: Sample) -> Pass:
    """Let a fitted network answer for a sample, without gradients, `ASK_ROWS` showers at a time."""
    inputs = [torch.split(torch.from_numpy(values), ASK_ROWS) for values in sample.standardised(scaling)]
    with torch.no_grad():
        said = [network(*part) for part in zip(*inputs, strict=True)]
    return Pass(*(torch.cat(answers) for answers in zip(*said, strict=True)))


def _fit_score(anomaly: Anomaly, reference: Pass, seed: int) -> torch.nn.Module:
    if anomaly.score == "reconstruction":
        return ReconstructionScore()
    where: NDArray[np.float64] = points(reference).double().numpy()
    return DensityScore(fit_mixture(where, anomaly.components, seed=integer_seed(seed, "density") % 2**32))
