"""What every autoencoder answers, and the loss it is fitted with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Pass(NamedTuple):
    """What a network says about n showers.

    Attributes
    ----------
    latent
        Shape (n, latent).
    logits
        Shape (n, classes).
    residuals
        Reconstruction minus input, shape (n, reconstructed quantities).
    penalty
        Shape (n,): what the latent coordinates cost beyond the reconstruction; zero where nothing does.
    """

    latent: Tensor
    logits: Tensor
    residuals: Tensor
    penalty: Tensor

    @property
    def error(self) -> Tensor:
        """Mean squared residual, shape (n,)."""
        return (self.residuals**2).mean(dim=1)


class Autoencoder(nn.Module, ABC):
    """A network from standardised features, shape (n, features), to a `Pass`.

    A subclass defines ``forward``; the part named ``head`` alone leads from the latent space to the logits.

    Attributes
    ----------
    settles
        Share of the fit after which the loss means the same from epoch to epoch.
    """

    settles = 0.0

    @abstractmethod
    def forward(self, *inputs: Tensor) -> Pass:
        """Encode, reconstruct and classify."""

    def losses(self, inputs: Sequence[Tensor], label: Tensor, normal: Tensor) -> dict[str, Tensor]:
        """Compute the parts of the loss of a batch, each a scalar.

        Parameters
        ----------
        label
            Class indices, shape (n,).
        normal
            1 for showers of the reference primaries, which alone are reconstructed; else 0. Shape (n,).

        Returns
        -------
        dict
            ``cross_entropy`` of the primary; ``reconstruction``, the mean error of normal showers with what their
            latent coordinates cost.
        """
        said = self(*inputs)
        reconstruction = ((said.error + said.penalty) * normal).sum() / normal.sum().clamp(min=1.0)
        return {"cross_entropy": functional.cross_entropy(said.logits, label), "reconstruction": reconstruction}

    def counts(self, label: Tensor, normal: Tensor) -> dict[str, Tensor]:  # noqa: ARG002  # some count labels
        """Count the showers that parts of the loss are means over, where these are not all of the batch."""
        return {"reconstruction": normal.sum()}

    def set_progress(self, share: float) -> None:  # most networks do not change with it
        """Tell the network which share of the fit is done, from 0 to 1."""


def stack(widths: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Build linear layers with SiLU (and dropout) between them and none at the end."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.SiLU()] + ([nn.Dropout(dropout)] if dropout else [])
    return nn.Sequential(*layers[: -2 if dropout else -1])


def primary_head(latent: int, hidden: int, classes: int) -> nn.Sequential:
    """Build the primary head: one hidden layer on the latent space."""
    return nn.Sequential(nn.SiLU(), *stack([latent, hidden, classes]))


def no_penalty(latent: Tensor) -> Tensor:
    """Charge nothing: zeros of shape (n,)."""
    return torch.zeros_like(latent[:, 0])
