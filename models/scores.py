"""How strange a shower is: scores of what a network says, as modules of the exported graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cascada.training.density import Mixture
from models.autoencoder import Pass


class ReconstructionScore(nn.Module):
    """The mean squared residual."""

    def forward(self, said: Pass) -> Tensor:
        """Score showers, shape (n,); larger is stranger."""
        return said.error


class DensityScore(nn.Module):
    """Minus the log-likelihood of latent coordinates and residuals in a Gaussian mixture of reference showers.

    Reconstruction alone misses what lies far out on the manifold of normal showers (Zong et al., DAGMM, ICLR 2018).
    """

    mean: Tensor
    whitening: Tensor
    offset: Tensor

    def __init__(self, mixture: Mixture) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mixture.mean.astype(np.float32)))
        self.register_buffer("whitening", torch.from_numpy(mixture.whitening.astype(np.float32)))
        self.register_buffer("offset", torch.from_numpy(mixture.log_normalisation.astype(np.float32)))

    def forward(self, said: Pass) -> Tensor:
        """Score showers, shape (n,); larger is stranger."""
        point = points(said)
        white = ((point[:, None, :] - self.mean)[:, :, None, :] @ self.whitening)[:, :, 0, :]
        return -torch.logsumexp(self.offset - 0.5 * (white**2).sum(dim=2), dim=1)


def points(said: Pass) -> Tensor:
    """Join latent coordinates and residuals, shape (n, latent + reconstructed quantities)."""
    return torch.cat([said.latent, said.residuals], dim=1)
