"""Drift that orders a training: a real service's log, the deployed flow, a worker, and the gate's verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import yaml
from agents import working
from projects import Project
from services import answer_table

from cascada.config import SimulatorSource
from cascada.data.sources.simulator import simulate
from cascada.registry.promotion import read_verdict
from cascada.tracking import models

pytestmark = pytest.mark.slow

COLUMNS = {"energy_eev": "EeV", "zenith_deg": "deg", "n_mu": "1", "n_em": "1", "xmax_g_cm2": "g/cm2"}
EXPERIMENT: dict[str, Any] = {
    "name": "growing",
    "seed": 5,
    "features": ["lg_energy", "sec_zenith", "muon_residual", "em_residual", "xmax_residual"],
    "model": {"kind": "deep", "hidden": [16], "latent": 2},
    "training": {"epochs": 2},
    # No training keeps up to within nothing, so the first champion stays; what is ordered must not hang on that.
    "gate": {"min_accuracy": 0.2, "min_anomaly_auc": 0.3, "non_inferiority_margin": 0.0},
    "baselines": {"supervised": ["logistic"], "anomaly": ["pca"]},
    "shifts": {"hadronic_models": ["EPOS-LHC"], "muon_scales": [], "ageing_years": []},
}


@dataclass(frozen=True)
class Growing:
    """A project with a champion whose source is a folder that grows."""

    project: Project
    showers: Path


def simulated(seed: int) -> pl.DataFrame:
    frame = simulate(SimulatorSource(kind="simulator", showers=8000), seed).frame.select("primary", *COLUMNS)
    return frame.collect().with_columns(pl.col("primary").cast(pl.String))


@pytest.fixture(scope="module")
def growing(
    new_project: Callable[..., Project], prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Growing]:
    project, showers = new_project(PREFECT_API_URL=prefect_api), tmp_path_factory.mktemp("showers")
    simulated(seed=1).write_parquet(showers / "part-1.parquet")
    source = {
        "kind": "parquet", "files": ["part-*.parquet"], "directory": str(showers),
        "label": {"column": "primary", "values": {name: name for name in ("photon", "p", "He", "N", "Fe")}},
        "columns": {name: {"column": name, "unit": unit} for name, unit in COLUMNS.items()},
    }  # fmt: skip
    (project.root / "growing.yaml").write_text(yaml.safe_dump(EXPERIMENT | {"source": source}))
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "an experiment of files")
    assert project.train("growing.yaml")["released"]["champion"]
    with working(project):
        yield Growing(project, showers)


def answer_showers(project: Project, seed: int, muons: float = 1.0) -> None:
    """Have the deployed model answer ordinary showers into its prediction log."""
    showers = simulated(seed).filter(pl.col("primary") != "photon").select(*COLUMNS)
    table = showers.with_columns(pl.col("n_mu") * muons).to_arrow()
    settings, log = project.settings, project.settings.prediction_log("growing")
    assert log is not None
    answer_table(settings.served / "growing", settings.trusted, table, log=log)


def watch(project: Project, parameters: dict[str, Any]) -> None:
    """Run the deployment as its schedule does, on the worker, and wait for its end."""
    (project.root / "parameters.json").write_text(json.dumps(parameters))
    run = 'prefect deployment run drift/drift --params "$(cat parameters.json)" --watch'
    answer = project.run("bash", "-c", f'eval "$(cascada env)"\n{run}')
    assert answer.returncode == 0, answer.stdout + answer.stderr


def ordered(project: Project) -> list[dict[str, Any]]:
    """Read the trainings that drift has ordered."""
    asked = {"flow_runs": {"tags": {"all_": ["drift:growing"]}}}
    found: list[dict[str, Any]] = httpx.post(
        f"{project.environment['PREFECT_API_URL']}/flow_runs/filter", json=asked
    ).json()
    return found


def ended(project: Project) -> dict[str, Any]:
    """Wait for the end of the one training."""
    for _ in range(240):
        (run,) = ordered(project)
        if run["state"]["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
            return run
        time.sleep(1.0)
    raise AssertionError("the training does not end")


def test_one_drift_is_one_training_whose_version_the_gate_judges(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, retrain = growing.project, {"retrain": {"growing": "default"}}
    answer_showers(project, seed=3)
    watch(project, retrain)
    assert ordered(project) == [], "nothing has drifted"
    answer_showers(project, seed=4, muons=1.2)
    watch(project, {})
    assert ordered(project) == [], "nobody asked for a training"
    watch(project, {"retrain": {"growing": "nowhere", "absent": "default"}})
    assert ordered(project) == [], "nobody trains there; the watch goes on"
    simulated(seed=2).write_parquet(growing.showers / "part-2.parquet")
    watch(project, retrain)
    watch(project, retrain)
    assert ended(project)["state"]["type"] == "COMPLETED"
    watch(project, retrain)
    assert len(ordered(project)) == 1, "one for all the time that it drifts"
    for name, value in {**project.stores, "CASCADA_ROOT": str(project.root)}.items():
        monkeypatch.setenv(name, value)
    first, second = models.list_versions("growing")
    assert first.aliases == (models.CHAMPION,), "the verdict alone promotes"
    assert second.tags["data_sha256"] != first.tags["data_sha256"], "the file that came was read"
    verdict = read_verdict(second)
    assert verdict is not None
    assert verdict.contest is not None
    assert verdict.contest.rival == first.version
