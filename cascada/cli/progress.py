"""Progress of long work, on a terminal only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from cascada.cli.render import stderr

Report = Callable[[str, int, int | None], None]


class _RateColumn(ProgressColumn):
    """Rows done and rows a second."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text(f"{task.completed:,.0f} rows" + (f", {rate:,.0f}/s" if rate else ""), style="dim")


@contextlib.contextmanager
def show_rows() -> Iterator[Report]:
    """Show stages with rows, rate and remaining time; give what reports them."""
    with _bars(_RateColumn(), TimeRemainingColumn()) as report:
        yield report


@contextlib.contextmanager
def show_bytes() -> Iterator[Report]:
    """Show files with bytes, rate and remaining time; give what reports them."""
    with _bars(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as report:
        yield report


@contextlib.contextmanager
def _bars(*columns: ProgressColumn) -> Iterator[Report]:
    bars: dict[str, TaskID] = {}
    text = TextColumn("{task.description}")
    with Progress(text, BarColumn(), *columns, console=stderr, disable=not stderr.is_terminal) as progress:

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage, total=total)
            progress.update(bars[stage], completed=done, total=total)

        yield report
