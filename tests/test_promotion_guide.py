"""The commands of docs/promotion.md, executed in order on a model with two champions."""

from __future__ import annotations

import re

import pytest
from projects import REPOSITORY, SMALL, Project

pytestmark = pytest.mark.slow


def test_every_command_works_in_order(project: Project) -> None:
    project.train(*SMALL, "--set", "training.epochs=1", "--set", "gate.min_accuracy=0.2")
    assert project.train(*SMALL)["released"]["champion"], "it gains more than seeds do"
    (block,) = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs" / "promotion.md").read_text(), flags=re.DOTALL)
    said = {}
    for command in block.strip().splitlines():
        answer = project.run("bash", "-c", command)
        assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
        said[command] = " ".join(answer.stdout.split())
    told = list(said.values())
    assert "demo version 2" in told[1]
    assert "demo version 1 is champion again, in the place of version 2" in told[4]
    assert "demo version 2 is champion, FORCED" in told[5]
    assert "champion again" in told[6]
    assert "forced by" in project.cascada("models", "ls").stdout
