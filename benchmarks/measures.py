"""What benchmarks share: Markdown tables written by the program, and the machine they ran on."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Sequence

from cascada.repro.environment import hardware, software

_LIBRARIES = ("numpy", "polars", "pyarrow", "great-expectations", "corsikaio", "torch", "scikit-learn")


def machine() -> str:
    """Describe the machine and the versions that matter, in one line."""
    packages = software().packages
    versions = ", ".join(f"{name} {packages[name]}" for name in _LIBRARIES if name in packages)
    found = hardware()
    return (
        f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}, {found.processor}, {found.cores} cores, "
        f"{found.memory_gib} GiB, Python {software().python}, {versions}"
    )


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Set a table; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(f"# Benchmark: {sys.argv[1]}\n\nWritten by `infra/bench.sh {sys.argv[1]}`. {machine()}.\n", flush=True)  # noqa: T201
