"""A compact trace of a PyTorch training, one line an optimizer step, without a line in the user's code.

What is seen: which samples a `DataLoader` gave, the states of the random generators, the loss, the norm of the
gradients; and every K steps the content of the batch, the gradients and the weights, parameter by parameter.
`cascada.repro.trace` describes the file and finds where two of them part.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import wrapt

from cascada.jobs import active
from cascada.jobs.tracing import current
from cascada.repro.trace import TRACE_FILE

DEFAULT_EVERY = 50
"""Steps between two that are hashed by parameter: what a trace costs is measured by `benchmarks/bench_trace.py`."""


def trace_run(run: active.ActiveRun) -> None:
    """Trace this process for a run whose plan asks for it."""
    plan = run.plan
    if not plan.trace_every:
        return
    current.begin(run.folder / TRACE_FILE, every=plan.trace_every, stop_after=plan.stop_after)
    _install()
    run.at_end(current.end)


@contextmanager
def traced(path: Path, *, every: int) -> Iterator[None]:
    """Trace what this process trains in the block; of random states those of PyTorch, as nobody seeded the others.

    Parameters
    ----------
    path
        File to write.
    every
        Steps between two that are hashed by parameter; 0 traces nothing.
    """
    if not every:
        yield
        return
    current.begin(path, every=every, generators=("torch", "cuda"))
    _install()
    current.tracer()  # before the first batch is made
    try:
        yield
    finally:
        current.end()


@functools.cache
def _install() -> None:
    """Have PyTorch's loops and loaders watched once they are imported."""
    wrapt.register_post_import_hook(_watch_loops, "torch")
    wrapt.register_post_import_hook(_watch_loaders, "torch.utils.data.dataloader")


def _watch_loops(torch: object) -> None:
    from cascada.jobs.tracing.loops import watch_loops

    watch_loops(torch)


def _watch_loaders(module: object) -> None:
    from cascada.jobs.tracing.samples import watch_loaders

    watch_loaders(module)
