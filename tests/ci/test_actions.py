"""The runner on toy workflows: known answers of triggers, needs, matrix, outputs, environments, artifacts."""

from __future__ import annotations

import dataclasses
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions import Event, Forge, Run, WorkflowError, matches
from forge import pull_request
from repositories import git, write

CHECKOUT = {"uses": f"actions/checkout@{'a' * 40}", "with": {"persist-credentials": False}}
UPLOAD, DOWNLOAD = f"actions/upload-artifact@{'b' * 40}", f"actions/download-artifact@{'c' * 40}"


@pytest.fixture
def forge(tmp_path: Path) -> Callable[..., tuple[Forge, Event]]:
    """Make a forge whose repository has these workflows, and the push of its first commit."""

    def make(files: dict[str, str] | None = None, **workflows: dict[str, Any]) -> tuple[Forge, Event]:
        work = tmp_path / "work"
        work.mkdir()
        git(work, "init", "--quiet", "--initial-branch", "main")
        for name, workflow in workflows.items():
            write(work, f".github/workflows/{name}.yml", yaml.safe_dump({"on": "push"} | workflow))
        for name, text in ({"readme": "x"} | (files or {})).items():
            write(work, name, text)
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message", "start")
        git(tmp_path, "clone", "--quiet", "--bare", str(work), "remote.git")
        sha = git(work, "rev-parse", "HEAD").strip()
        made = Forge(tmp_path / "remote.git", tmp_path / "forge", say=lambda _: None)
        made.home.mkdir()
        return made, Event("push", sha, "refs/heads/main")

    return make


def job(*runs: str, **more: Any) -> dict[str, Any]:
    return {"steps": [{"run": run} for run in runs]} | more


def only(runs: list[Run]) -> Run:
    (run,) = runs
    return run


def test_outputs_travel_through_needs_and_a_failure_skips_what_follows(
    forge: Callable[..., tuple[Forge, Event]],
) -> None:
    say = {"id": "say", "run": 'echo "word=a b" >> "$GITHUB_OUTPUT"'}
    fine = {"steps": [say], "outputs": {"word": "${{ steps.say.outputs.word }}"}}
    heard = job('test "$WORD" = "a b"', needs="fine", env={"WORD": "${{ needs.fine.outputs.word }}"})
    jobs = {
        "fine": fine, "heard": heard, "broken": job("exit 3", "echo never"), "after": job("true", needs="broken"),
        "anyway": job("true", needs="broken", **{"if": "failure()"}),
    }  # fmt: skip
    made, event = forge(toy={"jobs": jobs})
    run = only(made.trigger(event))
    results = {name: ended.result for name, ended in run.jobs.items()}
    assert results == {
        "fine": "success",
        "heard": "success",
        "broken": "failure",
        "after": "skipped",
        "anyway": "success",
    }
    assert "never" not in run.jobs["broken"].log.replace("$ echo never", "")
    assert run.conclusion == "failure"


def test_every_leg_of_a_matrix_runs_and_one_that_fails_fails_the_job(forge: Callable[..., tuple[Forge, Event]]) -> None:
    legs = job(
        "echo leg ${{ matrix.a }}${{ matrix.b }}; test ${{ matrix.a }} != 2",
        strategy={"matrix": {"a": [1, 2], "b": ["x", "y"]}},
    )
    made, event = forge(toy={"jobs": {"legs": legs}})
    ended = only(made.trigger(event)).jobs["legs"]
    assert ended.result == "failure"
    assert [leg for leg in ("1x", "1y", "2x", "2y") if f"leg {leg}" in ended.log] == ["1x", "1y", "2x", "2y"]


def test_an_environment_waits_for_approval(forge: Callable[..., tuple[Forge, Event]]) -> None:
    made, event = forge(toy={"jobs": {"promote": job("echo promoted", environment="production")}})
    refused = only(made.trigger(event)).jobs["promote"]
    assert (refused.result, refused.log) == ("failure", "nobody approved production")
    made.approve = lambda place: place == "production"
    assert only(made.trigger(event)).jobs["promote"].result == "success"


def test_filters_of_paths_and_branches(forge: Callable[..., tuple[Forge, Event]], tmp_path: Path) -> None:
    on = {"push": {"branches": ["main"], "paths": ["src/**"]}}
    made, event = forge(toy={"on": on, "jobs": {"a": job("true")}}, files={"src/deep/a.py": ""})
    assert len(made.trigger(event)) == 1, "all files of a first push are new"
    write(tmp_path / "work", "readme", "changed")
    git(tmp_path / "work", "commit", "--quiet", "--all", "--message", "documents")
    git(tmp_path / "work", "push", "--quiet", str(made.bare), "main")
    later = dataclasses.replace(event, sha=git(tmp_path / "work", "rev-parse", "HEAD").strip(), before=event.sha)
    assert made.trigger(later) == []
    assert made.trigger(dataclasses.replace(event, ref="refs/heads/other")) == []


