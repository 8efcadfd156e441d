"""Fitting, on toy showers of three classes that anything that learns can tell apart."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys import toy

import models
from cascada.config import DeepAutoencoder, Training
from cascada.errors import InvalidDataError, PlatformError
from cascada.jobs.tracing import traced
from cascada.repro.trace import Trace, first_divergence, read_trace
from cascada.training.batches import Batches
from cascada.training.dataset import Sample
from cascada.training.determinism import determinism_flags
from cascada.training.fit import AutoencoderTask, Fitted, fit
from cascada.training.scaling import fit_scaling

NAMES = ("a", "b", "c")
NORMAL = (False, True, True)
SPEC = DeepAutoencoder(kind="deep", hidden=(16,), latent=2, head_hidden=16)
CONFIG = Training(epochs=6, batch_size=64, learning_rate=0.02, threads=1)


def fit_toy(
    folder: Path, *, seed: int = 1, config: Training = CONFIG, built: nn.Module | None = None, resume: bool = False
) -> Fitted:
    train = toy(700, seed=1)
    return fit(
        built or network(), train, toy(150, seed=2), scaling=fit_scaling(train.features, NAMES), reference=NORMAL,
        config=config, seed=seed, folder=folder, progress=False, resume=resume,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return fit_toy(tmp_path_factory.mktemp("fit"))


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether weights are equal bit by bit."""
    weights = other.state_dict()
    return all(torch.equal(weights[name], value) for name, value in one.state_dict().items())


def predict(fitted: Fitted, sample: Sample) -> tuple[Tensor, Tensor]:
    """Reconstruction errors and predicted classes."""
    x = torch.tensor(fit_scaling(toy(700, seed=1).features, NAMES).apply(sample.features))
    with torch.no_grad():
        said = fitted.network(x)
    return said.error, said.logits.argmax(dim=1)


def traced_fit(folder: Path, *, seed: int = 1) -> tuple[Fitted, Trace]:
    folder.mkdir()
    with traced(folder / "trace.jsonl", every=10):
        fitted = fit_toy(folder, seed=seed)
    return fitted, read_trace(folder)


def test_a_trace_changes_no_bit_and_tells_seeds_apart(tmp_path: Path, fitted: Fitted) -> None:
    (one, trace), (_, again), (_, other) = (traced_fit(tmp_path / str(n), seed=s) for n, s in enumerate((1, 1, 2)))
    assert same(one.network, fitted.network)
    assert first_divergence(trace, again) is None
    assert len(trace.steps) == 700 // 64 * CONFIG.epochs
    assert {"ids", "batch", "initial", "gradients", "weights"} <= trace.steps[0].keys()
    assert sum("ids" in step for step in trace.steps) == CONFIG.epochs, "batches are numbered a group at a time"
    found = first_divergence(trace, other)
    assert found is not None
    assert (found.step, found.part) == (0, "ids")


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
    assert again.history == fitted.history
    assert same(again.network, fitted.network)
    assert not same(other.network, fitted.network)


def test_random_numbers_of_a_fit_come_from_its_seed_alone(tmp_path: Path) -> None:
    one, other = noisy(), noisy()
    first = fit_toy(tmp_path / "one", built=one)
    torch.manual_seed(99)
    again = fit_toy(tmp_path / "other", built=other)
    assert again.history == first.history


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


def changed(**training: Any) -> Training:
    return CONFIG.model_copy(update=training)


NOISY = SPEC.model_copy(update={"dropout": 0.2})


def noisy() -> models.Autoencoder:
    torch.manual_seed(3)
    return models.build(NOISY, features=3, reference=NORMAL)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_results_do_not_depend_on_the_size_of_the_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, precision: str
) -> None:
    config = changed(precision=precision, epochs=2)
    whole = fit_toy(tmp_path / "whole", config=config, built=noisy())
    for rows in (1, 200):
        monkeypatch.setattr("cascada.training.fit.Batches", partial(Batches, group_rows=rows))
        parts = fit_toy(tmp_path / str(rows), config=config, built=noisy())
        assert parts.history == whole.history
        assert same(parts.network, whole.network)


def test_validation_losses_are_those_of_the_partition_in_one_batch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cascada.training.fit.VALIDATION_BATCHES", 1)  # 32 + 32 + ... + 22 showers
    fitted = fit_toy(tmp_path, config=changed(batch_size=32, epochs=2))
    scaling, held_out = fit_scaling(toy(700, seed=1).features, NAMES), toy(150, seed=2)
    with torch.no_grad():
        x, label = torch.tensor(scaling.apply(held_out.features)), torch.tensor(held_out.labels)
        parts = task(fitted.network).losses(x, label)
    for name, value in parts.items():
        assert fitted.history[-1][f"validation_{name}"] == pytest.approx(float(value), rel=1e-5)


