"""Experiments leave a trace among their artifacts, and `cascada diff --trace` finds where two of them part."""

from __future__ import annotations

import json

import pytest
from projects import SMALL, Project

pytestmark = pytest.mark.slow


@pytest.mark.timeout(900)
def test_two_trainings_of_an_experiment_part_at_a_step(project: Project) -> None:
    small = (*SMALL, "--set", "training.epochs=1", "--set", "source.showers=4000", "--set", "gate.min_accuracy=0")
    one = project.train(*small, "--trace")["run_id"]
    other = project.train(*small, "--trace", "--set", "training.learning_rate=0.004")["run_id"]
    answer = project.cascada("diff", "--trace", "--json", one, other)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)["trace"]
    assert found["steps"][0] == found["steps"][1] > 10
    assert (found["divergence"]["step"], found["divergence"]["part"]) == (0, "weights")
    assert all(name.startswith("_Fit.network.") for name in found["divergence"]["layers"])
    assert found["causes"][0]["name"] == "parameters"
    assert "learning_rate 0.005 → 0.004" in found["causes"][0]["evidence"]
