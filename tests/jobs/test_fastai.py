"""fastai leaves parameters and its table of metrics in the record."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from environments import environment
from repositories import repository

from cascada.jobs.execute import execute

pytestmark = pytest.mark.slow

SCRIPT = """
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.losses import MSELossFlat
from fastai.metrics import mae
torch.set_num_threads(1)
X = torch.linspace(-1, 1, 64)[:, None]; data = list(zip(X, 2 * X))
loaders = DataLoaders(DataLoader(data, bs=16), DataLoader(data, bs=16))
learner = Learner(loaders, torch.nn.Linear(1, 1), loss_func=MSELossFlat(), metrics=mae, lr=0.125)
import fastai.callback.progress
with learner.no_bar(), learner.no_logging():
    learner.fit(2)
    rows = list(learner.recorder.values)
    learner.fit(1, lr=0.25)
    rows += learner.recorder.values
open("rows.txt", "w").write("\\n".join(" ".join(map(repr, row)) for row in rows))
"""


def test_fastai(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"train.py": SCRIPT})
    python = environment("frameworks", "beside")
    record = execute("train.py", cwd=root, record_folder=root / ".cascada" / "runs" / "a", python=python)
    assert record.manifest.status == "finished", record.log.read_text()
    rows = [list(map(float, line.split())) for line in (root / "rows.txt").read_text().splitlines()]
    found = defaultdict(list)
    for point in record.metrics():
        found[point.name].append((point.step, point.value))
    assert len(rows) == 3
    for name, column in zip(("train_loss", "valid_loss", "mae"), zip(*rows, strict=True), strict=True):
        assert found[name] == list(enumerate(column))
    params = record.parameters()
    assert (params["Learner.n_epoch"], params["Learner.lr"], params["Learner.optimizer"]) == (2, 0.125, "Adam")
    assert (params["Learner_2.n_epoch"], params["Learner_2.lr"]) == (1, 0.25)
    assert "loss" not in found
