"""Architectures. A model is built from its spec; weights never live here."""

from __future__ import annotations

from collections.abc import Sequence

from cascada.config import (
    DeepAutoencoder,
    Model,
    PerClassAutoencoders,
    SimpleAutoencoder,
    TraceAutoencoder,
)
from models.autoencoder import Autoencoder, Pass
from models.deep import DeepAutoencoderNetwork
from models.per_class import PerClassAutoencodersNetwork
from models.simple import SimpleAutoencoderNetwork
from models.trace import TraceAutoencoderNetwork
from models.variational import VariationalAutoencoderNetwork

__all__ = ["Autoencoder", "Pass", "build"]


def build(spec: Model, *, features: int, reference: Sequence[bool]) -> Autoencoder:
    """Build the network of a spec, with fresh weights from torch's current random state.

    Parameters
    ----------
    features
        Width of the input.
    reference
        Per primary: whether the anomaly score calls it normal.
    """
    if isinstance(spec, PerClassAutoencoders):
        return PerClassAutoencodersNetwork(spec, features=features, classes=len(reference), reference=reference)
    if isinstance(spec, SimpleAutoencoder):
        return SimpleAutoencoderNetwork(spec, features=features, classes=len(reference))
    if isinstance(spec, DeepAutoencoder):
        return DeepAutoencoderNetwork(spec, features=features, classes=len(reference))
    if isinstance(spec, TraceAutoencoder):
        return TraceAutoencoderNetwork(spec, features=features, classes=len(reference))
    return VariationalAutoencoderNetwork(spec, features=features, classes=len(reference))
