"""The section of a fit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cascada.config.section import Section


class Training(Section):
    """How the model is fitted."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(512, ge=2)
    learning_rate: float = Field(5e-3, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(0.0, ge=0, description="decoupled (AdamW)")
    reconstruction_weight: float = Field(1.0, ge=0, description="weight of the reconstruction loss")
    head: Literal["joint", "two_step"] = Field(
        "joint", description="the primary head is fitted with the autoencoder, or after it on a frozen latent space"
    )
    patience: int = Field(
        0,
        ge=0,
        description="epochs without a lower validation loss after which a fit ends, with its best epoch's weights; "
        "0 fits to the end and keeps the last epoch's",
    )
    members: int = Field(1, ge=1, le=16, description="networks with seeds of their own whose answers are averaged")
    one_class: bool = Field(
        False, description="fit on the reference primaries alone: the anomaly score is that of a search for the unknown"
    )
    shuffle_labels: bool = Field(
        False, description="control: permute the labels of the training partition; the model must fall to chance"
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32", description="of the products in a fit; weights, sums and the model that comes out are float32"
    )
    compile: bool = Field(
        False, description="let torch compile the training step: minutes at the start, for long fits of large networks"
    )
    trace_every: int = Field(
        0,
        ge=0,
        description="trace the fit step by step, hashed by parameter every so many steps, for `cascada diff --trace`; "
        "0 leaves no trace",
    )
    threads: int = Field(1, ge=1, description="CPU threads; sums depend on it; more pay for large networks only")
