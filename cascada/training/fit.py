"""Fitting with Lightning: the one place that builds a Trainer."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import Tensor, nn

from cascada.config import Training
from cascada.errors import InvalidDataError
from cascada.repro.seeds import integer_seed
from cascada.training.batches import Batches
from cascada.training.dataset import Sample
from cascada.training.scaling import Scaling

Stage = Literal["joint", "autoencoder", "head"]


class AutoencoderTask(lightning.LightningModule):  # type: ignore[misc]  # untyped library
    """The loss of an autoencoder and its primary head, and how it is minimised.

    Cross-entropy of the primary over all showers, plus the reconstruction over showers of the reference primaries
    alone: what the decoder has never seen reconstructs badly and scores as anomalous.

    Parameters
    ----------
    network
        An autoencoder of `models`: it computes the parts of the loss.
    reference
        Shape (classes,), bool: which classes the decoder learns.
    steps
        Optimiser steps of the whole fit, for the one-cycle schedule.
    stage
        ``joint`` minimises everything at once; ``autoencoder`` leaves the cross-entropy out; ``head`` minimises it
        alone, over the head.
    """

    reference: Tensor
    network: Any  # an nn.Module with the methods of models.autoencoder.Autoencoder, which is a layer above

    def __init__(
        self, network: nn.Module, reference: Tensor, config: Training, *, steps: int, stage: Stage = "joint"
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.steps = steps
        self.stage = stage
        self.register_buffer("reference", reference)
        self.history: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}

    def losses(self, *batch: Tensor) -> dict[str, Tensor]:
        """Compute the parts of the loss, and their weighted ``loss``; the last tensor of a batch is the label."""
        *inputs, label = batch
        parts: dict[str, Tensor] = self.network.losses(inputs, label, self.reference[label].to(inputs[0].dtype))
        weights = {"cross_entropy": 1.0, "reconstruction": self.config.reconstruction_weight}
        minimised = [
            weights.get(name, 1.0) * value
            for name, value in parts.items()
            if self.stage == "joint" or (name == "cross_entropy") == (self.stage == "head")
        ]
        return {"loss": torch.stack(minimised).sum()} | parts

    def training_step(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Compute the loss of a batch; its parts are averaged over the epoch."""
        parts = self.losses(*batch)
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, torch.zeros(())) + value.detach()
        return parts["loss"]

    def validation_step(self, batch: tuple[Tensor, ...]) -> None:
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

    def on_train_epoch_start(self) -> None:
        """Tell the network how far the fit is."""
        self.network.set_progress(self.current_epoch / self.config.epochs)

    def configure_optimizers(self) -> Any:
        """AdamW under a one-cycle schedule (Smith and Topin, arXiv:1708.07120)."""
        part = self.network.head if self.stage == "head" else self.network
        optimizer = torch.optim.AdamW(
            part.parameters(), lr=self.config.learning_rate / 25.0, weight_decay=self.config.weight_decay, fused=True
        )
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
    torch.manual_seed(integer_seed(seed, "fit"))
    batches = Batches(*_tensors(train, scaling), batch_size=config.batch_size, seed=integer_seed(seed, "batches"))
    held_out = Batches(*_tensors(validation, scaling), batch_size=validation.labels.size, seed=0)
    stages: tuple[Stage, ...] = ("joint",) if config.head == "joint" else ("autoencoder", "head")
    history: list[dict[str, float]] = []
    for stage in stages:
        steps = len(batches) * config.epochs
        task = AutoencoderTask(network, torch.tensor(reference), config, steps=steps, stage=stage)
        _run_trainer(task, batches, held_out, folder=folder, progress=progress)
        history += task.history
    return Fitted(network.cpu().eval(), history)


def _run_trainer(task: AutoencoderTask, batches: Batches, held_out: Batches, *, folder: Path, progress: bool) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # Lightning sets itself to INFO on import
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            accelerator="auto", devices=1, max_epochs=task.config.epochs, deterministic=True, logger=False,
            enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=progress,
            callbacks=[TQDMProgressBar(refresh_rate=20)] if progress else [], default_root_dir=folder,
            num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(task, batches, held_out)


def _tensors(sample: Sample, scaling: Scaling) -> tuple[Tensor, ...]:
    return (*(torch.from_numpy(values) for values in sample.standardised(scaling)), torch.tensor(sample.labels))
