"""The simple autoencoder: its formula, and each option of the forerunner's on its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import models
from cascada.config import SimpleAutoencoder

NORMAL = (False, True, True)
X = torch.tensor([[0.5, -1.0, 2.0, 0.0], [1.5, 0.3, -0.7, 1.0]])
LABEL = torch.tensor([1, 2])


def build(**options: Any) -> models.Autoencoder:
    torch.manual_seed(5)
    spec = SimpleAutoencoder.model_validate({"kind": "simple", "latent": 3, "head_hidden": 6} | options)
    return models.build(spec, features=4, reference=NORMAL)


def losses(network: models.Autoencoder, x: Tensor = X) -> dict[str, Tensor]:
    return network.losses([x], LABEL, torch.ones(2))


def set_matrix(network: models.Autoencoder, matrix: Tensor) -> None:
    with torch.no_grad():
        network.encoder.weight.copy_(matrix)


@pytest.mark.parametrize("unit_norm", [False, True])
def test_tied_weights_are_the_transpose(unit_norm: bool) -> None:
    network = build(tied=True, unit_norm=unit_norm).eval()
    weight = network.encoder.weight
    matrix = weight / weight.norm(dim=1, keepdim=True) if unit_norm else weight
    hidden = functional.selu(X @ matrix.T + network.encoder.bias)
    said = network(X)
    assert torch.allclose(said.latent, hidden, atol=1e-6)
    assert torch.allclose(said.residuals + X, hidden @ matrix + network.offset, atol=1e-6)
    assert torch.equal(said.penalty, torch.zeros(2))


def test_tied_weights_are_one_parameter_and_untied_ones_two() -> None:
    shapes = {tied: [tuple(p.shape) for p in build(tied=tied).parameters()] for tied in (True, False)}
    assert shapes[True].count((4, 3)) == 0
    assert shapes[False].count((4, 3)) == 1
    untied = build(tied=False).eval()
    said = untied(X)
    assert torch.allclose(said.residuals + X, untied.decoder(said.latent))


def test_unit_norm_makes_the_length_of_the_weights_irrelevant() -> None:
    network = build(unit_norm=True).eval()
    before = network(X)
    assert torch.allclose(network.matrix.norm(dim=1), torch.ones(3))
    set_matrix(network, 7.0 * network.encoder.weight)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(network(X), before, strict=True))


def test_without_unit_norm_the_matrix_is_the_weights() -> None:
    network = build()
    assert torch.equal(network.matrix, network.encoder.weight)


def test_denoising_hides_its_share_of_the_inputs_and_asks_for_the_whole() -> None:
    network = build(denoising=0.3)
    seen: list[Tensor] = []
    kept = functional.linear

    def watch(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        seen.append(x)
        return kept(x, weight, bias)

    x = torch.ones(2000, 4)
    functional.linear = watch
    try:
        said = network(x)
    finally:
        functional.linear = kept
    hidden = seen[0] == 0.0
    assert hidden.float().mean().item() == pytest.approx(0.3, abs=5 * (0.3 * 0.7 / 8000) ** 0.5)
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    decoded = functional.linear(said.latent, network.matrix.T, network.offset)
    assert torch.allclose(said.residuals, decoded - x, atol=1e-6), "the target is the whole shower"


def test_denoising_is_for_training_alone() -> None:
    network, plain = build(denoising=0.5).eval(), build(denoising=0.0).eval()
    assert torch.equal(network(X).latent, plain(X).latent)
    assert not torch.equal(network.train()(X).latent, plain(X).latent)


def test_orthonormal_rows_cost_nothing() -> None:
    network = build(orthogonality=2.0)
    set_matrix(network, torch.linalg.qr(torch.randn(4, 3)).Q.T)
    assert losses(network)["orthogonality"].item() == pytest.approx(0.0, abs=1e-10)


def test_the_orthogonality_of_a_matrix_worked_by_hand() -> None:
    network = build(orthogonality=0.5)
    set_matrix(network, torch.tensor([[2.0, 0, 0, 0], [1.0, 1.0, 0, 0], [0, 0, 0, 1.0]]))
    # W W' = [[4, 2, 0], [2, 2, 0], [0, 0, 1]]; minus 1: squares 9 + 4 + 4 + 1 = 18
    assert losses(network)["orthogonality"].item() == pytest.approx(0.5 * 18.0)


def test_with_unit_norm_the_orthogonality_is_that_of_the_directions() -> None:
    network = build(orthogonality=1.0, unit_norm=True)
    set_matrix(network, torch.tensor([[2.0, 0, 0, 0], [3.0, 3.0, 0, 0], [0, 0, 0, 5.0]]))
    assert losses(network)["orthogonality"].item() == pytest.approx(2 * 0.5)  # twice cos^2 of 45 degrees


def test_without_its_weight_there_is_no_orthogonality() -> None:
    assert set(losses(build())) == {"cross_entropy", "reconstruction"}


def test_the_head_alone_leads_from_the_latent_space_to_the_logits() -> None:
    network = build().eval()
    said = network(X)
    assert isinstance(network.head, nn.Module)
    assert torch.equal(network.head(said.latent), said.logits)
