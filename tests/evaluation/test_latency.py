"""Latency counts calls after the first ones."""

from __future__ import annotations

import time
from itertools import count

from cascada.evaluation.latency import WARM_UP, measure_latency


def test_slow_calls_are_in_the_tail_and_first_calls_do_not_count() -> None:
    calls = count()

    def ask() -> None:
        number = next(calls)
        if number < WARM_UP or number >= WARM_UP + 98:
            time.sleep(0.01)

    found = measure_latency(ask, calls=100)
    assert next(calls) == WARM_UP + 100
    assert found.calls == 100
    assert found.p99_ms >= 10.0
    assert found.median_ms < found.p99_ms
    assert str(found).startswith("p99 ")
    assert found.processor
