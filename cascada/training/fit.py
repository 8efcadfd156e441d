"""Fitting with Lightning: the one place that builds a Trainer."""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import Tensor, nn

from cascada.config import Training
from cascada.errors import PlatformError
from cascada.repro.seeds import integer_seed
from cascada.training.batches import Batches
from cascada.training.course import Course
from cascada.training.dataset import Sample
from cascada.training.scaling import Scaling

Stage = Literal["joint", "autoencoder", "head"]
OnEpoch = Callable[[int, Mapping[str, float]], None]
CHECKPOINT = "fit.pt"
VALIDATION_BATCHES = 4
"""Validation takes this many batches at once: without gradients they need less memory than one with them."""


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
    stage
        ``joint`` minimises everything at once; ``autoencoder`` leaves the cross-entropy out; ``head`` minimises it
        alone, over the head, with the rest as it is in evaluation.
    """

    reference: Tensor
    network: Any  # an nn.Module with the methods of models.autoencoder.Autoencoder, which is a layer above

    def __init__(self, network: nn.Module, reference: Tensor, config: Training, *, stage: Stage = "joint") -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.stage = stage
        self.register_buffer("reference", reference)

    def losses(self, *batch: Tensor) -> dict[str, Tensor]:
        """Compute the parts of the loss, and their weighted ``loss``; the last tensor of a batch is the label."""
        *inputs, label = batch
        return self.with_loss(self.network.losses(inputs, label, self._normal(label)))

    def counts(self, label: Tensor) -> dict[str, Tensor]:
        """Count the showers that parts of the loss are means over, where these are not all of the batch."""
        known: dict[str, Tensor] = self.network.counts(label, self._normal(label))
        return known

    def with_loss(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add the weighted sum of what this stage minimises."""
        weights = {"cross_entropy": 1.0, "reconstruction": self.config.reconstruction_weight}
        minimised = [
            weights.get(name, 1.0) * value
            for name, value in parts.items()
            if self.stage == "joint" or (name == "cross_entropy") == (self.stage == "head")
        ]
        return {"loss": torch.stack(minimised).sum()} | parts

    def _normal(self, label: Tensor) -> Tensor:
        return self.reference[label].to(torch.float32)


