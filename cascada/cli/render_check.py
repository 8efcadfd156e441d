"""What the terminal shows of a checklist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from cascada.cli.render import stdout
from cascada.repro.checks.answers import ANSWERS
from cascada.repro.specification import BY_HAND

if TYPE_CHECKING:
    from cascada.repro.checks.checklist import Checklist, Coverage, Item
    from cascada.repro.specification import Specification

_MARK = {
    "pass": "[green]pass[/]",
    "fail": "[bold red]fail[/]",
    "by hand": "[yellow]hand[/]",
    "not applicable": "[dim]n/a[/]",
}
_FEW = 15  # items of a standard whose names fit into a line


def show_checklist(specification: Specification, checklist: Checklist) -> None:
    """Print the items by aspect, then how much of each standard is met."""
    stdout.print(f"run {checklist.run_id}\n" if checklist.run_id else "no run is recorded\n")
    by_id = {one.id: one for one in checklist.items}
    for aspect in specification.aspects:
        stdout.print(f"[bold]{aspect.title}[/]")
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for width in (4, 6, 6):
            table.add_column(no_wrap=True, width=width)
        table.add_column(overflow="fold")
        for requirement in specification.of(aspect):
            item = by_id[requirement.id]
            table.add_row(_MARK[item.status], item.id, item.level, _text(item))
        stdout.print(table)
        stdout.print()
    for coverage in checklist.standards:
        stdout.print(_summary(coverage))
    _show_count(checklist)


def _show_count(checklist: Checklist) -> None:
    count = checklist.count()
    stdout.print("\n" + ", ".join(f"{number} {status}" for status, number in count.items() if number))
    if count["by hand"]:
        example = "[dim]ID: {answer: yes, reason: where to read it}[/]"
        stdout.print(f"What no program can judge (hand), answer in {ANSWERS}: {example}")
    if checklist.failed:
        stdout.print(f"[bold red]required and not met:[/] {', '.join(one.id for one in checklist.failed)}")


def _text(item: Item) -> str:
    text, detail = escape(item.text), escape(item.detail)
    if item.status == "by hand":
        return text if item.check == BY_HAND else f"{text}\n[dim]{detail}[/]"
    step = f" → {escape(item.next_step)}" if item.next_step else ""
    return f"{text}\n[dim]{detail}[/]{step}"


def _summary(coverage: Coverage) -> str:
    """Tell how many items are met, and which requirement stands in the way of which items."""
    in_the_way: dict[str, list[str]] = {}
    for item, ids in coverage.open.items():
        for one in ids:
            in_the_way.setdefault(one, []).append(item)
    met = f" ({', '.join(coverage.met)})" if coverage.met and coverage.applicable <= _FEW else ""
    head = f"[bold]{coverage.standard}[/]: {len(coverage.met)} of {coverage.applicable}{met}"
    still = "; ".join(f"{one} for {', '.join(items)}" for one, items in in_the_way.items())
    return f"{head}  [dim]missing: {still}[/]" if still else head
