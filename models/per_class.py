"""One autoencoder a primary: the forerunner's classifier, with one scaling for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cascada.config import PerClassAutoencoders
from models.autoencoder import Autoencoder, Pass, no_penalty, stack


class PerClassAutoencodersNetwork(Autoencoder):
    """The primary whose autoencoder reconstructs a shower best is the predicted one.

    Logits are minus half the squared residual: with one scaling for all classes, and unit errors, the log-likelihoods
    of the classes up to a constant; a calibrated temperature sets the true size of the errors. The residuals are those
    of the reference primary that reconstructs best.

    Parameters
    ----------
    features, classes
        Width of the (standardised) input and number of primaries.
    reference
        Per class: whether it is normal.
    """

    reference: Tensor

    def __init__(self, spec: PerClassAutoencoders, *, features: int, classes: int, reference: Sequence[bool]) -> None:
        super().__init__()
        widths = [features, *spec.hidden, spec.latent]
        self.encoders = nn.ModuleList([stack(widths) for _ in range(classes)])
        self.decoders = nn.ModuleList([stack(widths[::-1]) for _ in range(classes)])
        self.register_buffer("reference", torch.tensor(list(reference)), persistent=False)

    def _all(self, x: Tensor) -> tuple[Tensor, Tensor]:
        latent = torch.stack([encode(x) for encode in self.encoders], dim=1)
        rebuilt = torch.stack([decode(latent[:, i]) for i, decode in enumerate(self.decoders)], dim=1)
        return latent, rebuilt - x[:, None, :]

    def forward(self, x: Tensor) -> Pass:  # type: ignore[override]
        """Encode, reconstruct and classify features of shape (n, features)."""
        latent, residuals = self._all(x)
        squared = (residuals**2).sum(dim=2)
        best = squared.masked_fill(~self.reference, torch.inf).argmin(dim=1)[:, None, None]
        nearest = torch.gather(residuals, 1, best.expand(-1, 1, residuals.shape[2]))[:, 0]
        own = torch.gather(latent, 1, best.expand(-1, 1, latent.shape[2]))[:, 0]
        return Pass(own, -0.5 * squared, nearest, no_penalty(own))

    def losses(self, inputs: tuple[Tensor, ...], label: Tensor, normal: Tensor) -> dict[str, Tensor]:  # type: ignore[override]  # noqa: ARG002
        """Compute the mean error of each shower in the autoencoder of its own primary; no other loss."""
        _, residuals = self._all(*inputs)
        own = torch.gather(residuals, 1, label[:, None, None].expand(-1, 1, residuals.shape[2]))[:, 0]
        return {"reconstruction": (own**2).mean()}

    def counts(self, label: Tensor, normal: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Count nothing apart: every shower has an autoencoder."""
        return {}
