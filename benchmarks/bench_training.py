"""What Lightning costs over a bare PyTorch loop, and what bf16 and compiling bring.

    python -m benchmarks.bench_training [--rows N] [--rounds N] [--threads N] [--no-compile]

prints Markdown tables. Contestants take turns within a round, so that a loaded machine slows all of them; ratios are
of the times of the same round, given as median (smallest – largest): by the clock, and by the CPU seconds of the
process, which other programs disturb less. A bare loop is timed without anything before or after it; `cascada` is
timed whole: standardisation, Trainer, two validations of 10,000 showers, checkpoint.
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import models
from benchmarks.measures import markdown_table
from cascada.config import DeepAutoencoder, Training
from cascada.training.dataset import Sample
from cascada.training.fit import AutoencoderTask, fit
from cascada.training.scaling import Scaling

FEATURES = 32
NORMAL = (False, True, True, True, True)
SPEC = DeepAutoencoder(kind="deep", hidden=(64, 128, 64), latent=16)
SCALING = Scaling(mean=(0.0,) * FEATURES, scale=(1.0,) * FEATURES)


@dataclass(frozen=True)
class Way:
    """A way to train one epoch.

    Attributes
    ----------
    loader
        ``gather`` takes a batch's rows from tensors; ``naive`` is a DataLoader over a TensorDataset.
    whole
        Whether it is `cascada.training.fit.fit`.
    """

    loader: str = "gather"
    fused: bool = True
    bf16: bool = False
    compile: bool = False
    whole: bool = False


WAYS = {
    "bare loop": Way(fused=False),
    "bare loop, fused Adam": Way(),
    "the same with DataLoader and TensorDataset": Way(loader="naive"),
    "cascada (Lightning)": Way(whole=True),
    "bare loop, fused Adam, bf16": Way(bf16=True),
    "cascada, bf16": Way(bf16=True, whole=True),
    "bare loop, fused Adam, compiled": Way(compile=True),
    "bare loop, fused Adam, bf16, compiled": Way(bf16=True, compile=True),
}
REFERENCE = "bare loop, fused Adam"


def make_sample(rows: int) -> Sample:
    """Draw showers of five classes."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, rows)
    features = rng.standard_normal((rows, FEATURES), dtype=np.float32)
    features[:, :5] += np.eye(5, dtype=np.float32)[labels]
    return Sample(features, labels, np.arange(rows))


def batches(way: Way, tensors: tuple[Tensor, ...], size: int) -> Iterator[tuple[Tensor, ...]]:
    """Yield the shuffled batches of an epoch."""
    if way.loader == "naive":
        # cascada: ignore[D106]  # the usual mistake is what is measured
        yield from DataLoader(TensorDataset(*tensors), batch_size=size, shuffle=True, drop_last=True)
        return
    order = torch.randperm(tensors[0].shape[0])
    for start in range(0, order.shape[0] - size + 1, size):
        rows = order[start : start + size]
        yield tuple(tensor[rows] for tensor in tensors)


def bare_epoch(way: Way, sample: Sample, size: int) -> Callable[[int | None], None]:
    """Build a bare loop; what is returned trains an epoch, or so many steps of one."""
    tensors = (torch.from_numpy(sample.features), torch.from_numpy(sample.labels))
    torch.manual_seed(1)
    network = models.build(SPEC, features=FEATURES, reference=NORMAL)
    task = AutoencoderTask(network, torch.tensor(NORMAL), Training())
    losses = torch.compile(task.losses) if way.compile else task.losses
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.0, fused=way.fused)
    steps = sample.labels.size // size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=1000 * steps)

    def epoch(limit: int | None = None) -> None:
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches(way, tensors, size)):
            if number == limit:
                return
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=way.bf16, cache_enabled=False):
                parts = losses(*batch)
                parts["loss"].backward()
            optimizer.step()
            schedule.step()
            for name, value in parts.items():
                sums[name] = sums[name] + value.detach() if name in sums else value.detach()

    return epoch


