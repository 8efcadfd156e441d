"""Fitting with Lightning: the one place that builds a Trainer."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import Tensor, nn
from torch.nn import functional

from cascada.config import Training
from cascada.errors import InvalidDataError
from cascada.repro.seeds import integer_seed
from cascada.training.batches import Batches
from cascada.training.dataset import Sample
from cascada.training.scaling import Scaling


class AutoencoderTask(lightning.LightningModule):  # type: ignore[misc]  # untyped library
    """Joint loss of an autoencoder and its primary head.

    Cross-entropy of the primary over all showers, plus the mean squared reconstruction error over showers of the
    reference primaries alone: what the decoder has never seen reconstructs badly and scores as anomalous.

    Parameters
    ----------
    network
        Maps standardised features to (reconstruction, logits).
    reference
        Shape (classes,), bool: which classes the decoder learns.
    steps
        Optimiser steps of the whole fit, for the one-cycle schedule.
    """

    reference: Tensor

    def __init__(self, network: nn.Module, reference: Tensor, config: Training, *, steps: int) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.steps = steps
        self.register_buffer("reference", reference)
        self.history: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}

    def losses(self, x: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Compute the parts of the loss: ``cross_entropy``, ``reconstruction`` and their weighted ``loss``."""
        reconstruction, logits = self.network(x)
        cross_entropy = functional.cross_entropy(logits, label)
        weight = self.reference[label].to(x.dtype)
        error = ((reconstruction - x) ** 2).mean(dim=1)
        normal = (error * weight).sum() / weight.sum().clamp(min=1.0)
        loss = cross_entropy + self.config.reconstruction_weight * normal
        return {"loss": loss, "cross_entropy": cross_entropy, "reconstruction": normal}

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Compute the loss of a batch; its parts are averaged over the epoch."""
        parts = self.losses(*batch)
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, torch.zeros(())) + value.detach()
        return parts["loss"]

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Write the epoch's row of the history, with the losses of the validation partition."""
        batches = max(int(self.trainer.num_training_batches), 1)
        row = {f"train_{name}": float(value) / batches for name, value in self._sums.items()}
        row |= {f"validation_{name}": float(value) for name, value in self.losses(*batch).items()}
        self._sums.clear()
        self.history.append(row)
        self.log("validation_loss", row["validation_loss"], prog_bar=True)
        if not np.isfinite(row["validation_loss"]):
            raise InvalidDataError(
                "the loss is not finite any more", where=f"epoch {self.current_epoch + 1}",
                hint="lower training.learning_rate or check the features for outliers",
            )  # fmt: skip

    def configure_optimizers(self) -> Any:
        """Adam under a one-cycle schedule (Smith and Topin, arXiv:1708.07120)."""
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.config.learning_rate / 25.0, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.config.learning_rate, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@dataclass(frozen=True)
class Fitted:
    """A fitted network.

    Attributes
    ----------
    history
        One row an epoch: the parts of the loss on both partitions.
    """

    network: nn.Module
    history: list[dict[str, float]]


def fit(
    network: nn.Module, train: Sample, validation: Sample, *, scaling: Scaling, reference: tuple[bool, ...],
    config: Training, seed: int, folder: Path, progress: bool,
) -> Fitted:  # fmt: skip
    """Fit a network.

    Parameters
    ----------
    network
        Fresh weights; changed in place.
    train, validation
        Partitions, not yet standardised.
    scaling
        Measured on the training partition.
    reference
        Per class: whether the decoder learns it.
    seed
        Root seed; the order of batches is drawn from it.
    folder
        Working folder of the Trainer.
    progress
        Whether to show a progress bar.
    """
    torch.set_num_threads(config.threads)
    batches = Batches(*_tensors(train, scaling), batch_size=config.batch_size, seed=integer_seed(seed, "batches"))
    held_out = Batches(*_tensors(validation, scaling), batch_size=validation.labels.size, seed=0)
    steps = len(batches) * config.epochs
    task = AutoencoderTask(network, torch.tensor(reference), config, steps=steps)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # Lightning sets itself to INFO on import
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            accelerator="auto", devices=1, max_epochs=config.epochs, deterministic=True, logger=False,
            enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=progress,
            callbacks=[TQDMProgressBar(refresh_rate=20)] if progress else [], default_root_dir=folder,
            num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(task, batches, held_out)
    return Fitted(network.cpu().eval(), task.history)


def _tensors(sample: Sample, scaling: Scaling) -> tuple[Tensor, Tensor]:
    return torch.tensor(scaling.apply(sample.features)), torch.tensor(sample.labels)
