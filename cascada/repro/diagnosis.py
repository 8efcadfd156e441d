"""What `cascada doctor` found: sections of findings, each with a number, a severity and what to do."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

from pydantic import field_serializer

from cascada.repro.environment import Record


class Severity(IntEnum):
    """How bad a finding is; an error means that a second run cannot be trusted to give the same result."""

    note = 1
    warning = 2
    error = 3


class Finding(Record):
    """One thing that endangers reproducibility.

    Attributes
    ----------
    rule
        Number of the rule, such as D103 (lint) or P101 (preflight).
    path
        File, from the project's root; empty when it is about the machine.
    line
        From 1; 0 when it is about the whole file. In a notebook the line counts through all code cells.
    cell
        Number of the code cell of a notebook, from 1; 0 elsewhere.
    """

    rule: str
    name: str
    severity: Severity
    path: str = ""
    line: int = 0
    cell: int = 0
    message: str
    fix: str

    @field_serializer("severity")
    def _severity_name(self, severity: Severity) -> str:
        return severity.name

    @property
    def where(self) -> str:
        """Place as editors read it: ``train.py:12``; of a notebook ``a.ipynb cell 3``."""
        place = f" cell {self.cell}" if self.cell else f":{self.line}" if self.line else ""
        return f"{self.path}{place}"


def finding(number: str, name: str, severity: Severity, message: str, fix: str, path: str = "") -> Finding:
    """Make a finding about a whole file, or about the machine."""
    return Finding(rule=number, name=name, severity=severity, path=path, message=message, fix=fix)


class Section(Record):
    """One part of the examination.

    Attributes
    ----------
    examined
        What was looked at, so that nothing found differs from nothing looked at.
    """

    title: str
    examined: str
    findings: tuple[Finding, ...]


class Diagnosis(Record):
    """All sections of one examination."""

    sections: tuple[Section, ...]

    @property
    def worst(self) -> Severity | None:
        return max((one.severity for section in self.sections for one in section.findings), default=None)

    def count(self) -> dict[str, int]:
        """Count the findings by severity, the worst first."""
        found = Counter(one.severity for section in self.sections for one in section.findings)
        return {severity.name: found[severity] for severity in sorted(Severity, reverse=True)}

    def failed(self, *, strict: bool = False) -> bool:
        """Tell whether there is an error; when strict, whether there is a warning."""
        limit = Severity.warning if strict else Severity.error
        return self.worst is not None and self.worst >= limit
