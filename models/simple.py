"""The simple autoencoder: one hidden layer, with the options of the forerunner's (Molner 2020, ch. 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cascada.config import SimpleAutoencoder
from models.autoencoder import Autoencoder, Pass, no_penalty, primary_head


class SimpleAutoencoderNetwork(Autoencoder):
    """``x -> selu(W x + b) -> V h + c`` with V the transpose of W when tied, and a primary head on h.

    Denoising (Vincent et al., ICML 2008) sets inputs to zero at random in training and asks for the whole; the
    orthogonality penalty and unit norm keep hidden units from repeating each other. SELU: Klambauer et al.,
    arXiv:1706.02515.

    Parameters
    ----------
    features, classes
        Width of the (standardised) input and number of primaries.
    """

    def __init__(self, spec: SimpleAutoencoder, *, features: int, classes: int) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = nn.Linear(features, spec.latent)
        self.decoder = None if spec.tied else nn.Linear(spec.latent, features)
        self.offset = nn.Parameter(torch.zeros(features)) if spec.tied else None
        self.head = primary_head(spec.latent, spec.head_hidden, classes)

    @property
    def matrix(self) -> Tensor:
        """W, shape (latent, features)."""
        weight = self.encoder.weight
        return functional.normalize(weight, dim=1) if self.spec.unit_norm else weight

    def forward(self, x: Tensor) -> Pass:  # type: ignore[override]
        """Encode, reconstruct and classify features of shape (n, features)."""
        seen = x
        if self.training and self.spec.denoising:
            # cascada: ignore[D101]  # the fit seeds PyTorch
            seen = x * (torch.rand_like(x) >= self.spec.denoising)
        latent = _selu(functional.linear(seen, self.matrix, self.encoder.bias))
        if self.decoder is None:
            reconstruction = functional.linear(latent, self.matrix.T, self.offset)
        else:
            reconstruction = self.decoder(latent)
        return Pass(latent, self.head(latent), reconstruction - x, no_penalty(latent))

    def losses(self, inputs: tuple[Tensor, ...], label: Tensor, normal: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Compute the parts of the loss, with ``orthogonality``, the weighted squared distance of W W' from 1."""
        parts = super().losses(inputs, label, normal)
        if self.spec.orthogonality:
            gram = self.matrix @ self.matrix.T
            off = ((gram - torch.eye(gram.shape[0], device=gram.device)) ** 2).sum()
            parts["orthogonality"] = self.spec.orthogonality * off
        return parts


_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772  # arXiv:1706.02515, eq. 14


def _selu(x: Tensor) -> Tensor:
    """SELU of its parts: ONNX Runtime's own differs in its last bit with the place of a number in memory."""
    return _SCALE * (x.clamp(min=0.0) + _ALPHA * (torch.exp(x.clamp(max=0.0)) - 1.0))
