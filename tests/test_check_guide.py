"""The page about the checklist, and this repository's own answers."""

from __future__ import annotations

import re
from pathlib import Path

from projects import REPOSITORY

from cascada.repro.checks.answers import ANSWERS, read_answers
from cascada.repro.specification import load_specification

SPECIFICATION = load_specification()


def test_the_answers_on_the_page_are_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "check.md").read_text(), flags=re.DOTALL)
    (tmp_path / ANSWERS).write_text(block)
    answers = read_answers(tmp_path, SPECIFICATION)
    assert [one.answer for one in answers.values()] == ["not applicable", "yes", "no"]


def test_the_answers_of_this_repository_name_files_that_exist() -> None:
    answers = read_answers(REPOSITORY, SPECIFICATION)
    assert answers
    for one in answers.values():
        for name in re.findall(r"[\w/.-]+\.(?:md|yaml)", one.reason):
            assert (REPOSITORY / name).is_file(), name
