"""What a run of an experiment keeps: the experiment itself must come back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import REPOSITORY

from cascada.config import load_experiment
from flows.records import write_experiment

EXPERIMENTS = sorted((REPOSITORY / "flows" / "experiments").glob("*.yaml"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_resolved_experiment_is_the_same_experiment(path: Path, tmp_path: Path) -> None:
    """Overrides, the catalogue and defaults are in the file: nothing but the file is needed to read it again."""
    loaded = load_experiment(path, ["seed=77"], catalog=REPOSITORY / "data" / "catalog.yaml")
    write_experiment(loaded, tmp_path / "experiment.yaml")
    again = load_experiment(tmp_path / "experiment.yaml")
    assert again == loaded
    assert again.seed == 77