class _Fit(AutoencoderTask):
    """A task under way: optimiser steps, epochs, and the file to go on from."""

    def __init__(
        self, network: nn.Module, reference: Tensor, config: Training, *, stage: Stage, course: Course,
        batches: Batches, held_out: Batches, seed: int, checkpoint: Path,
        on_epoch: OnEpoch | None,
    ) -> None:  # fmt: skip
        super().__init__(network, reference, config, stage=stage)
        self.automatic_optimization = False  # several optimiser steps a training_step: Lightning's cost is per call
        self.course = course
        self.batches, self.held_out = batches, held_out
        self._seed, self._checkpoint, self._on_epoch = seed, checkpoint, on_epoch
        # The step alone is compiled, not the network: what is validated and exported stays as it was built.
        self._step = torch.compile(self.losses) if config.compile else self.losses
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}
        self._train: dict[str, float] = {}

    def configure_optimizers(self) -> Any:
        """AdamW under a one-cycle schedule (Smith and Topin, arXiv:1708.07120), as the course left them."""
        for parameter in self.network.parameters():
            parameter.requires_grad_(self.stage != "head")
        part = self.network.head.requires_grad_() if self.stage == "head" else self.network
        optimizer = torch.optim.AdamW(
            part.parameters(), lr=self.config.learning_rate / 25.0, weight_decay=self.config.weight_decay, fused=True
        )
        steps = self.batches.steps * self.config.epochs
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.config.learning_rate, total_steps=steps)
        if self.course.optimizer:
            optimizer.load_state_dict(self.course.optimizer)
            schedule.load_state_dict(self.course.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Tell the network how far the fit is; random numbers of an epoch come from its number."""
        if self.stage == "head":
            self.network.eval()
            self.network.head.train()
        self.network.set_progress(self.course.epoch / self.config.epochs)
        torch.manual_seed(integer_seed(self._seed, f"stage {self.course.stage} epoch {self.course.epoch}"))

    def training_step(self, group: tuple[Tensor, ...]) -> None:
        """Take an optimiser step for each batch of a group; losses are summed for the epoch's mean."""
        optimizer, schedule = self.optimizers(use_pl_optimizer=False), self.lr_schedulers()
        for batch in _split(group, self.batches.batch_size):
            optimizer.zero_grad()
            parts = self._step(*batch)
            parts["loss"].backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            for name, value in parts.items():
                self._sums[name] = self._sums[name] + value.detach() if name in self._sums else value.detach()

    def on_validation_epoch_start(self) -> None:
        """Close the epoch's training losses."""
        self._train = {f"train_{name}": float(value) / self.batches.steps for name, value in self._sums.items()}
        self._sums, self._counts = {}, {}

    def validation_step(self, group: tuple[Tensor, ...]) -> None:
        """Sum losses over the showers that they are means of."""
        for batch in _split(group, self.held_out.batch_size):
            counts = self.counts(batch[-1])
            for name, value in self.losses(*batch).items():
                count = counts.get(name, torch.full_like(value, batch[-1].shape[0]))
                self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value * count
                self._counts[name] = self._counts.get(name, torch.zeros_like(value)) + count

    def on_validation_epoch_end(self) -> None:
        """Write the epoch's row of the history, and decide whether to go on."""
        sums = {name: value for name, value in self._sums.items() if name != "loss"}
        means = {name: value / self._counts[name].clamp(min=1.0) for name, value in sums.items()}
        row = {f"validation_{name}": float(value) for name, value in self.with_loss(means).items()}
        self._sums, self._counts = {}, {}
        if self.trainer.sanity_checking:  # before the first step
            self.course.untrained = row["validation_loss"]
            return
        self.log("validation_loss", row["validation_loss"], prog_bar=True)
        self.trainer.should_stop = not self.course.add_epoch(
            self._train | row, self.network.state_dict(), patience=self.config.patience,
            comparable=self.course.epoch / self.config.epochs >= self.network.settles,
        )  # fmt: skip
        if self._on_epoch is not None:
            self._on_epoch(self.course.epoch, self.course.history[-1])

    def on_train_epoch_end(self) -> None:
        """Write the file that an interrupted fit goes on from."""
        self.course.network = self.network.state_dict()
        if self.trainer.should_stop or self.course.epoch == self.config.epochs:
            self.course.end_stage(keep_best=self.trainer.should_stop or self.config.patience > 0)
            self.network.load_state_dict(self.course.network)
        else:
            self.course.optimizer = self.optimizers(use_pl_optimizer=False).state_dict()
            self.course.schedule = self.lr_schedulers().state_dict()
        self.course.save(self._checkpoint)


def _split(group: tuple[Tensor, ...], rows: int) -> Iterator[tuple[Tensor, ...]]:
    yield from zip(*(torch.split(tensor, rows) for tensor in group), strict=True)


@dataclass(frozen=True)
class Fitted:
    """A fitted network.

    Attributes
    ----------
    history
        One row an epoch: the parts of the loss on both partitions.
    stopped
        Why the fit, or a stage of it, ended before its last epoch; empty if none did.
    """

    network: nn.Module
    history: list[dict[str, float]]
    stopped: tuple[str, ...]


def fit(
    network: nn.Module, train: Sample, validation: Sample, *, scaling: Scaling, reference: tuple[bool, ...],
    config: Training, seed: int, folder: Path, progress: bool, resume: bool = False,
    on_epoch: OnEpoch | None = None,
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
        Root seed; the order of batches and the numbers of denoising, dropout and the like are drawn from it.
    folder
        Where a file is kept, written anew after each epoch, that an interrupted fit goes on from.
    progress
        Whether to show a progress bar.
    resume
        Go on from that file, if there is one; the result is that of a fit that was not interrupted.
    on_epoch
        Called after each epoch of a stage with its number from 1 on and its row of the history.

    Raises
    ------
    InvalidDataError
        If the loss runs away before a single epoch is done.
    PlatformError
        If the GPU has too little memory, or the step is to be compiled and there is no compiler.
    ArtifactError
        If the file to go on from cannot be read.
    """
    torch.set_num_threads(config.threads)
    _check_compiler(config)
    checkpoint = folder / CHECKPOINT
    course = Course.load(checkpoint) if resume and checkpoint.exists() else Course()
    batches = Batches(*_tensors(train, scaling), batch_size=config.batch_size, seed=integer_seed(seed, "batches"))
    held_out = Batches(*_tensors(validation, scaling), batch_size=VALIDATION_BATCHES * config.batch_size)
    stages: tuple[Stage, ...] = ("joint",) if config.head == "joint" else ("autoencoder", "head")
    if course.network:
        network.load_state_dict(course.network)
    while course.stage < len(stages):
        batches.epoch = course.stage * config.epochs + course.epoch
        task = _Fit(
            network, torch.tensor(reference), config, stage=stages[course.stage], course=course, batches=batches,
            held_out=held_out, seed=integer_seed(seed, "fit"), checkpoint=checkpoint, on_epoch=on_epoch,
        )  # fmt: skip
        _run_trainer(task, folder=folder, progress=progress)
    return Fitted(network.cpu().eval().requires_grad_(), course.history, tuple(course.stopped))


def _check_compiler(config: Training) -> None:
    compiler = os.environ.get("CXX", "g++")  # what torch.compile calls on a CPU
    if config.compile and not torch.cuda.is_available() and shutil.which(compiler) is None:
        raise PlatformError(
            "training.compile needs a C++ compiler", expected=f"{compiler} on the PATH",
            hint="install one, or leave training.compile out",
        )  # fmt: skip


def _run_trainer(task: _Fit, *, folder: Path, progress: bool) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # Lightning sets itself to INFO on import
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            accelerator="auto", devices=1, max_epochs=task.config.epochs - task.course.epoch, deterministic=True,
            precision="bf16-mixed" if task.config.precision == "bf16" else "32-true", logger=False,
            enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=progress,
            callbacks=[TQDMProgressBar(refresh_rate=1)] if progress else [], default_root_dir=folder,
            num_sanity_val_steps=0 if task.course.epoch else -1,
        )  # fmt: skip
        try:
            trainer.fit(task, task.batches, task.held_out)
        except torch.OutOfMemoryError as error:
            raise PlatformError(
                "the memory of the GPU is too small for a training step",
                where=f"epoch {task.course.epoch + 1}, batches of {task.batches.batch_size}", got=str(error),
                hint=f"try --set training.batch_size={max(2, task.batches.batch_size // 2)}",
            ) from error  # fmt: skip


def _tensors(sample: Sample, scaling: Scaling) -> tuple[Tensor, ...]:
    return (*(torch.from_numpy(values) for values in sample.standardised(scaling)), torch.tensor(sample.labels))
