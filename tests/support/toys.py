"""Toy showers of three primaries that anything that learns can tell apart, and experiments on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from projects import DEMO, REPOSITORY

from cascada.config import Experiment, load_experiment
from cascada.training.dataset import Sample
from flows.members import FittedModel, fit_model

CLASSES = ("photon", "p", "Fe")
KINDS: dict[str, dict[str, Any]] = {
    "simple": {"kind": "simple", "latent": 2, "denoising": 0.1, "orthogonality": 0.1, "head_hidden": 8},
    "deep": {"kind": "deep", "hidden": [16], "latent": 2, "head_hidden": 8, "dropout": 0.1},
    "variational": {"kind": "variational", "hidden": [16], "latent": 2, "head_hidden": 8},
    "per_class": {"kind": "per_class", "hidden": [8], "latent": 1},
}


def toy(rows: int, *, seed: int) -> Sample:
    """Three unit Gaussians, 6 * sqrt(2) apart, on three axes with units of their own."""
    labels = np.arange(rows) % 3
    features = 6.0 * np.eye(3)[labels] + np.random.default_rng(seed).standard_normal((rows, 3))
    return Sample((features * [1.0, 100.0, 0.01] + [0.0, 5e3, 2.0]).astype(np.float32), labels, np.arange(rows))


def toy_experiment(
    kind: str = "deep", *, score: str = "reconstruction", model: dict[str, Any] | None = None, **training: Any
) -> Experiment:
    """The demo's experiment with three features and a small model."""
    plain = load_experiment(REPOSITORY / DEMO).model_dump(mode="json")
    small = {"epochs": 4, "batch_size": 32, "learning_rate": 0.02, "threads": 1}
    own = {
        "features": ["lg_energy", "muon_residual", "em_residual"],
        "reference": ["p", "Fe"],
        "model": model or KINDS[kind],
        "anomaly": {"score": score, "components": 2},
        "training": small | training,
    }
    return Experiment.model_validate_json(json.dumps(plain | own))


def fit_toy(experiment: Experiment, folder: Path, *, rows: int = 600, resume: bool = False) -> FittedModel:
    """Fit an experiment's model on toy showers."""
    samples = (toy(rows, seed=1), toy(150, seed=2), toy(90, seed=3))
    return fit_model(experiment, *samples, classes=CLASSES, folder=folder, resume=resume)