@pytest.mark.parametrize(
    ("pattern", "name", "expected"), [("a/*", "a/b/c", False), ("a/**", "a/b/c", True), ("*.md", "x.md", True)]
)
def test_globs(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


def test_a_fork_sees_no_secrets_and_no_variables(forge: Callable[..., tuple[Forge, Event]]) -> None:
    show = {"run": 'echo "got [$S][$V]"', "env": {"S": "${{ secrets.KEY }}", "V": "${{ vars.URL }}"}}
    made, event = forge(toy={"on": ["pull_request"], "jobs": {"a": {"steps": [show]}}})
    made.secrets, made.variables = {"KEY": "s3cret"}, {"URL": "there"}
    own = only(made.trigger(pull_request(made, "topic", event.sha)))
    fork = only(made.trigger(pull_request(made, "topic", event.sha, repository="stranger/cascada")))
    assert "got [s3cret][there]" in own.jobs["a"].log
    assert "got [][]" in fork.jobs["a"].log


def test_artifacts_and_the_workflow_that_waits_for_the_run(forge: Callable[..., tuple[Forge, Event]]) -> None:
    upload = {"uses": UPLOAD, "with": {"name": "n", "path": "out"}}
    first = {"name": "first", "jobs": {"a": {"steps": [CHECKOUT, {"run": "mkdir out; echo kept > out/x"}, upload]}}}
    download = {"uses": DOWNLOAD, "with": {"name": "n", "path": "in", "run-id": "${{ github.event.workflow_run.id }}"}}
    read = {
        "run": 'cat in/x; echo "$WHO"',
        "env": {"WHO": "${{ github.event.workflow_run.head_repository.owner.login }}"},
    }
    second = {"on": {"workflow_run": {"workflows": ["first"]}}, "jobs": {"b": {"steps": [download, read]}}}
    made, event = forge(first=first, second=second)
    runs = made.trigger(event)
    assert [run.workflow for run in runs] == ["first", "second"]
    assert "kept\nowner" in runs[1].jobs["b"].log


def test_a_later_run_of_a_group_cancels_the_one_in_progress(forge: Callable[..., tuple[Forge, Event]]) -> None:
    group = {"group": "g-${{ github.ref }}", "cancel-in-progress": True}
    made, event = forge(toy={"concurrency": group, "jobs": {"a": job("echo begun; sleep ${{ vars.SECONDS }}")}})
    made.variables = {"SECONDS": "60"}
    first: list[Run] = []
    thread = threading.Thread(target=lambda: first.extend(made.trigger(event)))
    thread.start()
    while not any("begun" in log.read_text() for log in made.home.glob("work/*/*/temp/log")):
        time.sleep(0.05)
    second = only(dataclasses.replace(made, variables={"SECONDS": "0"}).trigger(event))
    thread.join()
    assert only(first).conclusion == "cancelled"
    assert second.conclusion == "success"


def test_reusable_workflows_have_their_inputs_and_only_the_secrets_that_they_are_given(
    forge: Callable[..., tuple[Forge, Event]],
) -> None:
    show = {
        "run": 'echo "[$W][$A][$B]"',
        "env": {"W": "${{ inputs.word }}", "A": "${{ secrets.A }}", "B": "${{ secrets.B }}"},
    }
    called = {"on": {"workflow_call": {"inputs": {"word": {"type": "string"}}}}, "jobs": {"x": {"steps": [show]}}}
    call = {"uses": "./.github/workflows/called.yml", "with": {"word": "hi"}, "secrets": {"A": "${{ secrets.A }}"}}
    made, event = forge(toy={"jobs": {"call": call}}, called=called)
    made.secrets = {"A": "1", "B": "2"}
    assert "[hi][1][]" in only(made.trigger(event)).jobs["call"].log


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"uses": "actions/checkout@v4"}, "not pinned to a commit"),
        ({"uses": f"actions/checkout@{'a' * 40}"}, "keeps the token"),
        ({"uses": f"stranger/thing@{'a' * 40}"}, "has no stranger/thing"),
        ({"uses": f"actions/setup-python@{'a' * 40}", "with": {"python-version": "2.7"}}, "has no Python 2.7"),
    ],
)
def test_what_the_runner_cannot_do_fails_with_a_message(
    forge: Callable[..., tuple[Forge, Event]], step: dict[str, Any], said: str
) -> None:
    made, event = forge(toy={"jobs": {"a": {"steps": [step]}}})
    ended = only(made.trigger(event)).jobs["a"]
    assert ended.result == "failure"
    assert said in ended.log


def test_dispatch_checks_its_inputs(forge: Callable[..., tuple[Forge, Event]]) -> None:
    pool = {"type": "choice", "options": ["default", "gpu"], "default": "default"}
    on = {"workflow_dispatch": {"inputs": {"pool": pool, "model": {"type": "string", "required": True}}}}
    made, event = forge(toy={"on": on, "jobs": {"a": job("echo ${{ inputs.pool }}")}})
    assert "default" in made.dispatch("toy", event.sha, model="demo").jobs["a"].log
    with pytest.raises(WorkflowError, match="model is required"):
        made.dispatch("toy", event.sha)
    with pytest.raises(WorkflowError, match="none of"):
        made.dispatch("toy", event.sha, model="demo", pool="moon")


def test_a_push_runs_the_hook_of_a_bare_repository(tmp_path: Path) -> None:
    from forge import make_bare, results

    bare, work = make_bare(tmp_path, {"variables": {"WORD": "heard"}}), tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch", "main")
    write(work, ".github/workflows/a.yml", yaml.safe_dump({"on": "push", "jobs": {"a": job("echo ${{ vars.WORD }}")}}))
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "start")
    subprocess.run(["git", "push", "--quiet", str(bare), "main"], cwd=work, check=True, capture_output=True)
    (run,) = results(bare)
    assert run["conclusion"] == "success"
    assert "heard" in run["jobs"]["a"]["log"]
