"""The specification as data and as a page."""

from __future__ import annotations

from typing import Any

import pytest
from projects import REPOSITORY
from pydantic import ValidationError

from cascada.repro.specification import Specification, load_specification, render

SPECIFICATION = load_specification()


def test_the_page_is_made_from_the_data() -> None:
    page = (REPOSITORY / "docs" / "specification.md").read_text()
    assert page == render(SPECIFICATION), "run: cascada check --specification > docs/specification.md"


def test_every_item_of_a_standard_is_answered() -> None:
    unanswered = [
        (key, item)
        for key, standard in SPECIFICATION.standards.items()
        for item in standard.items
        if not SPECIFICATION.answering(key, item)
    ]
    assert unanswered == []


def test_the_standards_are_whole() -> None:
    """21 items of the ML checklist without the two of theory, 32 of REFORMS, 15 principles of FAIR without two."""
    sizes = {key: len(standard.items) for key, standard in SPECIFICATION.standards.items()}
    assert sizes == {"ml": 19, "reforms": 32, "acm": 4, "fair": 13}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"maps": {"fair": ["F9"]}}, "names what does not exist"),
        ({"id": "XXX-1"}, "names what does not exist"),
        ({"id": "DAT-2"}, "two requirements have one id"),
        ({"level": "MAY"}, "level"),
    ],
)
def test_a_wrong_requirement_is_refused(change: dict[str, Any], told: str) -> None:
    content = SPECIFICATION.model_dump(mode="json")
    content["requirements"][0] |= change
    with pytest.raises(ValidationError, match=told):
        Specification.model_validate(content)
