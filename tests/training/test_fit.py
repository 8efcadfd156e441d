"""Fitting, on toy showers of three classes that anything that learns can tell apart."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import models
from cascada.config import DeepAutoencoder, Training
from cascada.training.dataset import Sample
from cascada.training.fit import AutoencoderTask, Fitted, fit
from cascada.training.scaling import fit_scaling

NAMES = ("a", "b", "c")
NORMAL = (False, True, True)
SPEC = DeepAutoencoder(kind="deep", hidden=(16,), latent=2, head_hidden=16)
CONFIG = Training(epochs=6, batch_size=64, learning_rate=0.02, threads=1)


def toy(rows: int, *, seed: int) -> Sample:
    """Three unit Gaussians, 6 * sqrt(2) apart, on three axes with units of their own."""
    labels = np.arange(rows) % 3
    features = 6.0 * np.eye(3)[labels] + np.random.default_rng(seed).standard_normal((rows, 3))
    return Sample((features * [1.0, 100.0, 0.01] + [0.0, 5e3, 2.0]).astype(np.float32), labels, np.arange(rows))


def fit_toy(folder: Path, *, seed: int = 1, config: Training = CONFIG, reference: tuple[bool, ...] = NORMAL) -> Fitted:
    train = toy(700, seed=1)
    torch.manual_seed(3)
    return fit(
        models.build(SPEC, features=3, reference=NORMAL), train, toy(150, seed=2),
        scaling=fit_scaling(train.features, NAMES),
        reference=reference, config=config, seed=seed, folder=folder, progress=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return fit_toy(tmp_path_factory.mktemp("fit"))


def predict(fitted: Fitted, sample: Sample) -> tuple[Tensor, Tensor]:
    """Reconstruction errors and predicted classes."""
    x = torch.tensor(fit_scaling(toy(700, seed=1).features, NAMES).apply(sample.features))
    with torch.no_grad():
        said = fitted.network(x)
    return said.error, said.logits.argmax(dim=1)


def test_separable_classes_are_told_apart(fitted: Fitted) -> None:
    fresh = toy(900, seed=4)
    assert (predict(fitted, fresh)[1].numpy() == fresh.labels).mean() > 0.95


def test_the_class_that_the_decoder_did_not_see_reconstructs_badly(fitted: Fitted) -> None:
    fresh = toy(900, seed=4)
    error = predict(fitted, fresh)[0].numpy()
    assert np.median(error[fresh.labels == 0]) > 2 * np.median(error[fresh.labels != 0])


def test_the_history_has_a_row_an_epoch(fitted: Fitted) -> None:
    assert len(fitted.history) == CONFIG.epochs
    parts = ("loss", "cross_entropy", "reconstruction")
    for row in fitted.history:
        assert set(row) == {f"{partition}_{part}" for partition in ("train", "validation") for part in parts}
        assert all(math.isfinite(value) for value in row.values())
        for partition in ("train", "validation"):
            whole, *summands = (row[f"{partition}_{part}"] for part in parts)
            assert whole == pytest.approx(sum(summands), rel=1e-5)
    assert fitted.history[-1]["validation_loss"] < 0.5 * fitted.history[0]["train_loss"]


def test_train_losses_are_means_over_the_batches(tmp_path: Path) -> None:
    idle = CONFIG.model_copy(update={"learning_rate": 1e-12, "epochs": 2})
    for row in fit_toy(tmp_path, config=idle).history:
        assert row["train_cross_entropy"] == pytest.approx(row["validation_cross_entropy"], rel=0.05)


def test_a_fit_repeats_bit_by_bit(fitted: Fitted, tmp_path: Path) -> None:
    again, other = fit_toy(tmp_path), fit_toy(tmp_path, seed=2)
    weights = fitted.network.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in again.network.state_dict().items())
    assert again.history == fitted.history
    assert not all(torch.equal(weights[name], value) for name, value in other.network.state_dict().items())


def test_the_network_comes_back_ready_to_predict(fitted: Fitted) -> None:
    assert not fitted.network.training
    assert all(parameter.device.type == "cpu" for parameter in fitted.network.parameters())


def network() -> models.Autoencoder:
    torch.manual_seed(3)
    return models.build(SPEC, features=3, reference=NORMAL)


def task(built: nn.Module, weight: float = 1.0) -> AutoencoderTask:
    return AutoencoderTask(built, torch.tensor(NORMAL), Training(reconstruction_weight=weight))


def norm(part: nn.Module) -> float:
    return sum(float(p.grad.abs().sum()) for p in part.parameters() if p.grad is not None)


def test_rows_outside_the_reference_do_not_teach_the_decoder() -> None:
    x = torch.randn(6, 3, requires_grad=True)
    label = torch.tensor([0, 1, 2, 0, 1, 0])
    task(network()).losses(x, label)["reconstruction"].backward()
    assert x.grad is not None
    taught = x.grad.abs().sum(dim=1) > 0
    assert taught.tolist() == [False, True, True, False, True, False]


def test_the_reconstruction_loss_is_the_mean_over_the_reference_rows() -> None:
    x, label = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 0])
    built = network()
    both, chosen = (task(built).losses(x[rows], label[rows]) for rows in (label >= 0, label > 0))
    assert both["reconstruction"].item() == pytest.approx(chosen["reconstruction"].item(), rel=1e-6)
    residuals = built(x[label > 0]).residuals
    assert both["reconstruction"].item() == pytest.approx((residuals**2).mean().item())


def test_a_batch_without_reference_rows_teaches_the_head_alone() -> None:
    built = network()
    parts = task(built).losses(torch.randn(4, 3), torch.zeros(4, dtype=torch.int64))
    parts["loss"].backward()
    assert parts["reconstruction"].item() == 0.0
    assert norm(built.decoder) == 0.0
    assert norm(built.encoder) > 0.0
    assert norm(built.head) > 0.0


@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0])
def test_the_loss_weighs_its_parts(weight: float) -> None:
    parts = task(network(), weight).losses(torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0]))
    expected = parts["cross_entropy"] + weight * parts["reconstruction"]
    assert parts["loss"].item() == pytest.approx(expected.item())
