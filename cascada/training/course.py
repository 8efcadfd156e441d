"""The course of a fit: its history, its best epoch, when it ends early, and the file it goes on from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from cascada.errors import ArtifactError, InvalidDataError

RUN_AWAY = 10.0
"""A validation loss above that of the untrained network by this many times it has run away: no fit were better."""


@dataclass
class Course:
    """What a fit did so far: all it needs to go on.

    Attributes
    ----------
    stage
        Number of the stage; earlier ones are done.
    epoch
        Epochs done in this stage.
    untrained
        Validation loss before the first step of this stage.
    best, best_epoch, best_loss
        Weights, number and validation loss of the best epoch of this stage.
    network, optimizer, schedule
        States after the last epoch; ``network`` is empty before the first.
    history
        One row an epoch, of all stages.
    stopped
        Why stages ended early.
    """

    stage: int = 0
    epoch: int = 0
    untrained: float = math.nan
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = -1
    best_loss: float = math.inf
    network: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def add_epoch(
        self, row: dict[str, float], weights: Mapping[str, Tensor], *, patience: int, comparable: bool
    ) -> bool:
        """Take note of an epoch, and say whether to go on.

        Parameters
        ----------
        row
            Losses; those named ``loss`` decide.
        weights
            Of the network after the epoch; copied.
        patience
            Epochs without a better validation loss after which a fit ends; 0 means never.
        comparable
            Whether this epoch's loss means what that of later ones does; if not, the next epoch is better by default.

        Returns
        -------
        bool
            False when the loss ran away or patience is at its end.
        """
        self.history.append(row)
        self.epoch += 1
        loss = row["validation_loss"]
        if not (math.isfinite(row["train_loss"]) and loss - self.untrained <= RUN_AWAY * abs(self.untrained)):
            self._stop(f"the loss ran away in epoch {self.epoch}")
            return False
        if loss < self.best_loss:
            self.best = {name: value.detach().clone() for name, value in weights.items()}
            self.best_epoch, self.best_loss = self.epoch, loss if comparable else math.inf
        elif patience and self.epoch - self.best_epoch >= patience:
            self._stop(f"the validation loss has not fallen for {patience} epochs")
            return False
        return True

    def _stop(self, why: str) -> None:
        self.stopped.append(f"{why}; the weights of epoch {self.best_epoch} are kept")

    def end_stage(self, *, keep_best: bool) -> None:
        """Go to the next stage, from the weights of the last epoch or of the best.

        Raises
        ------
        InvalidDataError
            If the loss ran away before there was a best epoch.
        """
        if keep_best and not self.best:
            raise InvalidDataError(
                "the loss ran away before an epoch was done", where="training", got=str(self.history[-1]),
                hint="lower training.learning_rate, or check the features for outliers",
            )  # fmt: skip
        fresh = Course(
            stage=self.stage + 1, network=self.best if keep_best else self.network, history=self.history,
            stopped=self.stopped,
        )  # fmt: skip
        self.__dict__.update(fresh.__dict__)

    def save(self, path: Path) -> None:
        """Write to a file: whole, or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        writing = path.with_suffix(".writing")
        torch.save({name: getattr(self, name) for name in self.__dataclass_fields__}, writing)
        writing.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file, on the CPU and without running anything that may be in it.

        Raises
        ------
        ArtifactError
            If it is no checkpoint.
        """
        try:
            return cls(**torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises whatever its unpickler met
            raise ArtifactError(
                "the checkpoint of the interrupted fit cannot be read", where=str(path), got=str(error).split("\n")[0],
                hint="train without --resume",
            ) from error  # fmt: skip
