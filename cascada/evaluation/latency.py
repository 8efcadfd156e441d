"""How long a model takes for one event."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict

from cascada.repro.environment import hardware

CALLS, WARM_UP = 300, 20


class Latency(BaseModel):
    """Time of single calls, one after the other.

    Attributes
    ----------
    processor
        Model of the CPU: on another one the numbers say nothing.
    """

    model_config = ConfigDict(frozen=True)

    median_ms: float
    p99_ms: float
    calls: int
    processor: str

    def __str__(self) -> str:
        return f"p99 {self.p99_ms:.3g} ms, median {self.median_ms:.3g} ms of {self.calls} calls on {self.processor}"


def measure_latency(ask: Callable[[], object], *, calls: int = CALLS) -> Latency:
    """Call something many times and measure each call; the first calls do not count."""
    for _ in range(WARM_UP):
        ask()
    times = np.empty(calls)
    for number in range(calls):
        started = time.perf_counter()
        ask()
        times[number] = time.perf_counter() - started
    median, p99 = (float(value) for value in np.quantile(times * 1e3, [0.5, 0.99]))
    return Latency(median_ms=median, p99_ms=p99, calls=calls, processor=hardware().processor)
