"""What recording costs: a fixed part a run, and a part that grows with the training and with what is logged.

``python -m benchmarks.bench_recording [--runs N] [--metrics N] [--seconds S]``
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
_SIZES = {"usual steps": (512, 512), "tiny steps": (128, 256)}
"""Name to units of the hidden layer and rows of a batch."""

_TRAINING = """
import itertools, statistics, sys, time, torch
from torch.optim import optimizer as optimizers
torch.set_num_threads(1)
torch.manual_seed(1)
seconds, width, size = map(int, sys.argv[1:])
x = torch.randn(16384, 32)
y = x[:, :1].sin()
model = torch.nn.Sequential(torch.nn.Linear(32, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))
optimizer = torch.optim.Adam(model.parameters())
backward, hooks = torch.Tensor.backward, optimizers._global_optimizer_post_hooks
ours = dict(hooks)
assert len(ours) == 1 and hasattr(backward, "__wrapped__"), "this training is not recorded"
batches = itertools.cycle(torch.randperm(16384).split(size))

def watch(recorded):
    torch.Tensor.backward = backward if recorded else backward.__wrapped__
    hooks.clear()
    hooks.update(ours if recorded else {})

def time_a_step(steps):
    start = time.process_time()
    for batch in itertools.islice(batches, steps):
        loss = (model(x[batch]) - y[batch]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.process_time() - start) / steps * 1e6

steps = max(1, int(1e5 / time_a_step(200)))
pairs, end = [], time.monotonic() + seconds
while time.monotonic() < end:
    pair = {}
    for recorded in (False, True) if len(pairs) % 2 else (True, False):
        watch(recorded)
        pair[recorded] = time_a_step(steps)
    pairs.append(pair)
more = sorted(pair[True] - pair[False] for pair in pairs)
reach = 0.98 * len(more) ** 0.5  # ranks of a 95 % interval of the median, by the binomial law
low, high = more[int(len(more) / 2 - reach)], more[int(len(more) / 2 + reach)]
print(statistics.median(pair[False] for pair in pairs), statistics.median(more), low, high, len(pairs))
"""
"""Trains with and without the hooks of the record in turns of a tenth of a second: the speed of a machine, and of one
process against another, moves by more than what is measured."""


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--metrics", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=60, help="of a training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = _project(Path(folder))
        rows = [_row(work, name, options.runs) for name in _SCRIPTS]
        head = ("script", "python, s", "cascada run, s", "more, s", "more CPU, s")
        print(markdown_table(head, rows))
        answer = _timed(["cascada", "run", "metrics.py", "--", str(options.metrics)], work)[2]
        head = ("training", "plain, ms a step", "pairs of turns", "more, µs a step", "more")
        rows = [_training(work, name, options.seconds) for name in _SIZES]
        print(
            f"\nA plain PyTorch training of {options.seconds} s, the hooks of the record on and off in turns of 0.1 s; "
            "CPU time, medians of the differences with 95 % intervals.\n"
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


def _training(work: Path, name: str, seconds: int) -> tuple[str, ...]:
    """Measure what the hooks of a record add to a step."""
    command = ["cascada", "run", "training.py", "--", str(seconds), *map(str, _SIZES[name])]
    plain, more, low, high, pairs = map(float, _timed(command, work)[2].split())
    return (
        name, f"{plain / 1000:.2f}", f"{pairs:.0f}", f"{more:+.1f} [{low:+.1f}, {high:+.1f}]",
        f"{more / plain:+.2%} [{low / plain:+.2%}, {high / plain:+.2%}]",
    )  # fmt: skip


def _timed(command: Sequence[str], work: Path) -> tuple[float, float, str]:
    """Run a command; returns wall time and its own processes' CPU time in s, and what it printed."""
    # The copy in MLflow is made after the run by a process that nobody waits for; here it finds no server and ends.
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # One hash seed for both ways: from seed to seed, the layout of dicts alone moves a loop by some percent.
    # Memory that is given back to the kernel and taken again moves a step by more than what is measured.
    keeping = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "30000000"}
    fixed = {"PATH": paths, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "PYTHONHASHSEED": "0"}
    environment = {**os.environ, **fixed, **keeping}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    answer = subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, answer.stdout


if __name__ == "__main__":
    main()
