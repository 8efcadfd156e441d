"""Fitting a model of traces, on toy events that only their traces tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import models
from cascada.config import TraceAutoencoder, Training
from cascada.training.dataset import Sample
from cascada.training.fit import Fitted, fit
from cascada.training.scaling import fit_scaling
from flows.members import ask
from models.autoencoder import Pass

SPEC = TraceAutoencoder(
    kind="trace", stations=3, bins=16, channels=(4,), kernel=5, station_width=8, hidden=(16,), latent=2, head_hidden=8
)
CONFIG = Training(epochs=8, batch_size=32, learning_rate=0.02, threads=1)
NORMAL = (False, True)


def toy(rows: int, *, seed: int) -> Sample:
    """A feature that tells nothing; normal events have a pulse in bins 2 to 5, the others in bins 8 to 11."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    stations = np.zeros((rows, 3, 19), np.float32)
    stations[:, :, 0] = rng.uniform(500.0, 2000.0, (rows, 3))
    stations[:, :, 1] = rng.uniform(0.0, 360.0, (rows, 3))
    for label, first in ((1, 2), (0, 8)):
        pulse = rng.poisson(4.0, (int((labels == label).sum()), 3, 4))
        stations[labels == label, :, 3 + first : 7 + first] = pulse
    return Sample(rng.standard_normal((rows, 1)).astype(np.float32), labels, np.arange(rows), stations)


def fit_toy(folder: Path) -> Fitted:
    train = toy(400, seed=1)
    torch.manual_seed(3)
    network = models.build(SPEC, features=1, reference=NORMAL)
    return fit(
        network, train, toy(100, seed=2), scaling=fit_scaling(train.features, ("noise",)), reference=NORMAL,
        config=CONFIG, seed=1, folder=folder, progress=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return fit_toy(tmp_path_factory.mktemp("fit"))


def said(fitted: Fitted, sample: Sample) -> Pass:
    return ask(fitted.network, fit_scaling(toy(400, seed=1).features, ("noise",)), sample)


def test_traces_tell_what_features_do_not(fitted: Fitted) -> None:
    fresh = toy(300, seed=4)
    assert (said(fitted, fresh).logits.argmax(dim=1).numpy() == fresh.labels).mean() > 0.97


def test_traces_that_the_decoder_did_not_see_reconstruct_badly(fitted: Fitted) -> None:
    fresh = toy(300, seed=4)
    trace = said(fitted, fresh).residuals[:, 2:].pow(2).mean(dim=1).numpy()
    assert np.median(trace[fresh.labels == 0]) > 2.0 * np.median(trace[fresh.labels == 1])


def test_a_fit_repeats_bit_by_bit(fitted: Fitted, tmp_path: Path) -> None:
    again = fit_toy(tmp_path).network.state_dict()
    assert all(torch.equal(again[name], value) for name, value in fitted.network.state_dict().items())
