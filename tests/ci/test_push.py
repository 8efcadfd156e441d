"""From a push to a bare repository to the model behind the service and the comment, with no hand in between."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from forge import comments_api, copy_repository, make_bare, open_forge, results
from projects import DEMO, REPOSITORY, SMALL, Project

from cascada.config import override_value

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SETTINGS = [value for option, value in zip(SMALL[1::2], SMALL[2::2], strict=True) if option == "--set"]
WEAK = (
    "features=[lg_energy, sec_zenith, muon_residual]",
    "gate.min_accuracy=0.3",
    "gate.min_anomaly_auc=0.6",
    "gate.non_inferiority_margin=0.2",
)
"""A recipe that a better one can beat."""


@dataclass(frozen=True)
class Scene:
    """A developer's clone, the remote that runs workflows, and the machine whose worker trains."""

    developer: Path
    bare: Path
    agent: Project
    comments: list[dict[str, Any]]
    pulls: list[dict[str, Any]]

    def push(self, message: str, branch: str = "main") -> list[dict[str, Any]]:
        """Commit all, push, and return how the workflows ended."""
        git = ("-C", str(self.developer))
        self.agent.git(*git, "add", "--all")
        self.agent.git(*git, "commit", "--quiet", "--allow-empty", "--message", message)
        self.pulls[:] = [{"number": 7, "head": {"sha": self.head}}]
        pushed = self.agent.run("git", *git, "push", "--quiet", "origin", f"HEAD:{branch}", timeout=1200)
        assert pushed.returncode == 0, pushed.stderr
        return results(self.bare)

    @property
    def head(self) -> str:
        """The developer's commit."""
        return self.agent.git("-C", str(self.developer), "rev-parse", "HEAD").strip()

    def switch_off(self, *workflows: str) -> None:
        """Disable workflows, so that what was shown once takes no more time."""
        path = self.bare / "forge.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"disabled": workflows}))

    def edit(self, *settings: str) -> None:
        """Change the demo experiment in the developer's clone, as `--set` does."""
        path = self.developer / DEMO
        data: dict[str, Any] = yaml.safe_load(path.read_text())
        for setting in settings:
            override_value(data, setting)
        path.write_text(yaml.safe_dump(data))


@pytest.fixture(scope="module")
def scene(new_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    agent = new_project()
    folder, pulls = tmp_path_factory.mktemp("push"), []  # type: Path, list[dict[str, Any]]
    with comments_api(pulls) as (api, comments), platform_of(agent):
        variables = {
            "PREFECT_API_URL": f"{agent.settings.prefect_url}/api", "MLFLOW_TRACKING_URI": agent.settings.mlflow_url,
            "CASCADA_TESTS": "tests/test_notify.py -n0",
        }  # fmt: skip
        environment = agent.environment | {
            "PYTHONPATH": f"{{workspace}}:{agent.environment['PYTHONPATH']}", "GITHUB_API_URL": api,
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
        made = Scene(developer, bare, agent, comments, pulls)
        made.edit(*SETTINGS, *WEAK)
        yield made


@contextlib.contextmanager
def platform_of(project: Project) -> Iterator[None]:
    """Keep all servers of a project up."""
    answer = project.cascada("up", timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert "service" not in answer.stdout, "no model has a champion yet"
    try:
        yield
    finally:
        project.cascada("down")


def jobs_of(ended: list[dict[str, Any]], workflow: str) -> dict[str, dict[str, Any]]:
    (run,) = [run for run in ended if run["workflow"] == workflow]
    jobs: dict[str, dict[str, Any]] = run["jobs"]
    return jobs


@contextlib.contextmanager
def serving(scene: Scene, version: int) -> Iterator[list[float]]:
    """Watch the service; the list holds, at the end, for how many seconds its answers were of another version."""
    waited: list[float] = []
    started, over = time.monotonic(), threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            with contextlib.suppress(httpx.TransportError):
                told = httpx.get(f"{scene.agent.settings.service_url}/model").headers.get("x-model-version")
                if told == str(version):
                    waited.append(time.monotonic() - started)
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield waited
    over.set()
    watcher.join()


def tell_time(scene: Scene, served: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Print how long a push took until its model was served, beside the flow run that trained it."""
    body = {"flow_runs": {"tags": {"all_": ["ci:main:demo", f"commit:{scene.head}"]}}}
    (run,) = httpx.post(f"{scene.agent.settings.prefect_url}/api/flow_runs/filter", json=body).json()
    bare = float(run["total_run_time"])
    text = f"push to served model {served:.0f} s, of which training {bare:.0f} s, platform {served - bare:.0f} s"
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201


def test_a_push_ends_with_a_champion_behind_the_service(scene: Scene) -> None:
    with serving(scene, 1) as waited:
        ended = scene.push("start")
    for name, job in jobs_of(ended, "ci").items():
        assert job["result"] == "success", f"{name}: {job['log']}"
    assert jobs_of(ended, "ci")["wheel"]["outputs"]["wheel"].startswith("cascada-")
    train = jobs_of(ended, "train")
    assert train["train"]["result"] == "success", train["train"]["log"]
    assert train["train"]["outputs"]["versions"] == "demo@1"
    assert train["promote"]["result"] == "success", train["promote"]["log"]
    assert waited, "the first champion is served"
    assert scene.comments == [], "a push to main has no pull request"
    packaged = scene.agent.cascada("ci", "bento", "demo")
    assert packaged.stdout.startswith("cascada:demo-v1-"), packaged.stderr


def test_a_better_recipe_takes_the_place_of_the_champion(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.switch_off("ci")
    scene.edit("features=[lg_energy, sec_zenith, muon_residual, em_residual, xmax_residual]")
    with serving(scene, 2) as waited:
        train = jobs_of(scene.push("the depth of the maximum tells primaries apart"), "train")
    assert train["promote"]["result"] == "success", train["promote"]["log"]
    assert waited, "the service answers with the new champion"
    assert train["train"]["outputs"]["versions"] == "demo@2"
    tell_time(scene, waited[0], capsys)
    comments = sorted(
        (scene.bare.parent / "forge" / "artifacts").rglob("comment.md"), key=lambda one: one.stat().st_mtime
    )
    assert "champion, version 1" in comments[-1].read_text()
    headers = httpx.get(f"{scene.agent.settings.service_url}/model").headers
    assert headers["x-git-commit"].startswith(scene.head)


def test_the_champion_comes_out_again(scene: Scene) -> None:
    verified = open_forge(scene.bare).dispatch("verify", scene.head, model="demo")
    assert verified.conclusion == "success", verified.jobs["verify"].log
    reports = list((scene.bare.parent / "forge" / "artifacts").rglob("verification.xml"))
    assert "IDENTICAL" in reports[0].read_text() or "EQUIVALENT" in reports[0].read_text()


def test_a_push_of_documents_trains_nothing(scene: Scene) -> None:
    (scene.developer / "README.md").write_text("# changed\n")
    assert scene.push("documents") == []


def test_a_pull_request_gets_one_comment_that_is_replaced(scene: Scene) -> None:
    scene.edit("training.epochs=3")
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
        "champion, version 2",
        "flipped events",
        "epochs",
        "Reproducibility",
        "duration",
    ):
        assert told in posted["body"], told
    scene.edit("training.epochs=2")
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
