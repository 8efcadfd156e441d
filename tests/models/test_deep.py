"""The deep autoencoder: its shapes, its bottleneck, and weights that follow from the seed."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

import models
from cascada.config import DeepAutoencoder

SPEC = DeepAutoencoder(kind="deep", hidden=(16, 8), latent=2, head_hidden=12)


def build(spec: DeepAutoencoder = SPEC, *, seed: int = 5) -> models.Autoencoder:
    torch.manual_seed(seed)
    return models.build(spec, features=5, reference=(False, True, True, True))


def layers(part: nn.Module) -> list[tuple[int, int]]:
    """(inputs, outputs) of the linear layers, in order."""
    return [(m.in_features, m.out_features) for m in part.modules() if isinstance(m, nn.Linear)]


@pytest.mark.parametrize("rows", [1, 7])
def test_one_reconstruction_and_one_logit_per_class_for_each_shower(rows: int) -> None:
    said = build()(torch.randn(rows, 5))
    assert said.residuals.shape == (rows, 5)
    assert said.logits.shape == (rows, 4)
    assert said.latent.shape == (rows, 2)
    assert said.error.shape == said.penalty.shape == (rows,)


@pytest.mark.parametrize("hidden", [(16, 8), (6,)])
def test_widths_follow_the_spec(hidden: tuple[int, ...]) -> None:
    network = build(DeepAutoencoder(kind="deep", hidden=hidden, latent=3, head_hidden=7))
    widths = [5, *hidden, 3]
    assert layers(network.encoder) == list(pairwise(widths))
    assert layers(network.decoder) == [(wide, narrow) for narrow, wide in reversed(layers(network.encoder))]
    assert layers(network.head) == [(3, 7), (7, 4)]


def test_outputs_are_linear_layers_so_that_they_reach_every_value() -> None:
    network = build()
    for part in (network.encoder, network.decoder, network.head):
        assert isinstance(list(part.modules())[-1], nn.Linear)


@pytest.mark.parametrize("latent", [1, 2, 3])
def test_everything_passes_the_bottleneck(latent: int) -> None:
    network = build(SPEC.model_copy(update={"latent": latent})).double()
    point = torch.randn(5, dtype=torch.float64)

    def outputs(x: Tensor) -> Tensor:
        said = network(x[None])
        return torch.cat([said.residuals[0] + x, said.logits[0]])

    slopes = torch.func.jacrev(outputs)(point)
    assert slopes.shape == (9, 5)
    assert torch.linalg.matrix_rank(slopes, rtol=1e-9) == latent


def test_showers_do_not_see_each_other() -> None:
    network, x = build(), torch.randn(6, 5)
    together, apart = network(x), [network(row[None]) for row in x]
    for part, whole in enumerate(together):
        assert torch.allclose(whole, torch.cat([outputs[part] for outputs in apart]), atol=1e-6)


def test_the_same_seed_gives_the_same_weights() -> None:
    weights = [build(seed=seed).state_dict() for seed in (5, 5, 6)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not any(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_weights_are_named_by_their_part() -> None:
    assert {name.partition(".")[0] for name in build().state_dict()} == {"encoder", "decoder", "head"}
