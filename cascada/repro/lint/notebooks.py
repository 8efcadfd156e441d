"""D6: notebooks whose outputs are not those of their cells from top to bottom."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cascada.repro.diagnosis import Severity
from cascada.repro.lint.module import Module
from cascada.repro.lint.rules import Match, rule

_INSTALL = re.compile(r"^[%!]\s*(?:uv\s+)?(?:pip3?|conda|mamba)\s+install\s+(.*)")


@rule(
    "D601", "cells run out of order", Severity.warning,
    why="The outputs belong to a state that running the cells from top to bottom does not make.",
    fix="restart the kernel and run all cells, or `cascada run` the notebook",
)  # fmt: skip
def _out_of_order(module: Module) -> Iterator[Match]:
    counts = [count for count in module.source.counts if count is not None]
    if counts != sorted(set(counts)):
        yield 0, f"execution counts {', '.join(map(str, counts[:8]))}{', ...' if len(counts) > 8 else ''}"


@rule(
    "D602", "cells that were not run", Severity.note,
    why="Outputs below a cell that was skipped come from an earlier state.",
    fix="restart the kernel and run all cells",
)  # fmt: skip
def _not_run(module: Module) -> Iterator[Match]:
    counts = module.source.counts
    if any(count is not None for count in counts) and None in counts:
        yield 0, f"{sum(count is None for count in counts)} of {len(counts)} cells"


@rule(
    "D603", "installation without a version", Severity.warning,
    why="Whatever is newest on that day is installed.",
    fix="install from a lock: pip install -r requirements.txt with name==version lines",
)  # fmt: skip
def _install(module: Module) -> Iterator[Match]:
    for line, text in module.source.shell:
        if (match := _INSTALL.match(text)) and "==" not in match[1] and " -r" not in f" {match[1]}":
            yield line, text
