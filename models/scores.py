"""How strange a shower is: scores of what a network says, as modules of the exported graph.

They sum rows by `_row_sums`. ONNX Runtime's own reductions add in an order that depends on where a row lies in memory:
the score of a shower would differ in its last bits with the shower's place in a batch.
"""

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
        return _row_sums(said.residuals**2) / said.residuals.shape[1]


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
        exponent = self.offset - 0.5 * _row_sums(white**2)
        highest = exponent.amax(dim=1, keepdim=True)
        return -(highest[:, 0] + torch.log(_row_sums(torch.exp(exponent - highest))))


def points(said: Pass) -> Tensor:
    """Join latent coordinates and residuals, shape (n, latent + reconstructed quantities)."""
    return torch.cat([said.latent, said.residuals], dim=1)


def _row_sums(values: Tensor) -> Tensor:
    """Sum over the last axis by a product of matrices, whose order of adding is the same for every row.

    Two equal columns: products with one column take another path.
    """
    return (values @ values.new_ones(values.shape[-1], 2))[..., 0]
