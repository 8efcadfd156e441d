"""From a push to a bare repository to the promoted model, the verification and the comment, with no hand in between."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from agents import working
from forge import comments_api, copy_repository, make_bare, open_forge, results
from projects import DEMO, REPOSITORY, SMALL, Project

from cascada.config import override_value
from cascada.tracking import models

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SETTINGS = [value for option, value in zip(SMALL[1::2], SMALL[2::2], strict=True) if option == "--set"]


@dataclass(frozen=True)
class Scene:
    """A developer's clone, the remote that runs workflows, and the machine whose worker trains."""

    developer: Path
    bare: Path
    agent: Project
    prefect_api: str
    comments: list[dict[str, Any]]
    pulls: list[dict[str, Any]]

    def push(self, message: str, branch: str = "main") -> list[dict[str, Any]]:
        """Commit all, push, and return how the workflows ended."""
        git = ("-C", str(self.developer))
        self.agent.git(*git, "add", "--all")
        self.agent.git(*git, "commit", "--quiet", "--allow-empty", "--message", message)
        sha = self.agent.git(*git, "rev-parse", "HEAD").strip()
        self.pulls[:] = [{"number": 7, "head": {"sha": sha}}]
        pushed = self.agent.run("git", *git, "push", "--quiet", "origin", f"HEAD:{branch}", timeout=1200)
        assert pushed.returncode == 0, pushed.stderr
        return results(self.bare)

    def switch_off(self, *workflows: str) -> None:
        """Disable workflows, so that what was shown once takes no more time."""
        path = self.bare / "forge.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"disabled": workflows}))

    def edit(self, **values: Any) -> None:
        """Change the demo experiment in the developer's clone."""
        path = self.developer / DEMO
        data: dict[str, Any] = yaml.safe_load(path.read_text())
        for key, value in values.items():
            override_value(data, f"{key.replace('__', '.')}={value}")
        path.write_text(yaml.safe_dump(data))