def whole_epoch(way: Way, sample: Sample, size: int, threads: int) -> Callable[[int | None], None]:
    """Build a fit of one epoch."""
    config = Training(
        epochs=1, batch_size=size, learning_rate=1e-3, threads=threads, precision="bf16" if way.bf16 else "float32"
    )
    held_out = Sample(sample.features[:10_000], sample.labels[:10_000], sample.groups[:10_000])

    def epoch(limit: int | None = None) -> None:
        rows = sample.labels.size if limit is None else limit * size
        part = Sample(sample.features[:rows], sample.labels[:rows], sample.groups[:rows])
        torch.manual_seed(1)
        network = models.build(SPEC, features=FEATURES, reference=NORMAL)
        with tempfile.TemporaryDirectory() as folder:
            fit(
                network, part, held_out, scaling=SCALING, reference=NORMAL, config=config, seed=1, folder=Path(folder),
                progress=False,
            )  # fmt: skip

    return epoch


def build(way: Way, sample: Sample, size: int, threads: int) -> Callable[[int | None], None]:
    """Build a contestant."""
    return whole_epoch(way, sample, size, threads) if way.whole else bare_epoch(way, sample, size)


@dataclass(frozen=True)
class Time:
    """Seconds by the clock and of the CPU."""

    clock: float
    cpu: float


def timed(run: Callable[[int | None], None], limit: int | None = None) -> Time:
    """Time a call."""
    clock, cpu = time.perf_counter(), time.process_time()
    run(limit)
    return Time(time.perf_counter() - clock, time.process_time() - cpu)


def ratio(values: Sequence[float], others: Sequence[float]) -> str:
    """Set ratios as median (smallest – largest)."""
    ratios = [value / other for value, other in zip(values, others, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"


def measure(ways: dict[str, Way], sample: Sample, size: int, rounds: int, threads: int, peaks: dict[str, float]) -> str:
    """Let every contestant train an epoch a round, and set the table."""
    epochs = {name: build(way, sample, size, threads) for name, way in ways.items()}
    first = {name: timed(epoch, 3).clock for name, epoch in epochs.items()}
    times: dict[str, list[Time]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, epoch in epochs.items():
            times[name].append(timed(epoch))
    clock, cpu = ({n: [getattr(t, which) for t in all_] for n, all_ in times.items()} for which in ("clock", "cpu"))
    head = (f"batches of {size:,}", "events/s", "clock", "CPU", "first 3 steps, s", "peak MiB")
    lines = [
        (
            name, f"{sample.labels.size / statistics.median(clock[name]):,.0f}",
            ratio(clock[name], clock[REFERENCE]), ratio(cpu[name], cpu[REFERENCE]), f"{first[name]:.1f}",
            f"{peaks[name]:.0f}" if name in peaks else "",
        )
        for name in ways
    ]  # fmt: skip
    return markdown_table(head, lines)


def peak_mib(name: str, rows: int, size: int, threads: int) -> float:
    """Measure the largest resident memory of an epoch in a process of its own, beyond that before it."""
    command = [sys.executable, "-m", "benchmarks.bench_training", "--peak", name, "--rows", str(rows)]
    command += ["--batch", str(size), "--threads", str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def print_peak(name: str, rows: int, size: int, threads: int) -> None:
    """Train an epoch and print what it needed beside the libraries and the data."""
    sample = make_sample(rows)
    epoch = build(WAYS[name], sample, size, threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    epoch(None)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def main() -> None:
    """Measure batches of two sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--peak", help="measure the memory of one way and print it")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.peak:
        print_peak(chosen.peak, chosen.rows, chosen.batch, chosen.threads)
        return
    ways = {name: way for name, way in WAYS.items() if not (way.compile and chosen.no_compile)}
    peaks = {name: peak_mib(name, chosen.rows, 1024, chosen.threads) for name in ways if not ways[name].compile}
    print(
        f"{chosen.rows:,} events of {FEATURES} features, 32 → 64 → 128 → 64 → 16 and back, head of 64; one epoch, "
        f"{chosen.threads} thread{'s' * (chosen.threads > 1)}, {chosen.rounds} rounds, load {os.getloadavg()[0]:.1f}. "
        f"Ratios to `{REFERENCE}`: median (smallest – largest).\n"
    )
    for size, rows in ((1024, chosen.rows), (64, chosen.rows // 10)):
        known = peaks if rows == chosen.rows else {}
        print(measure(ways, make_sample(rows), size, chosen.rounds, chosen.threads, known), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
