"""The deep autoencoder with a primary head on its latent space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


def _stack(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with SiLU between them and none at the end."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class DeepAutoencoderNetwork(nn.Module):
    """Encoder, decoder and primary head.

    Parameters
    ----------
    features, classes
        Width of the (standardised) input and number of primaries.
    hidden
        Widths between input and latent space; mirrored in the decoder.
    latent
        Width of the latent space.
    head_hidden
        Width of the head's hidden layer.
    """

    def __init__(self, features: int, classes: int, *, hidden: Sequence[int], latent: int, head_hidden: int) -> None:
        super().__init__()
        self.encoder = _stack([features, *hidden, latent])
        self.decoder = _stack([latent, *reversed(hidden), features])
        self.head = nn.Sequential(nn.SiLU(), *_stack([latent, head_hidden, classes]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruct and classify.

        Parameters
        ----------
        x
            Standardised features, shape (n, features).

        Returns
        -------
        reconstruction
            Shape (n, features).
        logits
            Shape (n, classes).
        """
        latent = self.encoder(x)
        return self.decoder(latent), self.head(latent)
