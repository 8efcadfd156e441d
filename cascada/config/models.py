"""Sections of a model: what autoencoder to build, and how its anomaly score is made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cascada.config.section import Section

Share = Annotated[float, Field(ge=0, lt=1)]
Width = Annotated[int, Field(ge=1)]


class SimpleAutoencoder(Section):
    """An autoencoder of one hidden layer (`models.simple`), with the options of the forerunner."""

    kind: Literal["simple"]
    latent: Width = 8
    tied: bool = Field(True, description="the decoder is the encoder's matrix, transposed")
    denoising: Share = Field(0.0, description="share of the inputs that is set to zero in training")
    orthogonality: float = Field(0.0, ge=0, description="weight of |W W' - 1|^2, W the encoder's matrix")
    unit_norm: bool = Field(False, description="each hidden unit's weights have length one")
    head_hidden: Width = 64


class DeepAutoencoder(Section):
    """A deep autoencoder with a primary head on its latent space (`models.deep`)."""

    kind: Literal["deep"]
    hidden: tuple[Width, ...] = Field((64, 64), min_length=1)
    latent: Width = 2
    head_hidden: Width = 64
    dropout: Share = Field(0.0, description="share of the hidden units left out in training")


class VariationalAutoencoder(Section):
    """A variational autoencoder (`models.variational`)."""

    kind: Literal["variational"]
    hidden: tuple[Width, ...] = Field((64, 64), min_length=1)
    latent: Width = 3
    head_hidden: Width = 64
    beta: float = Field(0.02, ge=0, description="weight of the divergence from the prior")
    warm_up: float = Field(0.5, gt=0, le=1, description="share of the fit in which beta rises from zero")


class PerClassAutoencoders(Section):
    """One deep autoencoder a primary: the smallest reconstruction error names the primary (`models.per_class`)."""

    kind: Literal["per_class"]
    hidden: tuple[Width, ...] = Field((32,), min_length=1)
    latent: Width = 2


class TraceAutoencoder(Section):
    """An autoencoder over the traces of an event's stations beside its features (`models.trace`)."""

    kind: Literal["trace"]
    stations: int = Field(8, ge=3, le=37, description="hottest stations of an event that are kept")
    bins: int = Field(60, ge=16, le=768, description="bins of 25 ns that are kept of each trace, from its start")
    channels: tuple[Width, ...] = Field(
        (8, 16), min_length=1, max_length=4, description="of the convolutions, each of which halves the bins"
    )
    kernel: int = Field(7, ge=3, le=31, description="bins that a convolution sees at a time")
    station_width: Width = Field(32, description="numbers that a station is summarised in")
    hidden: tuple[Width, ...] = Field((64,), min_length=1)
    latent: Width = 4
    head_hidden: Width = 64


Model = Annotated[
    SimpleAutoencoder | DeepAutoencoder | VariationalAutoencoder | PerClassAutoencoders | TraceAutoencoder,
    Field(discriminator="kind"),
]


class Anomaly(Section):
    """How strange a shower is.

    ``reconstruction`` is the mean squared residual; ``density`` the negative log-likelihood of latent coordinates and
    residuals in a Gaussian mixture of reference showers, which also sees what reconstructs well and lies far out.
    """

    score: Literal["reconstruction", "density"] = "reconstruction"
    components: int = Field(8, ge=1, le=64, description="Gaussians of the density")
