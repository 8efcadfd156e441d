"""What a trace costs: steps of the same training with and without one, in turn, in one process.

``infra/bench.sh trace [--rounds N] [--steps N]``
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.measures import markdown_table
from cascada.jobs.tracing import DEFAULT_EVERY, samples, traced
from cascada.jobs.tracing.tracer import Tracer

BATCH = 1024
_SIZES = ((304, DEFAULT_EVERY), (304, 1), (768, DEFAULT_EVERY))
"""Units of a hidden layer, and steps between two hashes of the weights."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    print(  # noqa: T201
        f"A perceptron, batches of {BATCH} from a DataLoader, Adam, one thread; {options.rounds} rounds of "
        f"{options.steps} steps without and with a trace, in turn. `inside`: time in the trace's own functions; "
        "`more`: CPU time, medians of the differences of rounds with 95 % intervals. What a trace costs once, at an "
        "optimizer's first step, stands apart.\n"
    )
    rows = [_row(width, every, options) for width, every in _SIZES]
    head = (
        "parameters", "hashed every", "plain, ms a step", "inside, µs a step", "inside", "more, µs a step", "more",
        "once, ms", "bytes a step",
    )  # fmt: skip
    print(markdown_table(head, rows))  # noqa: T201


def keep_memory() -> None:
    """Keep what was freed: memory that goes back to the kernel and comes again takes more than what is measured."""
    libc = ctypes.CDLL(None)
    libc.mallopt(-1, 10**9)  # M_TRIM_THRESHOLD
    libc.mallopt(-3, 3 * 10**7)  # M_MMAP_THRESHOLD


def _row(width: int, every: int, options: argparse.Namespace) -> tuple[str, ...]:
    parameters, train = _training(width)
    train(options.steps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        rounds = [_round(train, options.steps, path, every) for _ in range(options.rounds)]
        apart = path.with_suffix(".inside")
        inside = statistics.median(_inside(train, options.steps, apart, every) for _ in range(5))
        size = path.stat().st_size / (options.rounds * (options.steps + 1))
    plain, more, once = (statistics.median(column) for column in zip(*rounds, strict=True))
    low, high = interval([one[1] for one in rounds])
    return (
        f"{parameters:,}", f"{every} steps" if every > 1 else "step", f"{1e3 * plain:.2f}",
        f"{1e6 * inside:.0f}", f"{100 * inside / plain:.2f} %",
        f"{1e6 * more:.0f} [{1e6 * low:.0f}, {1e6 * high:.0f}]",
        f"{100 * more / plain:.2f} % [{100 * low / plain:.2f}, {100 * high / plain:.2f}]",
        f"{1e3 * once:.0f}", f"{size:.0f}",
    )  # fmt: skip


@contextlib.contextmanager
def watched() -> Iterator[list[float]]:
    """Sum the time that a trace's own functions take, s."""
    spent = [0.0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent[0] += time.perf_counter() - start

        return wrapper

    places = [(Tracer, name) for name in ("add_loss", "before_update", "after_update")] + [(samples, "_note_batch")]
    before = [getattr(place, name) for place, name in places]
    for (place, name), function in zip(places, before, strict=True):
        setattr(place, name, timed(function))
    try:
        yield spent
    finally:
        for (place, name), function in zip(places, before, strict=True):
            setattr(place, name, function)


def interval(values: list[float]) -> tuple[float, float]:
    """Give a 95 % interval of the median, by the binomial law of ranks."""
    ordered, half = sorted(values), 0.98 * len(values) ** 0.5
    return ordered[max(0, int(len(values) / 2 - half))], ordered[min(len(values) - 1, int(len(values) / 2 + half))]


def _round(train: Callable[[int], None], steps: int, path: Path, every: int) -> tuple[float, float, float]:
    """Measure a plain step, what a trace adds to it, and what it costs once; s."""
    plain, plain_first = _timed(train, steps, None, every), _timed(train, 1, None, every)
    whole, first = _timed(train, steps, path, every), _timed(train, 1, path, every)
    more = ((whole - first) - (plain - plain_first)) / (steps - 1)
    return plain / steps, more, first - plain_first - more


def _inside(train: Callable[[int], None], steps: int, path: Path, every: int) -> float:
    """Measure the time inside of the trace's functions, s a step, without what the first step costs once."""
    with traced(path, every=every), watched() as spent:
        train(1)
        spent[0] = 0.0
        train(steps)
    return spent[0] / steps


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
            loss.backward()
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
