"""What benchmarks share: Markdown tables written by the program, and the machine they ran on."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path

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


def write_page(path: Path | None, title: str, *blocks: str) -> None:
    """Print a page and, where a path is given, write it."""
    text = "\n\n".join([f"# {title}", *blocks]) + "\n"
    print(text)  # noqa: T201 -- a benchmark prints its table
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
