"""One autoencoder a primary: who names the primary, who learns from whom, and what the score sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import models
from cascada.config import PerClassAutoencoders

SPEC = PerClassAutoencoders(kind="per_class", hidden=(8,), latent=2)
NORMAL = (False, True, True)


def build() -> models.Autoencoder:
    torch.manual_seed(5)
    return models.build(SPEC, features=4, reference=NORMAL)


def always(network: models.Autoencoder, outputs: list[list[float]]) -> None:
    """Let each autoencoder rebuild every shower as one and the same."""
    with torch.no_grad():
        for decoder, output in zip(network.decoders, outputs, strict=True):
            decoder[-1].weight.zero_()
            decoder[-1].bias.copy_(torch.tensor(output))


X = torch.tensor([[0.0, 0, 0, 0], [1.0, 1, 1, 1], [5.0, 5, 5, 5]])
OUTPUTS = [[0.0] * 4, [1.0] * 4, [4.0] * 4]


def test_the_smallest_residual_names_the_primary() -> None:
    network = build()
    always(network, OUTPUTS)
    said = network(X)
    assert said.logits.argmax(dim=1).tolist() == [0, 1, 2]
    # minus half the squared distances to 0, 1 and 4, in four dimensions
    assert said.logits.tolist() == [[0.0, -2.0, -32.0], [-2.0, 0.0, -18.0], [-50.0, -32.0, -2.0]]


def test_the_score_sees_the_residuals_of_the_best_reference_primary() -> None:
    network = build()
    always(network, OUTPUTS)
    said = network(X)
    # the first shower is rebuilt best by class 0, which is no reference: class 1 answers for it
    assert said.residuals[:, 0].tolist() == [1.0, 0.0, -1.0]
    assert said.error.tolist() == [1.0, 0.0, 1.0]


def test_the_latent_coordinates_are_those_of_the_same_autoencoder() -> None:
    network = build()
    always(network, OUTPUTS)
    latent = network(X).latent
    best = [1, 1, 2]
    for shower, number in enumerate(best):
        assert torch.allclose(latent[shower], network.encoders[number](X[shower : shower + 1])[0])


def touched(part: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in part.parameters())


@pytest.mark.parametrize("primary", [0, 1, 2])
def test_a_shower_teaches_the_autoencoder_of_its_own_primary_alone(primary: int) -> None:
    network = build()
    x, label = torch.randn(6, 4), torch.full((6,), primary)
    network.losses([x], label, torch.ones(6))["reconstruction"].backward()
    assert [touched(part) for part in network.encoders] == [number == primary for number in range(3)]
    assert [touched(part) for part in network.decoders] == [number == primary for number in range(3)]


def test_the_loss_is_the_mean_error_of_all_showers() -> None:
    network = build()
    always(network, OUTPUTS)
    parts = network.losses([X], torch.tensor([0, 2, 2]), torch.tensor([0.0, 1.0, 1.0]))
    assert set(parts) == {"reconstruction"}
    assert parts["reconstruction"].item() == pytest.approx((0.0 + 9.0 + 1.0) / 3)
    assert network.counts(torch.tensor([0, 2, 2]), torch.tensor([0.0, 1.0, 1.0])) == {}
