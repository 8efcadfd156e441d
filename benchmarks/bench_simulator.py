"""How fast showers and events are made, beside the bare random numbers they need.

    python -m benchmarks.bench_simulator [--rounds N]

prints a Markdown table. Contestants take turns within a round, so that a loaded machine slows all of them; the ratios
are medians over the rounds, against drawing one uniform, one gamma and two normal numbers a shower on one thread.
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from cascada.config import SimulatorSource
from cascada.data.sources.detector import event_chunks, event_table, station_table
from cascada.data.sources.simulator import CHUNK_SHOWERS, simulate_chunks

SHOWERS = 4 * CHUNK_SHOWERS
EVENTS = 4096
SHOWER_LEVEL = SimulatorSource(kind="simulator", showers=SHOWERS)
DETECTOR_LEVEL = SimulatorSource(kind="simulator", showers=EVENTS, level="detector")


def bare_numbers() -> int:
    """Draw the random numbers of a shower, and nothing else."""
    rng = np.random.default_rng(1)
    shape = np.full(8192, 0.7)
    for _ in range(SHOWERS // shape.size):
        rng.random(shape.size)
        rng.standard_gamma(shape)
        rng.standard_normal((2, shape.size))
    return SHOWERS


def showers(threads: int) -> int:
    """Make showers, chunk by chunk."""
    return sum(part.height for part in simulate_chunks(SHOWER_LEVEL, 1, chunk_showers=CHUNK_SHOWERS, threads=threads))


def events(threads: int) -> int:
    """Make and reconstruct events, their traces drawn and measured; counts showers."""
    return EVENTS if sum(part.height for part in event_chunks(DETECTOR_LEVEL, 1, event_table, threads=threads)) else 0


def stations(threads: int) -> int:
    """Make the table with the traces; counts showers."""
    return EVENTS if sum(part.height for part in event_chunks(DETECTOR_LEVEL, 1, station_table, threads=threads)) else 0


CONTESTANTS: dict[str, Callable[[], int]] = {
    "bare random numbers, 1 thread": bare_numbers,
    "showers, 1 thread": lambda: showers(1),
    "showers, 2 threads": lambda: showers(2),
    "events of 19 stations, 1 thread": lambda: events(1),
    "events of 19 stations, 2 threads": lambda: events(2),
    "stations with traces, 2 threads": lambda: stations(2),
}


def main(rounds: int) -> None:
    """Let every contestant run once a round, and print medians."""
    rates: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(rounds):
        for name, run in CONTESTANTS.items():
            start = time.perf_counter()
            made = run()
            rates[name].append(made / (time.perf_counter() - start))
    bare = rates["bare random numbers, 1 thread"]
    print(f"| {rounds} rounds | a second, median | best | share of bare random numbers |\n|---|---|---|---|")
    for name, values in rates.items():
        ratio = statistics.median(value / other for value, other in zip(values, bare, strict=True))
        print(f"| {name} | {statistics.median(values):,.0f} | {max(values):,.0f} | {ratio:.4f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args().rounds)
