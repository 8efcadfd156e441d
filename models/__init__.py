"""Architectures. A model is built from its spec; weights never live here."""

from __future__ import annotations

from cascada.config import DeepAutoencoder
from models.deep import DeepAutoencoderNetwork

__all__ = ["DeepAutoencoderNetwork", "build"]


def build(spec: DeepAutoencoder, *, features: int, classes: int) -> DeepAutoencoderNetwork:
    """Build the network of a spec, with fresh weights from torch's current random state.

    Parameters
    ----------
    features, classes
        Width of the input and number of primaries.
    """
    return DeepAutoencoderNetwork(
        features, classes, hidden=spec.hidden, latent=spec.latent, head_hidden=spec.head_hidden
    )
