"""The page about the doctor: its table is that of the rules, its checks are those of the code."""

from __future__ import annotations

import re

from projects import REPOSITORY

from cascada.repro.lint.check import all_rules

PAGE = (REPOSITORY / "docs" / "doctor.md").read_text()
PLACES = ("repro/versions.py", "repro/preflight.py", "cli/doctor.py")
CODE = "".join((REPOSITORY / "cascada" / name).read_text() for name in PLACES)


def test_the_page_names_every_rule_as_it_is() -> None:
    rows = [f"| {r.number} | {r.severity.name} | {r.name} | {r.why} | {r.fix} |" for r in all_rules()]
    assert [line for line in PAGE.splitlines() if line.startswith("| D")] == rows


def test_the_page_names_every_check() -> None:
    assert set(re.findall(r"\bP\d{3}\b", PAGE)) == set(re.findall(r'"(P\d{3})"', CODE))
