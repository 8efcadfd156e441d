"""A bundle with an untrained network, made in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cascada.config import DeepAutoencoder, SimulatorSource
from cascada.data.sources.simulator import simulate
from cascada.evaluation.domain import Domain
from cascada.physics.observables import feature_matrix
from cascada.registry.bundle import Bundle, Lineage
from cascada.registry.export import Member, write_bundle
from cascada.registry.package import ModelIdentity
from cascada.training.scaling import fit_scaling
from models import build
from models.scores import ReconstructionScore

NAMES = ("lg_energy", "sec_zenith", "muon_residual", "em_residual", "xmax_residual")
CLASSES = ("photon", "p", "He", "N", "Fe")
MODEL = DeepAutoencoder(kind="deep", hidden=(8,), latent=2)
DOMAIN = Domain(ranges={"energy_eev": (1.0, 100.0)})
LINEAGE = Lineage(
    experiment="test", run_id="0" * 32, data_sha256="1" * 64, split_sha256="2" * 64, git_commit="3" * 40,
    git_dirty=False, data_valid=True,
)  # fmt: skip


def observables(showers: int, seed: int = 1) -> dict[str, NDArray[np.float64]]:
    """Simulate the columns that the toy model needs."""
    frame = simulate(SimulatorSource(kind="simulator", showers=showers), seed).frame.collect()
    return {name: frame[name].to_numpy() for name in ("energy_eev", "zenith_deg", "n_mu", "n_em", "xmax_g_cm2")}


def network(seed: int = 3) -> nn.Module:
    """Build the network, the same each time."""
    torch.manual_seed(seed)
    return build(MODEL, features=len(NAMES), reference=tuple(name != "photon" for name in CLASSES)).eval()


def export(folder: Path, domain: Domain = DOMAIN, *, seed: int = 3) -> Bundle:
    """Write the bundle."""
    features = feature_matrix(observables(999, seed=2), NAMES)
    return write_bundle(
        [Member(network(seed), ReconstructionScore())], scaling=fit_scaling(features, NAMES), temperature=2.0,
        calibration=(features,), classes=CLASSES, reference=CLASSES[1:],
        features=NAMES, model=MODEL.model_dump(mode="json"), domain=domain, lineage=LINEAGE, folder=folder,
    )  # fmt: skip


def identity(bundle: Bundle, version: int = 1, **changes: str) -> ModelIdentity:
    """Name a toy bundle as a registry would."""
    lineage = bundle.spec.lineage
    facts = {
        "run_id": lineage.run_id, "data_sha256": lineage.data_sha256, "git_commit": lineage.git_commit,
        "bundle_sha256": bundle.sha256,
    }  # fmt: skip
    return ModelIdentity(name="toy", version=version, **(facts | changes))
