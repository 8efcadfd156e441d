"""The variational autoencoder: its divergence, its sampling and its annealing."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

import models
from cascada.config import VariationalAutoencoder

SPEC = VariationalAutoencoder(kind="variational", hidden=(16,), latent=3, head_hidden=8, beta=0.25, warm_up=0.5)
X = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))


def build(spec: VariationalAutoencoder = SPEC) -> models.Autoencoder:
    torch.manual_seed(5)
    return models.build(spec, features=5, reference=(False, True))


def posterior(network: models.Autoencoder) -> Normal:
    hidden = torch.nn.functional.silu(network.encoder(X))
    return Normal(network.mean(hidden), torch.exp(0.5 * network.log_variance(hidden)))


def test_the_penalty_is_the_divergence_from_the_prior() -> None:
    network = build()
    divergence = kl_divergence(posterior(network), Normal(0.0, 1.0)).sum(dim=1)
    assert torch.allclose(network.eval()(X).penalty, 0.25 * divergence / 5, rtol=1e-5)
    assert network(X).penalty.min() > 0


def test_a_posterior_that_is_the_prior_costs_nothing() -> None:
    network = build()
    with torch.no_grad():
        for part in (network.mean, network.log_variance):
            part.weight.zero_()
            part.bias.zero_()
    assert torch.equal(network(X).penalty, torch.zeros(40))


def test_the_loss_is_the_reconstruction_with_the_divergence() -> None:
    network = build().eval()
    said, normal = network(X), torch.arange(40) % 2.0
    expected = ((said.residuals**2).mean(dim=1) + said.penalty)[normal == 1].mean()
    loss = network.losses([X], normal.long(), normal)["reconstruction"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_evaluation_takes_the_mean_and_repeats() -> None:
    network = build().eval()
    assert torch.equal(network(X).latent, posterior(network).mean)
    assert all(torch.equal(a, b) for a, b in zip(network(X), network(X), strict=True))


def test_training_draws_from_the_posterior() -> None:
    network = build()
    draws = network(X.repeat(4000, 1)).latent.reshape(4000, 40, 3)
    expected = posterior(network)
    error = expected.stddev / 4000**0.5
    assert ((draws.mean(dim=0) - expected.mean).abs() < 5 * error).all()
    assert torch.allclose(draws.std(dim=0), expected.stddev, rtol=0.06)


@pytest.mark.parametrize(("share", "beta"), [(0.0, 0.0), (0.1, 0.05), (0.25, 0.125), (0.5, 0.25), (0.9, 0.25)])
def test_beta_rises_in_proportion_until_the_warm_up_is_over(share: float, beta: float) -> None:
    network = build().eval()
    full = network(X).penalty
    network.set_progress(share)
    assert network.beta.item() == pytest.approx(beta)
    assert torch.allclose(network(X).penalty, full * beta / 0.25)


def test_losses_compare_once_the_warm_up_is_over() -> None:
    assert build().settles == SPEC.warm_up


def test_beta_is_no_part_of_the_weights() -> None:
    assert "beta" not in build().state_dict()


def test_a_variance_out_of_bounds_stays_finite() -> None:
    network = build()
    with torch.no_grad():
        network.log_variance.bias.fill_(1e4)
    assert all(bool(torch.isfinite(part).all()) for part in network(X))
