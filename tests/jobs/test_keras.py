"""Keras 3 leaves parameters and metrics in the record, on each backend that is installed; seeds hold for it, too."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from pathlib import Path

import pytest
from repositories import repository

from cascada.jobs.execute import execute
from cascada.repro.record import RunRecord

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not in this environment", allow_module_level=True)

SCRIPT = """
import keras, numpy as np
rng = np.random.default_rng(1)
X = rng.normal(size=(64, 3)).astype("float32"); y = X[:, :1] * 2
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.125, momentum=0.5), loss="mse", metrics=["mae"])
history = model.fit(X, y, epochs=3, batch_size=16, validation_split=0.25, verbose=0).history
loss, mae = model.evaluate(X, y, verbose=0)
print(*history["val_loss"], loss, mae)
"""


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_keras(tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not in this environment")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    root = repository(tmp_path / "work", {"train.py": SCRIPT})
    first, again = (
        execute("train.py", cwd=root, record_folder=root / ".cascada" / "runs" / name, environment=environment)
        for name, environment in (("a", {"KERAS_BACKEND": backend}), ("b", {"KERAS_BACKEND": backend}))
    )
    assert first.manifest.status == "finished", first.log.read_text()
    *validation, loss, mae = map(float, first.log.read_text().splitlines()[-1].split())
    params, metrics = first.parameters(), series(first)
    assert (params["SGD.learning_rate"], params["SGD.momentum"]) == (0.125, 0.5)
    assert (params["Sequential.epochs"], params["Sequential.parameters"], params["Sequential.loss"]) == (3, 21, "mse")
    assert metrics["val_loss"] == list(enumerate(validation))
    assert [step for step, _ in metrics["mae"]] == [0, 1, 2]
    assert (metrics["evaluate.loss"], metrics["evaluate.mae"]) == ([(0, loss)], [(0, mae)])
    assert again.manifest.assessment["metrics_sha256"] == first.manifest.assessment["metrics_sha256"]


def series(record: RunRecord) -> dict[str, list[tuple[int, float]]]:
    found = defaultdict(list)
    for point in record.metrics():
        found[point.name].append((point.step, point.value))
    return dict(found)
