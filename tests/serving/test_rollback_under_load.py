"""A rollback while clients ask: every request is answered, and after it the old version answers."""

from __future__ import annotations

import json

import pytest
from load import loaded, wait_for
from projects import SMALL, Project

pytestmark = pytest.mark.slow


@pytest.fixture
def serving(project: Project) -> Project:
    """A project whose service answers with its second champion."""
    project.train(*SMALL, "--set", "training.epochs=1", "--set", "gate.min_accuracy=0.2")
    assert project.train(*SMALL)["released"]["champion"]
    answer = project.cascada("serve", "demo")
    assert answer.returncode == 0, answer.stderr
    return project


@pytest.mark.timeout(900)
def test_no_request_is_lost(serving: Project, capsys: pytest.CaptureFixture[str]) -> None:
    with loaded(serving.settings.service_url, clients=4) as load:
        wait_for(lambda: all(load.answers))
        rolled = serving.cascada("rollback", "demo", "--reason", "a drill", "--json")
        asked = [len(answers) for answers in load.answers]
        wait_for(lambda: all(len(one) > before + 5 for one, before in zip(load.answers, asked, strict=True)))
    assert rolled.returncode == 0, rolled.stderr
    found = json.loads(rolled.stdout)
    assert (found["before"], found["version"], found["answered"]) == (2, 1, True)
    with capsys.disabled():
        print(f"\nrollback under load: {load.figures}")  # noqa: T201
    assert load.lost == []
    for answers, before in zip(load.answers, asked, strict=True):
        assert answers[0] == 2
        assert set(answers[before:]) == {1}, "after the command has ended, nobody is answered by the version before"
        assert answers == sorted(answers, reverse=True), "from one to the other once"
