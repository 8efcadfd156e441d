"""Fitting a model whole: scaling, networks, their scores and the temperature. Plain functions, without Prefect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import models
from cascada.config import Anomaly, Experiment
from cascada.errors import ConfigError
from cascada.registry.export import Member
from cascada.repro.seeds import generator, integer_seed
from cascada.training.calibration import fit_temperature
from cascada.training.dataset import Sample
from cascada.training.density import fit_mixture
from cascada.training.fit import fit
from cascada.training.scaling import Scaling, fit_scaling
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
    """

    members: tuple[Member, ...]
    scaling: Scaling
    temperature: float
    history: list[dict[str, float]]


def fit_model(
    experiment: Experiment, train: Sample, validation: Sample, calibration: Sample, *, classes: tuple[str, ...],
    folder: Path, progress: bool = False,
) -> FittedModel:  # fmt: skip
    """Fit the members of an experiment's model, one after the other.

    Parameters
    ----------
    train, validation, calibration
        Partitions, not yet standardised.
    classes
        Primaries in the order of class indices.
    folder
        Working folder.
    """
    if experiment.model.kind == "per_class" and experiment.training.head == "two_step":
        raise ConfigError("training.head: two_step needs a model with a head; per_class has none")
    if experiment.training.shuffle_labels:
        train = permute_labels(train, generator(experiment.seed, "shuffled labels"))
    scaling = fit_scaling(train.features, experiment.features)
    normal = tuple(name in experiment.reference for name in classes)
    members, history, logits = [], [], []
    for number in range(experiment.training.members):
        seed = integer_seed(experiment.seed, f"member {number}")
        torch.manual_seed(integer_seed(seed, "weights"))
        network = models.build(experiment.model, features=len(experiment.features), reference=normal)
        fitted = fit(
            network, train, validation, scaling=scaling, reference=normal, config=experiment.training, seed=seed,
            folder=folder / f"member-{number}", progress=progress,
        )  # fmt: skip
        score = _fit_score(experiment.anomaly, ask(fitted.network, scaling, of_classes(train, normal)), seed)
        members.append(Member(fitted.network, score))
        history += fitted.history
        logits.append(ask(fitted.network, scaling, calibration).logits.double().numpy())
    return FittedModel(tuple(members), scaling, fit_temperature(np.stack(logits), calibration.labels), history)


def of_classes(sample: Sample, chosen: tuple[bool, ...]) -> Sample:
    """Take the showers of the chosen classes."""
    return sample.take(np.asarray(chosen)[sample.labels])


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