def test_a_fit_in_bf16_learns_as_well_and_gives_float32(tmp_path: Path, fitted: Fitted) -> None:
    half = fit_toy(tmp_path, config=changed(precision="bf16"))
    assert {parameter.dtype for parameter in half.network.parameters()} == {torch.float32}
    assert not same(half.network, fitted.network), "nothing was computed in bf16"
    fresh = toy(900, seed=4)
    assert (predict(half, fresh)[1].numpy() == fresh.labels).mean() > 0.95
    assert half.history[-1]["validation_loss"] == pytest.approx(fitted.history[-1]["validation_loss"], rel=0.1)


def test_in_two_steps_the_head_is_fitted_on_a_latent_space_that_stays(tmp_path: Path) -> None:
    config = changed(head="two_step")
    built = noisy()
    seen: list[bool] = []
    built.encoder.register_forward_hook(lambda part, _, __: seen.append(part.training))
    first = {name: value.clone() for name, value in built.head.state_dict().items()}
    whole = fit_toy(tmp_path, config=config, built=built)
    assert len(whole.history) == 2 * CONFIG.epochs
    # 10 batches of 700 showers and one group of validation an epoch, and one validation before a stage
    steps, stage = 10, CONFIG.epochs * 11 + 1
    assert len(seen) == 2 * stage
    assert sum(seen[:stage]) == CONFIG.epochs * steps
    assert not any(seen[stage:]), "denoising and dropout would blur the latent space"
    assert all(parameter.requires_grad for parameter in whole.network.parameters())
    assert not any(torch.equal(first[name], value) for name, value in whole.network.head.state_dict().items())
    reconstruction = [row["validation_reconstruction"] for row in whole.history]
    assert reconstruction[CONFIG.epochs :] == [reconstruction[CONFIG.epochs - 1]] * CONFIG.epochs
    assert len({row["validation_cross_entropy"] for row in whole.history[CONFIG.epochs :]}) == CONFIG.epochs
    fresh = toy(900, seed=4)
    assert (predict(whole, fresh)[1].numpy() == fresh.labels).mean() > 0.9


class Unsteady(models.Autoencoder):
    """A network whose weights are spoilt when so many shares of a fit are done."""

    def __init__(self, spoilt: dict[float, float]) -> None:
        super().__init__()
        self.inner, self.spoilt, self.head = network(), spoilt, nn.Identity()

    def forward(self, x: Tensor) -> models.Pass:  # type: ignore[override]
        said: models.Pass = self.inner(x)
        return said

    def set_progress(self, share: float) -> None:
        with torch.no_grad():
            for parameter in self.inner.parameters():
                parameter.mul_(self.spoilt.get(round(share, 3), 1.0))


@pytest.mark.parametrize("factor", [math.nan, math.inf, 1e3])
def test_when_the_loss_runs_away_the_best_epoch_before_is_what_a_fit_gives(tmp_path: Path, factor: float) -> None:
    fitted = fit_toy(tmp_path / "long", built=Unsteady({0.5: factor}))
    assert fitted.stopped == ("the loss ran away in epoch 4; the weights of epoch 3 are kept",)
    assert len(fitted.history) == 4
    assert all(bool(torch.isfinite(value).all()) for value in fitted.network.state_dict().values())
    fresh = toy(900, seed=4)
    assert (predict(fitted, fresh)[1].numpy() == fresh.labels).mean() > 0.9


def test_a_loss_that_runs_away_at_once_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match="ran away") as caught:
        fit_toy(tmp_path, config=changed(learning_rate=1e30))
    assert "learning_rate" in caught.value.hint


def test_patience_ends_a_fit_and_its_best_epoch_is_kept(tmp_path: Path) -> None:
    config = changed(epochs=10, patience=2, learning_rate=1e-6)
    built = Unsteady({0.3: 1.5})
    fitted = fit_toy(tmp_path, config=config, built=built)
    losses = [row["validation_loss"] for row in fitted.history]
    assert len(losses) == 5
    assert fitted.stopped == ("the validation loss has not fallen for 2 epochs; the weights of epoch 3 are kept",)
    with torch.no_grad():
        scaling, held_out = fit_scaling(toy(700, seed=1).features, NAMES), toy(150, seed=2)
        x, label = torch.tensor(scaling.apply(held_out.features)), torch.tensor(held_out.labels)
        assert float(task(fitted.network).losses(x, label)["loss"]) == pytest.approx(losses[2], rel=1e-5)


class Hungry(models.Autoencoder):
    """A network that no GPU has the memory for."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> models.Pass:  # type: ignore[override]
        if self.training:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        said: models.Pass = self.inner(x)
        return said


def test_out_of_memory_names_a_batch_size_to_try(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="memory of the GPU is too small") as caught:
        fit_toy(tmp_path, built=Hungry())
    assert "training.batch_size=32" in caught.value.hint
    assert "batches of 64" in caught.value.where
    assert "2.00 GiB" in caught.value.got


def test_flags_tell_what_the_bits_depend_on(fitted: Fitted) -> None:
    flags = determinism_flags()
    assert flags["threads"] == CONFIG.threads
    assert flags["deterministic_algorithms"] is True
    assert flags["torch"] == torch.__version__
