"""The service of a champion, started as users start it and asked over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from projects import REPOSITORY, SMALL, Project, free_port

from cascada.registry.bundle import Bundle
from cascada.settings import process_environment

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what must be refused
EVENT = {"energy_eev": 10.0, "zenith_deg": 38.0, "n_mu": 5.5e7, "n_em": 3.1e10, "xmax_g_cm2": 750.0}


@pytest.fixture(scope="module")
def served(new_project: Callable[..., Project], prefect_api: str) -> tuple[Project, dict[str, Any]]:
    """A project with a trained champion behind a running service."""
    project = new_project(PREFECT_API_URL=prefect_api)
    outcome = project.train(*SMALL)
    answer = project.cascada("serve", "demo")
    assert answer.returncode == 0, answer.stderr
    return project, outcome


def post(project: Project, body: Any) -> httpx.Response:
    return httpx.post(f"{project.settings.service_url}/predict", json=body, timeout=30)


def test_answers_are_those_of_the_bundle_that_was_judged(served: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = served
    showers = pl.read_parquet(project.root / "data" / "demo" / "showers.parquet").head(300)
    bundle = Bundle(project.root / ".cascada" / "mlartifacts" / outcome["run_id"] / "artifacts" / "bundle")
    expected = bundle.predict({name: showers[name].cast(pl.Float64).to_numpy() for name in bundle.columns})
    answer = post(project, {"events": showers.select(EVENT.keys()).to_dicts()}).json()
    for i, prediction in enumerate(answer["predictions"]):
        assert prediction["primary"] == bundle.spec.classes[int(expected.probabilities[i].argmax())]
        assert list(prediction["probabilities"].values()) == expected.probabilities[i].tolist()
        assert prediction["anomaly_score"] == expected.anomaly_score[i]
        assert prediction["p_value"] == expected.p_value[i]


def test_every_answer_says_where_it_came_from(served: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = served
    model = post(project, {"events": [EVENT]}).json()["model"]
    assert model == outcome["released"]["identity"]
    assert model["git_commit"] == project.git("rev-parse", "HEAD").strip()
    assert model["data_sha256"] == outcome["ingested"]["snapshot"]["content_sha256"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"energy_eev": None}, "this model needs 'energy_eev'"),
        ({"energy_eev": 1e10}, "0.99 to 320 EeV"),
        ({"zenith_deg": -1.0}, "0 to 60.001 deg"),
        ({"zenith_deg": "steep"}, "zenith_deg"),
        ({"n_mu": 0}, "n_mu"),
        ({"xmax_g_cm2": None}, "this model needs 'xmax_g_cm2'"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_wrong_event_is_refused_with_its_field(
    served: tuple[Project, dict[str, Any]], change: dict[str, Any], told: str
) -> None:
    answer = post(served[0], {"events": [EVENT | change]})
    assert 400 <= answer.status_code < 500
    assert told in answer.text


@pytest.mark.parametrize("body", [{}, {"events": []}, {"events": "all"}, {"events": [EVENT] * 10_001}])
def test_a_wrong_request_is_refused(served: tuple[Project, dict[str, Any]], body: Any) -> None:
    answer = post(served[0], body)
    assert 400 <= answer.status_code < 500
    assert "events" in answer.text


def test_not_a_number_is_refused(served: tuple[Project, dict[str, Any]]) -> None:
    body = json.dumps({"events": [EVENT]}).replace("10.0", "NaN")
    url, headers = f"{served[0].settings.service_url}/predict", {"Content-Type": "application/json"}
    assert 400 <= httpx.post(url, content=body, headers=headers).status_code < 500


def test_an_event_beyond_what_was_learnt_is_flagged(served: tuple[Project, dict[str, Any]]) -> None:
    answer = post(served[0], {"events": [EVENT, EVENT | {"n_mu": 1e4}]}).json()["predictions"]
    assert [prediction["in_domain"] for prediction in answer] == [True, False]


def test_ln_mass_is_the_mean_under_the_nuclei(served: tuple[Project, dict[str, Any]]) -> None:
    (answer,) = post(served[0], {"events": [EVENT]}).json()["predictions"]
    ln_mass = {"p": 0.0, "He": np.log(4), "N": np.log(14), "Fe": np.log(56)}
    share = {name: answer["probabilities"][name] for name in ln_mass}
    mean = sum(share[name] * ln_mass[name] for name in ln_mass) / sum(share.values())
    square = sum(share[name] * ln_mass[name] ** 2 for name in ln_mass) / sum(share.values())
    assert answer["ln_mass"] == pytest.approx(mean, abs=1e-4)
    assert answer["ln_mass_sigma"] == pytest.approx(np.sqrt(square - mean**2), abs=1e-3)


def test_the_schema_names_units_and_ranges(served: tuple[Project, dict[str, Any]]) -> None:
    schema = httpx.get(f"{served[0].settings.service_url}/docs.json").json()["components"]["schemas"]["ShowerEvent"]
    zenith = schema["properties"]["zenith_deg"]
    assert zenith["maximum"] == 60.001
    assert "deg" in zenith["description"]


def test_the_command_line_asks_it(served: tuple[Project, dict[str, Any]]) -> None:
    project, _ = served
    (project.root / "events.json").write_text(json.dumps([EVENT, EVENT]))
    answer = project.cascada("predict", "events.json", "--json")
    assert answer.returncode == 0, answer.stderr
    assert len(json.loads(answer.stdout)["predictions"]) == 2
    (project.root / "events.json").write_text(json.dumps([EVENT | {"zenith_deg": 75}]))
    refused = project.cascada("predict", "events.json")
    assert refused.returncode == 4
    assert "zenith_deg" in refused.stderr


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_batch_is_predicted_into_a_table(served: tuple[Project, dict[str, Any]], suffix: str) -> None:
    project, _ = served
    batch = pl.DataFrame([EVENT, EVENT | {"n_mu": 1e7}]).with_columns(station=pl.lit("north"))
    write = batch.write_csv if suffix == "csv" else batch.write_parquet
    write(project.root / f"batch.{suffix}")
    answer = project.cascada("predict", f"batch.{suffix}", "--out", "answers.parquet", "--json")
    assert answer.returncode == 0, answer.stderr
    table = pl.read_parquet(project.root / "answers.parquet")
    single = post(project, {"events": [EVENT]}).json()["predictions"][0]
    assert table["n_mu"].to_list() == batch["n_mu"].to_list()
    assert table["primary_pred"][0] == single["primary"]
    assert table["anomaly_score"][0] == single["anomaly_score"]
    assert table["probability_Fe"][0] == single["probabilities"]["Fe"]


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"zenith_deg": 1.2e3}, 3, "zenith_deg"),
        ({"energy_eev": None}, 3, "energy_eev"),
        ({"n_mu": "drop"}, 4, "this model needs 'n_mu'"),
        ({"energy_eev": float("nan")}, 3, "energy_eev"),
    ],
)
def test_a_batch_that_does_not_meet_its_suite_is_not_sent(
    served: tuple[Project, dict[str, Any]], change: dict[str, Any], code: int, told: str
) -> None:
    project, _ = served
    rows = pl.DataFrame([EVENT] * 99 + [EVENT | change] if "drop" not in change.values() else [EVENT])
    rows = rows.drop([name for name, value in change.items() if value == "drop"])
    rows.write_parquet(project.root / "bad.parquet")
    refused = project.cascada("predict", "bad.parquet", "--out", "none.parquet")
    assert refused.returncode == code, refused.stderr
    assert told in refused.stderr
    assert not (project.root / "none.parquet").exists()


def test_a_table_of_something_else_is_refused_with_the_names_to_use(served: tuple[Project, dict[str, Any]]) -> None:
    project, _ = served
    pl.DataFrame({"E": [1.0], "theta": [0.2]}).write_parquet(project.root / "other.parquet")
    refused = project.cascada("predict", "other.parquet")
    assert refused.returncode == 4
    assert "energy_eev" in refused.stderr
    assert "E, theta" in refused.stderr


def test_what_serves_needs_neither_torch_nor_mlflow_nor_prefect(served: tuple[Project, dict[str, Any]]) -> None:
    source = Path(served[1]["released"]["bento"]) / "src"
    check = (
        f"import sys; sys.path.insert(0, {str(source)!r}); import serving.app, serving.service as s;"
        f"assert s.__file__.startswith({str(source)!r}), s.__file__;"
        "import cascada; assert cascada.__file__.startswith(sys.path[0]), cascada.__file__;"
        "heavy = {'torch', 'mlflow', 'prefect', 'polars'} & set(sys.modules); assert not heavy, heavy"
    )
    answer = served[0].run(sys.executable, "-c", check, cwd=source)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "trusted", "told"), [(EVERYWHERE, True, "no API keys"), ("127.0.0.1", False, "whose models it may serve")]
)
def test_a_service_that_may_not_start_says_why_and_ends(
    served: tuple[Project, dict[str, Any]], host: str, trusted: bool, told: str
) -> None:
    project, outcome = served
    environment = project.environment | process_environment(project.settings)
    if not trusted:
        del environment["CASCADA_TRUSTED_KEYS"]
    command = [sys.executable, "-m", "bentoml", "serve", outcome["released"]["bento"], "--api-workers", "1"]
    answer = subprocess.run(
        [*command, "--host", host, "--port", str(free_port())], env=environment, cwd=project.root,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert told in answer.stdout + answer.stderr


def test_down_stops_what_was_started_here_and_keeps_what_was_answered(served: tuple[Project, dict[str, Any]]) -> None:
    project, outcome = served
    assert post(project, {"events": [EVENT] * 300}).status_code == 200
    assert "service" in json.loads(project.cascada("status", "--json").stdout)[0]["name"]
    assert "service" in project.cascada("down").stdout
    with pytest.raises(httpx.TransportError):
        post(project, {"events": [EVENT]})
    kept = pl.read_parquet(project.root / ".cascada" / "predictions" / "demo" / "*.parquet")
    assert set(kept["model_run_id"]) == {outcome["run_id"]}
    assert kept.height >= 300
    guide = (REPOSITORY / "docs" / "monitoring.md").read_text()
    for command in re.findall(r"```sh\n(.*?)```", guide, flags=re.DOTALL)[0].splitlines():
        assert project.run("bash", "-c", command).returncode == 0, "with so few events there is no alarm"
    one_shower = project.cascada("drift", "demo", "--window", "50", "--json")
    assert one_shower.returncode == 1, "one shower asked 300 times is not the world of the fit"
    found = json.loads(one_shower.stdout)
    assert (found["version"], found["compared"]) == (outcome["released"]["identity"]["version"], True)
