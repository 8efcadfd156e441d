"""What users get wrong: a clear message, an exit code, and nothing written."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import DEMO, Project

TEXT_EXPERIMENT = """
name: mine
seed: 1
source:
  kind: text
  origin: a colleague
  licence: CC0
  citation: none
  directory: tables
  files: {photon: photon.txt, p: p.txt}
  columns:
    shower_id: {column: 0}
    energy_eev: {column: 1, unit: EeV}
    zenith_deg: {column: 2, unit: deg}
    n_mu: {column: 3}
    n_em: {column: 4}
reference: [p]
features: [lg_energy, sec_zenith, muon_residual, em_residual]
model: {kind: deep, latent: 2}
gate: {min_accuracy: 0.5, min_anomaly_auc: 0.5}
"""


@pytest.fixture
def lone(new_project: Callable[..., Project]) -> Project:
    """A project whose Prefect port nothing listens on."""
    return new_project()


def table(project: Project, change: Callable[[list[list[float]]], None]) -> None:
    """Write two text tables of simulated showers, changed by a test."""
    from cascada.config import SimulatorSource
    from cascada.data.sources.simulator import simulate

    (project.root / "mine.yaml").write_text(TEXT_EXPERIMENT)
    folder = project.root / "tables"
    folder.mkdir()
    showers = simulate(
        SimulatorSource(kind="simulator", showers=2000, primaries=("photon", "p")), seed=3
    ).frame.collect()
    for name in ("photon", "p"):
        part = showers.filter(showers["primary"] == name)
        columns = ("shower_id", "energy_eev", "zenith_deg", "n_mu", "n_em")
        rows = [list(row) for row in part.select(columns).iter_rows()]
        change(rows)
        (folder / f"{name}.txt").write_text("\n".join(" ".join(map(str, row)) for row in rows))


def radians(rows: list[list[float]]) -> None:
    for row in rows:
        row[2] *= 0.0174532925


def not_a_number(rows: list[list[float]]) -> None:
    for row in rows[::20]:
        row[3] = float("nan")


def gone(rows: list[list[float]]) -> None:
    rows.clear()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nope.yaml"], 2, "no such experiment file"),
        ([DEMO, "--set", "traning.epochs=3"], 2, "did you mean training?"),
        ([DEMO, "--set", "training.epoch=3"], 2, "did you mean epochs?"),
        ([DEMO, "--set", "training.epochs=-1"], 2, "training.epochs"),
        ([DEMO, "--set", "no-equals-sign"], 2, "dotted.key=value"),
        ([DEMO, "--no-such-option"], 2, "No such option"),
    ],
)
def test_a_wrong_experiment(lone: Project, arguments: list[str], code: int, told: str) -> None:
    answer = lone.cascada("train", *arguments)
    assert answer.returncode == code
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert [path.name for path in (lone.root / "data").iterdir()] == ["catalog.yaml"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "features=[muon_residuals]"], "did you mean muon_residual"),
        (["--set", "source.primaries=[photon, Fer]"], "did you mean Fe?"),
        (["--set", "reference=[photon, p, He, N, Fe]"], "every primary is called normal"),
    ],
)
def test_a_name_that_physics_does_not_know(project: Project, arguments: list[str], told: str) -> None:
    answer = project.cascada("train", DEMO, *arguments)
    assert answer.returncode == 2
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (radians, 3, "unit: rad"),
        (not_a_number, 3, "n_mu"),
        (gone, 4, "an input file is empty"),
    ],
)
def test_a_wrong_table(project: Project, change: Callable[[list[list[float]]], None], code: int, told: str) -> None:
    table(project, change)
    answer = project.cascada("train", "mine.yaml")
    assert answer.returncode == code, answer.stderr
    assert told in answer.stderr
    assert [path.name for path in (project.root / "data").iterdir()] == ["catalog.yaml"]


def test_an_unknown_column(project: Project) -> None:
    table(project, lambda rows: None)
    answer = project.cascada("train", "mine.yaml", "--set", "source.columns.n_mu.column=7")
    assert answer.returncode == 4
    assert "column 7, mapped to n_mu, is not in the file" in answer.stderr
    assert [path.name for path in (project.root / "data").iterdir()] == ["catalog.yaml"]


def test_no_git_repository(lone: Project, tmp_path: Path) -> None:
    answer = lone.run("cascada", "train", str(lone.root / DEMO), cwd=tmp_path)
    assert answer.returncode == 5
    assert "git init" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_repository_without_a_commit(project: Project, tmp_path: Path) -> None:
    project.run("git", "init", "--quiet", cwd=tmp_path)
    answer = project.run("cascada", "train", str(project.root / DEMO), cwd=tmp_path)
    assert answer.returncode == 5
    assert "git commit" in answer.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("server", "command"), [("prefect", "up"), ("mlflow", "up"), ("prefect", "demo"), ("service", "demo")]
)
def test_a_busy_port(lone: Project, server: str, command: str) -> None:
    port = getattr(lone.settings, f"{server}_port")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        answer = lone.cascada(command)
    assert answer.returncode == 5
    assert f"port {port}, meant for {server}, is in use" in answer.stderr
    assert f"CASCADA_{server.upper()}_PORT" in answer.stderr
    assert lone.cascada("status").stdout.strip().startswith("no server runs")


def test_a_port_that_is_no_number(lone: Project) -> None:
    answer = lone.run("env", "CASCADA_MLFLOW_PORT=many", "cascada", "status")
    assert answer.returncode == 2
    assert "CASCADA_MLFLOW_PORT" in answer.stderr


def test_no_service_and_no_champion(lone: Project) -> None:
    (lone.root / "events.json").write_text("[]")
    assert lone.cascada("predict", "events.json").returncode == 5
    assert lone.cascada("predict", "nothing.json").returncode == 4
    answer = lone.cascada("serve", "demo")
    assert answer.returncode == 6
    assert "no version of the model 'demo' has the alias 'champion'" in answer.stderr
