"""Keras 3 and TensorFlow leave parameters and metrics in the record; seeds hold for them, too."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from environments import environment
from repositories import repository

from cascada.jobs.execute import execute
from cascada.repro.record import RunRecord

pytestmark = pytest.mark.slow

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


TAPE = """
import tensorflow as tf
X = tf.random.normal((64, 3)); y = X[:, :1] * 2
weights = tf.Variable(tf.zeros((3, 1)))
optimizer = tf.keras.optimizers.SGD(learning_rate=0.125)
for step in range(5):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((X @ weights - y) ** 2)
    print(float(loss))
    optimizer.apply_gradients(zip(tape.gradient(loss, [weights]), [weights]))
"""


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_keras(tmp_path: Path, backend: str) -> None:
    first, again = (run(tmp_path, SCRIPT, name, KERAS_BACKEND=backend) for name in ("a", "b"))
    *validation, loss, mae = map(float, first.log.read_text().splitlines()[-1].split())
    params, metrics = first.parameters(), series(first)
    assert (params["SGD.learning_rate"], params["SGD.momentum"]) == (0.125, 0.5)
    assert (params["Sequential.epochs"], params["Sequential.parameters"], params["Sequential.loss"]) == (3, 21, "mse")
    assert metrics["val_loss"] == list(enumerate(validation))
    assert [step for step, _ in metrics["mae"]] == [0, 1, 2]
    assert (metrics["evaluate.loss"], metrics["evaluate.mae"]) == ([(0, loss)], [(0, mae)])
    assert "SGD.steps" not in metrics, "a fit is not watched a second time as a loop"
    assert again.manifest.assessment["metrics_sha256"] == first.manifest.assessment["metrics_sha256"]


def test_a_plain_tensorflow_loop(tmp_path: Path) -> None:
    first, again = (run(tmp_path, TAPE, name) for name in ("a", "b"))
    losses = [float(line) for line in first.log.read_text().splitlines()[-5:]]
    assert losses == sorted(losses, reverse=True)
    metrics = series(first)
    assert metrics["loss"] == list(enumerate(losses))
    assert metrics["SGD.steps"] == [(0, 5.0)]
    assert first.parameters()["SGD.learning_rate"] == 0.125
    assert again.manifest.assessment["metrics_sha256"] == first.manifest.assessment["metrics_sha256"]


def run(folder: Path, script: str, name: str, **variables: str) -> RunRecord:
    root = folder / "work"
    if not root.exists():
        repository(root, {"train.py": script})
    record = execute(
        "train.py", cwd=root, record_folder=root / ".cascada" / "runs" / name,
        python=environment("frameworks", "beside"), environment={"TF_CPP_MIN_LOG_LEVEL": "3"} | variables,
    )  # fmt: skip
    assert record.manifest.status == "finished", record.log.read_text()
    assert "not recorded" not in record.log.read_text()
    return record


def series(record: RunRecord) -> dict[str, list[tuple[int, float]]]:
    found = defaultdict(list)
    for point in record.metrics():
        found[point.name].append((point.step, point.value))
    return dict(found)
