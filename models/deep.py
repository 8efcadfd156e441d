"""The deep autoencoder with a primary head on its latent space."""

from __future__ import annotations

from torch import Tensor

from cascada.config import DeepAutoencoder
from models.autoencoder import Autoencoder, Pass, no_penalty, primary_head, stack


class DeepAutoencoderNetwork(Autoencoder):
    """Encoder, decoder and primary head.

    Parameters
    ----------
    features, classes
        Width of the (standardised) input and number of primaries.
    """

    def __init__(self, spec: DeepAutoencoder, *, features: int, classes: int) -> None:
        super().__init__()
        self.encoder = stack([features, *spec.hidden, spec.latent], spec.dropout)
        self.decoder = stack([spec.latent, *reversed(spec.hidden), features], spec.dropout)
        self.head = primary_head(spec.latent, spec.head_hidden, classes)

    def forward(self, x: Tensor) -> Pass:  # type: ignore[override]
        """Encode, reconstruct and classify features of shape (n, features)."""
        latent = self.encoder(x)
        return Pass(latent, self.head(latent), self.decoder(latent) - x, no_penalty(latent))
