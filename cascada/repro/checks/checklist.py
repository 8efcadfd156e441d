"""The specification run on a project: a checklist, the project's own answers, and a summary by standard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from cascada.repro.checks import code, data, project, run
from cascada.repro.checks.answers import ANSWERS, Answer, read_answers
from cascada.repro.checks.evidence import CHECKS, Evidence, Outcome, Status
from cascada.repro.environment import Record
from cascada.repro.specification import BY_HAND, Requirement, Specification

FAMILIES = (code, data, project, run)
"""The modules that register checks when they are imported."""


class Item(Record):
    """A requirement and how the project stands to it.

    Attributes
    ----------
    check
        The check that looked, or "by hand".
    """

    id: str
    level: Literal["MUST", "SHOULD"]
    text: str
    check: str
    status: Status
    detail: str
    next_step: str


class Coverage(Record):
    """How much of a standard is met.

    Attributes
    ----------
    met
        Items whose requirements all pass, or do not apply while one passes.
    open
        The other items, with the requirements that are in the way.
    """

    standard: str
    met: tuple[str, ...]
    open: dict[str, tuple[str, ...]]

    @property
    def applicable(self) -> int:
        return len(self.met) + len(self.open)


class Checklist(Record):
    """All items of a project."""

    run_id: str
    items: tuple[Item, ...]
    standards: tuple[Coverage, ...]

    @property
    def failed(self) -> tuple[Item, ...]:
        """What must be and is not."""
        return tuple(one for one in self.items if one.level == "MUST" and one.status == "fail")

    def count(self) -> dict[Status, int]:
        """Count the items by status."""
        order: tuple[Status, ...] = ("pass", "fail", "by hand", "not applicable")
        return {status: sum(one.status == status for one in self.items) for status in order}


def check_project(specification: Specification, evidence: Evidence) -> Checklist:
    """Hold a project against a specification.

    Raises
    ------
    ConfigError
        If ``cascada-check.yaml`` cannot be read or names an unknown requirement.
    """
    answers = read_answers(evidence.root, specification)
    items = tuple(_item(one, evidence, answers.get(one.id)) for one in specification.requirements)
    standards = tuple(_cover(specification, key, items) for key in specification.standards)
    run_id = evidence.manifest.run_id if evidence.manifest else ""
    return Checklist(run_id=run_id, items=items, standards=standards)


def _item(requirement: Requirement, evidence: Evidence, answer: Answer | None) -> Item:
    status, detail, step = _outcome(requirement, evidence, answer)
    return Item(
        id=requirement.id, level=requirement.level, text=requirement.text, check=requirement.check, status=status,
        detail=detail, next_step=step,
    )  # fmt: skip


def _outcome(requirement: Requirement, evidence: Evidence, answer: Answer | None) -> Outcome:
    """Ask the project where no program can tell; of what a check finds, it can only say that it does not apply."""
    if answer is not None and answer.answer == "not applicable":
        return Outcome("not applicable", answer.reason)
    by_hand = Outcome("by hand", "no program can tell")
    found = by_hand if requirement.check == BY_HAND else CHECKS[requirement.check](evidence)
    if found.status != "by hand":
        return found
    if answer is None:
        return found._replace(next_step=f"answer {requirement.id} in {ANSWERS}")
    if answer.answer == "yes":
        return Outcome("pass", f"says the project: {answer.reason}")
    return Outcome("fail", f"says the project: {answer.reason}", f"meet it, then change the answer in {ANSWERS}")


def _cover(specification: Specification, key: str, items: tuple[Item, ...]) -> Coverage:
    status = {one.id: one.status for one in items}
    met: list[str] = []
    still_open: dict[str, tuple[str, ...]] = {}
    for item in specification.standards[key].items:
        asked = [one.id for one in specification.answering(key, item)]
        in_the_way = tuple(_not_met(asked, status))
        if in_the_way:
            still_open[item] = in_the_way
        elif any(status[one] == "pass" for one in asked):
            met.append(item)
    return Coverage(standard=specification.standards[key].name, met=tuple(met), open=still_open)


def _not_met(asked: list[str], status: Mapping[str, Status]) -> Iterator[str]:
    return (one for one in asked if status[one] in {"fail", "by hand"})
