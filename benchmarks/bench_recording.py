"""What recording costs: a fixed part a run, and a part that grows with the training and with what is logged.

``python -m benchmarks.bench_recording [--runs N] [--metrics N] [--seconds S] [--pairs N]``
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measures import markdown_table

_SCRIPTS = {
    "nothing": "pass\n",
    "NumPy": "import numpy as np\nnp.random.rand(10)\n",
    "scikit-learn, one fit": (
        "import numpy as np\nfrom sklearn.linear_model import LogisticRegression\n"
        "X = np.random.rand(100, 3)\nLogisticRegression().fit(X, X[:, 0] > 0.5)\n"
    ),
}
_METRICS = """
import sys, time
from cascada import log_metrics
count = int(sys.argv[1])
start = time.perf_counter()
for step in range(count):
    log_metrics({"loss": 0.5 * step}, step)
print((time.perf_counter() - start) / count * 1e6)
"""
_SIZES = {"usual steps": (1024, 1024), "tiny steps": (128, 256)}
"""Name to units of the hidden layer and rows of a batch."""

_TRAINING = """
import sys, time, torch
torch.set_num_threads(1)
torch.manual_seed(1)
x = torch.randn(16384, 32)
y = x[:, :1].sin()
epochs, width, size = map(int, sys.argv[1:])
model = torch.nn.Sequential(torch.nn.Linear(32, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))
optimizer = torch.optim.Adam(model.parameters())
start, clock = time.process_time(), time.perf_counter()
for epoch in range(epochs):
    for batch in torch.randperm(16384).split(size):
        loss = (model(x[batch]) - y[batch]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(time.process_time() - start, time.perf_counter() - clock)
"""


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--metrics", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the training")
    parser.add_argument("--pairs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = _project(Path(folder))
        rows = [_row(work, name, options.runs) for name in _SCRIPTS]
        head = ("script", "python, s", "cascada run, s", "more, s", "more CPU, s")
        print(markdown_table(head, rows))
        answer = _timed(["cascada", "run", "metrics.py", "--", str(options.metrics)], work)[2]
        head = ("training", "s", "ms a step", "more CPU", "more wall time")
        rows = [_training(work, name, options.seconds, options.pairs) for name in _SIZES]
        print(
            f"\nThe loop of a plain PyTorch training, alone and recorded by turns; medians of {options.pairs} pairs.\n"
        )
        print(markdown_table(head, rows))
        print(f"\nOne metric: {float(answer):.1f} µs, so 10,000 a second take {float(answer):.1f} % of one core.")


def _project(folder: Path) -> Path:
    for index, text in enumerate(_SCRIPTS.values()):
        (folder / f"script{index}.py").write_text(text)
    (folder / "metrics.py").write_text(_METRICS)
    (folder / "training.py").write_text(_TRAINING)
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "start")):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return folder


def _row(work: Path, name: str, runs: int) -> tuple[str, ...]:
    script = f"script{list(_SCRIPTS).index(name)}.py"
    pairs = [(_timed([sys.executable, script], work), _timed(["cascada", "run", script], work)) for _ in range(runs)]
    plain, recorded = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    cpu = statistics.median(pair[1][1] - pair[0][1] for pair in pairs)
    return name, f"{plain:.2f}", f"{recorded:.2f}", f"{recorded - plain:.2f}", f"{cpu:.2f}"


def _training(work: Path, name: str, seconds: float, pairs: int) -> tuple[str, ...]:
    """Compare the loop of one training alone and recorded, by turns: what a record costs beyond its fixed part."""
    width, size = _SIZES[name]
    took = float(_timed([sys.executable, "training.py", "4", str(width), str(size)], work)[2].split()[1])
    epochs = max(1, round(4 * seconds / took))
    words = [str(epochs), str(width), str(size)]
    ways = ([sys.executable, "training.py", *words], ["cascada", "run", "training.py", "--", *words])
    loops = [[tuple(map(float, _timed(way, work)[2].split())) for way in ways] for _ in range(pairs)]
    cpu, wall = (statistics.median(pair[1][unit] / pair[0][unit] - 1 for pair in loops) for unit in (0, 1))
    plain = statistics.median(pair[0][1] for pair in loops)
    step = plain / (epochs * 16384 / size) * 1000
    return name, f"{plain:.0f}", f"{step:.2f}", f"{cpu:+.2%}", f"{wall:+.2%}"


def _timed(command: Sequence[str], work: Path) -> tuple[float, float, str]:
    """Run a command; returns wall time and its own processes' CPU time in s, and what it printed."""
    # The copy in MLflow is made after the run by a process that nobody waits for; here it finds no server and ends.
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # One hash seed for both ways: from seed to seed, the layout of dicts alone moves a loop by some percent.
    environment = {**os.environ, "PATH": paths, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "PYTHONHASHSEED": "0"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    answer = subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, answer.stdout


if __name__ == "__main__":
    main()
