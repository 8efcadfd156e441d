"""What a trace costs: steps of the same training with and without one, in turn, in one process.

``infra/bench.sh trace [--rounds N] [--steps N]``
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import chain, islice, repeat
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.measures import markdown_table
from cascada.jobs.tracing import DEFAULT_EVERY, traced

BATCH = 1024


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(  # noqa: T201
        f"A perceptron, batches of {BATCH} from a DataLoader, Adam, one thread; {options.rounds} rounds of "
        f"{options.steps} steps without and with a trace, in turn. CPU time, medians of the differences of rounds; "
        "what a trace costs once, at an optimizer's first step, stands apart.\n"
    )
    rows = [_row(width, every, options) for width, every in ((304, DEFAULT_EVERY), (304, 1))]
    head = ("parameters", "hashed every", "plain, ms a step", "more, µs a step", "more", "once, ms", "bytes a step")
    print(markdown_table(head, rows))  # noqa: T201


def _row(width: int, every: int, options: argparse.Namespace) -> tuple[str, ...]:
    parameters, train = _training(width)
    train(options.steps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        rounds = [_round(train, options.steps, path, every) for _ in range(options.rounds)]
        size = path.stat().st_size / (options.rounds * (options.steps + 1))
    plain, more, once = (statistics.median(column) for column in zip(*rounds, strict=True))
    return (
        f"{parameters:,}", f"{every} steps" if every > 1 else "step", f"{1e3 * plain:.2f}", f"{1e6 * more:.0f}",
        f"{100 * more / plain:.2f} %", f"{1e3 * once:.0f}", f"{size:.0f}",
    )  # fmt: skip


def _round(train: Callable[[int], None], steps: int, path: Path, every: int) -> tuple[float, float, float]:
    """Measure a plain step, what a trace adds to it, and what it costs once; s."""
    plain, plain_first = _timed(train, steps, None, every), _timed(train, 1, None, every)
    whole, first = _timed(train, steps, path, every), _timed(train, 1, path, every)
    more = ((whole - first) - (plain - plain_first)) / (steps - 1)
    return plain / steps, more, first - plain_first - more


def _training(width: int) -> tuple[int, Callable[[int], None]]:
    """Make a network and a function that takes some steps with it."""
    generator = torch.Generator().manual_seed(1)
    data = TensorDataset(torch.randn(32 * BATCH, 64, generator=generator))
    hidden = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    network = nn.Sequential(*hidden, nn.Linear(width, 1))
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, generator=generator)

    def train(steps: int) -> None:
        for (x,) in islice(chain.from_iterable(repeat(loader)), steps):
            adam.zero_grad()
            loss = (network(x) - x.sum(dim=1, keepdim=True)).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()

    return sum(parameter.numel() for parameter in network.parameters()), train


def _timed(train: Callable[[int], None], steps: int, path: Path | None, every: int) -> float:
    """Time steps on the CPU, the first and last lines of a trace included."""
    start = time.process_time()
    with traced(path, every=every) if path else nullcontext():
        train(steps)
    return time.process_time() - start


if __name__ == "__main__":
    main()