@pytest.fixture(scope="module")
def scene(
    new_project: Callable[..., Project], prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    agent = new_project(PREFECT_API_URL=prefect_api)
    folder, pulls = tmp_path_factory.mktemp("push"), []  # type: Path, list[dict[str, Any]]
    with comments_api(pulls) as (api, comments):
        variables = {
            "PREFECT_API_URL": prefect_api, "MLFLOW_TRACKING_URI": agent.stores["MLFLOW_TRACKING_URI"],
            "CASCADA_TESTS": "tests/test_notify.py -n0",
        }  # fmt: skip
        environment = {key: value for key, value in agent.environment.items() if key != "PREFECT_API_URL"}
        environment |= {
            "PYTHONPATH": f"{{workspace}}:{environment['PYTHONPATH']}", "GITHUB_API_URL": api,
            "CASCADA_TRUSTED_KEYS": str(agent.settings.keys), "PREFECT_HOME": agent.stores["PREFECT_HOME"],
        }  # fmt: skip
        bare = make_bare(
            folder,
            {
                "variables": variables, "environment": environment, "approved": ["production"],
                "matrix": {"python": "{}.{}".format(*sys.version_info)}, "venv": str(Path(sys.prefix)),
                "secrets": {"GITHUB_TOKEN": "t"},
            },
        )  # fmt: skip
        developer = folder / "developer"
        copy_repository(REPOSITORY, developer)
        agent.git("-C", str(developer), "init", "--quiet", "--initial-branch", "main")
        agent.git("-C", str(developer), "remote", "add", "origin", str(bare))
        agent.git("remote", "add", "origin", str(bare))
        with working(agent):
            made = Scene(developer, bare, agent, prefect_api, comments, pulls)
            for setting in SETTINGS:
                made.edit(**{setting.partition("=")[0].replace(".", "__"): setting.partition("=")[2]})
            yield made


def jobs_of(ended: list[dict[str, Any]], workflow: str) -> dict[str, dict[str, Any]]:
    (run,) = [run for run in ended if run["workflow"] == workflow]
    jobs: dict[str, dict[str, Any]] = run["jobs"]
    return jobs


def spent(scene: Scene, train: dict[str, dict[str, Any]]) -> str:
    """Tell how long the workflow `train` took, and how much of that the training itself."""
    body = {"flow_runs": {"tags": {"all_": ["ci:main:demo"]}}}
    (run,) = httpx.post(f"{scene.prefect_api}/flow_runs/filter", json=body).json()
    jobs = ", ".join(f"{name} {job['seconds']:.0f} s" for name, job in train.items())
    total, bare = sum(job["seconds"] for job in train.values()), run["total_run_time"]
    return f"push to promoted model {total:.0f} s ({jobs}), training {bare:.0f} s, the platform {total - bare:.0f} s"


def test_a_push_ends_with_a_champion_and_its_verification(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = scene.push("start")
    for name, job in jobs_of(ended, "ci").items():
        assert job["result"] == "success", f"{name}: {job['log']}"
    assert jobs_of(ended, "ci")["wheel"]["outputs"]["wheel"].startswith("cascada-")
    train = jobs_of(ended, "train")
    assert train["train"]["result"] == "success", train["train"]["log"]
    assert train["train"]["outputs"]["versions"] == "demo@1"
    sys.stdout.write(f"{spent(scene, train)}\n")
    assert train["promote"]["result"] == "success", train["promote"]["log"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", scene.agent.stores["MLFLOW_TRACKING_URI"])
    champion = models.find_alias("demo", models.CHAMPION)
    assert champion is not None
    assert champion.version == 1
    assert scene.comments == [], "a push to main has no pull request"
    packaged = scene.agent.cascada("ci", "bento", "demo")
    assert packaged.stdout.startswith("cascada:demo-v1-"), packaged.stderr
    sha = scene.agent.git("-C", str(scene.developer), "rev-parse", "HEAD").strip()
    verified = open_forge(scene.bare).dispatch("verify", sha, model="demo")
    assert verified.conclusion == "success", verified.jobs["verify"].log
    reports = list((scene.bare.parent / "forge" / "artifacts").rglob("verification.xml"))
    assert "IDENTICAL" in reports[0].read_text() or "EQUIVALENT" in reports[0].read_text()


def test_a_push_of_documents_trains_nothing(scene: Scene) -> None:
    scene.switch_off("ci")
    (scene.developer / "README.md").write_text("# changed\n")
    assert scene.push("documents") == []


def test_a_pull_request_gets_one_comment_that_is_replaced(scene: Scene) -> None:
    scene.edit(training__epochs=3)
    ended = scene.push("fewer epochs", "topic")
    train = jobs_of(ended, "train")
    assert train["train"]["result"] == "success", train["train"]["log"]
    assert train["promote"]["result"] == "skipped"
    comment = jobs_of(ended, "comment")["comment"]
    assert comment["result"] == "success", comment["log"]
    (posted,) = scene.comments
    assert posted["path"] == "/repos/owner/cascada/issues/7/comments"
    for told in (
        "energy",
        "champion, version 1",
        "flipped events",
        "epochs",
        "Reproducibility",
        "duration",
    ):
        assert told in posted["body"], told
    scene.edit(training__epochs=2)
    before = posted["body"]
    scene.push("fewer still", "topic")
    (replaced,) = scene.comments
    assert replaced["edited"]
    assert replaced["body"] != before


def test_a_broken_experiment_is_told_in_the_log(scene: Scene) -> None:
    (scene.developer / DEMO).write_text("name: demo\nseed: [")
    train = jobs_of(scene.push("broken", "topic"), "train")
    assert train["train"]["result"] == "failure"
    assert "cannot be read as YAML" in train["train"]["log"]
    shutil.copy(REPOSITORY / DEMO, scene.developer / DEMO)
