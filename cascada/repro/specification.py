"""The best-practice specification: numbered requirements, why, what checks them, and the standards they answer.

The source of truth is `specification.yaml`; docs/specification.md is rendered from it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import yaml
from pydantic import model_validator

from cascada.repro.environment import Record

BY_HAND = "by hand"


class Standard(Record):
    """A standard whose items requirements answer.

    Attributes
    ----------
    left_out
        What of it the specification does not ask.
    """

    name: str
    source: str
    items: dict[str, str]
    left_out: str


class Aspect(Record):
    """A group of requirements."""

    prefix: str
    title: str


class Requirement(Record):
    """One requirement.

    Attributes
    ----------
    check
        Name of the function that looks, or "by hand" where no program can.
    maps
        Items of standards that it answers.
    """

    id: str
    level: Literal["MUST", "SHOULD"]
    text: str
    why: str
    source: str
    check: str
    maps: dict[str, tuple[str, ...]]

    @property
    def aspect(self) -> str:
        return self.id.partition("-")[0]


class Specification(Record):
    """All requirements, in the order from collecting data to sharing results."""

    standards: dict[str, Standard]
    aspects: tuple[Aspect, ...]
    requirements: tuple[Requirement, ...]

    @model_validator(mode="after")
    def _names_exist(self) -> Specification:
        ids = [one.id for one in self.requirements]
        if len(set(ids)) < len(ids):
            raise ValueError("two requirements have one id")
        prefixes = {aspect.prefix for aspect in self.aspects}
        for one in self.requirements:
            named = [(key, item) for key, items in one.maps.items() for item in items]
            unknown = [item for key, item in named if item not in self.standards[key].items]
            if unknown or one.aspect not in prefixes:
                raise ValueError(f"{one.id} names what does not exist: {unknown or one.aspect}")
        return self

    def of(self, aspect: Aspect) -> Iterator[Requirement]:
        """Go through the requirements of an aspect."""
        return (one for one in self.requirements if one.aspect == aspect.prefix)

    def answering(self, standard: str, item: str) -> tuple[Requirement, ...]:
        """List the requirements that answer an item of a standard."""
        return tuple(one for one in self.requirements if item in one.maps.get(standard, ()))


@functools.cache
def load_specification() -> Specification:
    """Read `specification.yaml`."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    return Specification.model_validate(yaml.safe_load(text))


_INTRODUCTION = """# Best practice, from collecting data to sharing results

`cascada check` holds a project against these requirements; it knows nothing of its field. How: [check.md](check.md).
This page is made from `cascada/repro/specification.yaml` by `cascada check --specification`.

**MUST**: without it nobody can repeat the result, and `cascada check` exits with 1. **SHOULD**: without it repeating or
trusting the result is harder. *By hand*: no program can judge it, so the project answers in `cascada-check.yaml`.
"""


def render(specification: Specification) -> str:
    """Write the specification as a page in Markdown."""
    parts = [_INTRODUCTION]
    for aspect in specification.aspects:
        parts.append(f"## {aspect.title}\n")
        parts += [_requirement(specification, one) for one in specification.of(aspect)]
    parts.append("## Standards\n")
    parts += [_standard(specification, key) for key in specification.standards]
    return "\n".join(parts)


def _requirement(specification: Specification, one: Requirement) -> str:
    answers = "; ".join(f"{specification.standards[key].name} {', '.join(items)}" for key, items in one.maps.items())
    check = "*by hand*" if one.check == BY_HAND else f"`{one.check}`"
    lines = [f"**{one.id}** {one.level}: {one.text}  ", f"{one.why} ({one.source})  ", f"Check: {check}"]
    return "\n".join(lines) + (f" · answers {answers}" if answers else "") + "\n"


def _standard(specification: Specification, key: str) -> str:
    standard = specification.standards[key]
    rows = [
        f"| {item} | {text} | {', '.join(one.id for one in specification.answering(key, item))} |"
        for item, text in standard.items.items()
    ]
    left_out = [f"\nLeft out: {standard.left_out}."] if standard.left_out else []
    head = [f"### {standard.name}\n", f"{standard.source}.\n", "| item | what | requirements |", "|---|---|---|"]
    return "\n".join([*head, *rows, *left_out]) + "\n"
