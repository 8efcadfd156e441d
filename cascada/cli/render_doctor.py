"""What the terminal shows of a diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from cascada.cli.render import stdout

if TYPE_CHECKING:
    from cascada.repro.diagnosis import Diagnosis, Finding, Section

_STYLE = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Print each section, the worst findings first, then how many there are."""
    for section in diagnosis.sections:
        stdout.print(f"[bold]{section.title}[/]  [dim]{escape(section.examined)}[/]")
        _show_findings(section)
        stdout.print()
    counted = ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in diagnosis.count().items() if count)
    stdout.print(counted or "nothing found")


def _show_findings(section: Section) -> None:
    if not section.findings:
        stdout.print("  [green]nothing found[/]")
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in sorted(section.findings, key=lambda one: (-one.severity, one.rule, one.path, one.line)):
        style = _STYLE[finding.severity.name]
        table.add_row(f"  [{style}]{finding.severity.name}[/]", finding.rule, _text(finding))
    stdout.print(table)


def _text(finding: Finding) -> str:
    place = f"[bold]{escape(finding.where)}[/]  " if finding.where else ""
    return f"{place}{escape(finding.message)}\n[dim]→ {escape(finding.fix)}[/]"


def show_rules() -> None:
    """Print the rules of the lint: what each finds, why it matters, what to write instead."""
    from cascada.repro.lint.check import all_rules

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("rule", "severity", "finds", "why, and what to do"):
        table.add_column(column)
    for rule in all_rules():
        style = _STYLE[rule.severity.name]
        reason = f"{escape(rule.why)}\n[dim]→ {escape(rule.fix)}[/]"
        table.add_row(rule.number, f"[{style}]{rule.severity.name}[/]", rule.name, reason)
    stdout.print(table)
