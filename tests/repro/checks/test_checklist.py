"""The checklist: answers of a project, what they can and cannot say, the summary by standard."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import repository, write

from cascada.errors import ConfigError
from cascada.repro.checks.answers import ANSWERS, read_answers
from cascada.repro.checks.checklist import Checklist, check_project
from cascada.repro.checks.evidence import Evidence
from cascada.repro.specification import load_specification

SPECIFICATION = load_specification()


def checked(root: Path, answers: str = "") -> Checklist:
    if answers:
        write(root, ANSWERS, answers)
    return check_project(SPECIFICATION, Evidence(root))


def item(checklist: Checklist, number: str) -> tuple[str, str]:
    (found,) = [one for one in checklist.items if one.id == number]
    return found.status, found.detail


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(tmp_path / "work", {"LICENSE": "MIT\n", "train.py": "x = 1\n"})


def test_a_bare_project(root: Path) -> None:
    checklist = checked(root)
    assert [one.id for one in checklist.items] == [one.id for one in SPECIFICATION.requirements]
    assert item(checklist, "SHR-1")[0] == item(checklist, "SHR-3")[0] == "pass"
    assert item(checklist, "DAT-8") == ("by hand", "no program can tell")
    assert "RND-1" in [one.id for one in checklist.failed]
    assert "SHR-5" in [one.id for one in checklist.failed]
    assert sum(checklist.count().values()) == len(checklist.items)


def test_outside_of_git(tmp_path: Path) -> None:
    assert item(checked(tmp_path), "SHR-1")[0] == "fail"


@pytest.mark.parametrize(
    ("answers", "number", "status"),
    [
        ("DAT-8: {answer: not applicable, reason: simulated showers}", "DAT-8", "not applicable"),
        ("DAT-8: {answer: yes, reason: approval 12/2026}", "DAT-8", "pass"),
        ("DAT-8: {answer: 'no', reason: asked for}", "DAT-8", "fail"),
        ("SPL-1: {answer: not applicable, reason: nothing is trained}", "SPL-1", "not applicable"),
        ("SHR-5: {answer: yes, reason: trust me}", "SHR-5", "fail"),
    ],
)
def test_what_a_project_answers(root: Path, answers: str, number: str, status: str) -> None:
    found = item(checked(root, answers), number)
    assert found[0] == status
    reason = answers.split("reason: ")[1].rstrip("}")
    assert (reason in found[1]) == (number != "SHR-5")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("DAT-88: {answer: yes, reason: x}", "there is no requirement DAT-88\n.*\n.*did you mean DAT-8"),
        ("DAT-8: {answer: perhaps, reason: x}", "DAT-8.answer"),
        ("DAT-8: {answer: yes}", "DAT-8.reason"),
        ("DAT-8: {answer: yes, reason: ''}", "DAT-8.reason"),
        ("DAT-8: yes", "DAT-8"),
        ("- DAT-8", "the project's answers must hold keys and values"),
        ("DAT-8: {", "the project's answers cannot be read as YAML"),
        ("DAT-8: {answer: yes, reason: 2020-13-45}", "the project's answers cannot be read as YAML"),
    ],
)
def test_answers_that_are_refused(tmp_path: Path, answers: str, told: str) -> None:
    write(tmp_path, ANSWERS, answers)
    with pytest.raises(ConfigError, match=told):
        read_answers(tmp_path, SPECIFICATION)


def test_a_standard_is_met_item_by_item(root: Path) -> None:
    by_hand = [one.id for one in SPECIFICATION.requirements if one.check == "by hand"]
    before = {one.standard: one for one in checked(root).standards}
    assert before["REFORMS"].open["1a"] == ("DAT-7",)
    assert "R1.1" in before["FAIR"].open  # the licence of the code is there, that of the data is not
    answers = "".join(f"{one}: {{answer: yes, reason: docs}}\n" for one in by_hand if one != "SRV-2")
    after = {
        one.standard: one
        for one in checked(root, answers + "SRV-2: {answer: not applicable, reason: no model}").standards
    }
    assert "1a" in after["REFORMS"].met
    assert "14" not in (*after["ML checklist"].met, *after["ML checklist"].open)
    assert after["ML checklist"].applicable == before["ML checklist"].applicable - 1
