"""A local runner of GitHub's workflows: what a push or a pull request triggers is executed, step by step.

Real: triggers with filters of branches and paths, needs, matrix, if, outputs, env, concurrency, environments with
approval, composite actions, reusable workflows, `workflow_run`. Shims: checkout, setup-python, the artifacts,
terraform and credentials of AWS.
Anything else that a workflow uses is an error.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from expressions import holds, interpolate, to_text, truth

WORKFLOWS = ".github/workflows"


class WorkflowError(Exception):
    """A workflow that GitHub would refuse, or that needs what this runner lacks."""


@dataclass
class Event:
    """What happened: name, payload, and the commit that workflows run at."""

    name: str
    sha: str
    ref: str
    payload: dict[str, Any] = field(default_factory=dict)
    before: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def branch(self) -> str:
        base = self.payload.get("pull_request", {}).get("base", {}).get("ref")
        return base or self.ref.removeprefix("refs/heads/")


@dataclass
class Job:
    """How a job ended."""

    result: str = "success"
    outputs: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    seconds: float = 0.0


@dataclass
class Run:
    """How a workflow ended."""

    id: str
    workflow: str
    event: Event
    jobs: dict[str, Job]

    @property
    def conclusion(self) -> str:
        results = {job.result for job in self.jobs.values()}
        return next((one for one in ("failure", "cancelled") if one in results), "success")


@dataclass
class Forge:
    """What stands in for GitHub.

    Attributes
    ----------
    bare
        The repository that was pushed to.
    home
        Where workspaces, artifacts and locks go.
    approve
        Whether a reviewer lets a job enter an environment, by the environment's name.
    matrix
        Values that legs of a matrix must have to be run here, such as the Python that this machine has.
    environment
        Of every step; ``{workspace}`` stands for its folder.
    disabled
        Workflows that are switched off, as a repository's settings do.
    prepare
        Called with a workspace after its checkout: what a runner's image has ready.
    """

    bare: Path
    home: Path
    name: str = "owner/cascada"
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    approve: Callable[[str], bool] = lambda _: False
    matrix: dict[str, str] = field(default_factory=dict)
    disabled: tuple[str, ...] = ()
    prepare: Callable[[Path], None] = lambda _: None
    say: Callable[[str], None] = print

    def trigger(self, event: Event) -> list[Run]:
        """Run every workflow that an event triggers, and then those that wait for the end of these."""
        default = "refs/heads/main" if event.name == "workflow_run" else event.sha
        known = {name: text for name, text in self.workflows(default).items() if name not in self.disabled}
        started = [name for name, text in known.items() if is_triggered(text, event, self.changed)]
        runs = [self._start(name, known[name], event) for name in started]
        for run in list(runs):
            if event.name != "workflow_run":
                runs += self.trigger(self._ended(run))
        return runs

    def dispatch(self, workflow: str, sha: str, **inputs: Any) -> Run:
        """Start a workflow by hand."""
        event = Event("workflow_dispatch", sha, "refs/heads/main", {"inputs": inputs}, inputs=inputs)
        text = self.workflows(sha)[workflow]
        known = triggers(text).get("workflow_dispatch") or {}
        declared = known.get("inputs", {})
        for name, rule in declared.items():
            event.inputs.setdefault(name, rule.get("default"))
            if rule.get("required") and event.inputs[name] in (None, ""):
                raise WorkflowError(f"{workflow}: the input {name} is required")
            if rule.get("type") == "choice" and event.inputs[name] not in rule["options"]:
                raise WorkflowError(f"{workflow}: {name} is none of {rule['options']}")
        return self._start(workflow, text, event)

    def workflows(self, sha: str) -> dict[str, dict[Any, Any]]:
        """Read the workflows of a commit, by file name without ending."""
        names = self.git("ls-tree", "--name-only", sha, f"{WORKFLOWS}/").split()
        return {Path(name).stem: yaml.safe_load(self.git("show", f"{sha}:{name}")) for name in names}

    def changed(self, event: Event) -> list[str]:
        """List the files that an event changed."""
        if not event.before.strip("0"):
            return self.git("ls-tree", "-r", "--name-only", event.sha).split()
        return self.git("diff", "--name-only", event.before, event.sha).split()

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.bare, check=True, capture_output=True, text=True).stdout

    def _start(self, name: str, workflow: dict[Any, Any], event: Event) -> Run:
        self.say(f"workflow {name} ({event.name})")
        return _Execution(self, uuid.uuid4().hex[:8], name, workflow, event, event.inputs, self.secrets).run()

    def _ended(self, run: Run) -> Event:
        pull = run.event.payload.get("pull_request", {})
        repository = pull.get("head", {}).get("repo", {"full_name": self.name})
        owner = {"login": repository["full_name"].partition("/")[0]}
        told = {
            "id": run.id, "name": run.workflow, "event": run.event.name, "conclusion": run.conclusion,
            "head_sha": pull.get("head", {}).get("sha", run.event.sha),
            "head_branch": pull.get("head", {}).get("ref", run.event.branch),
            "head_repository": repository | {"owner": owner},
        }  # fmt: skip
        main = self.git("rev-parse", "refs/heads/main").strip()
        return Event("workflow_run", main, "refs/heads/main", {"workflow_run": told, "action": "completed"})


def triggers(workflow: Mapping[Any, Any]) -> dict[str, Any]:
    """Read what starts a workflow; YAML 1.1 takes the key ``on`` for a truth value."""
    on = workflow.get("on", workflow.get(True))
    if isinstance(on, str):
        return {on: None}
    return dict.fromkeys(on) if isinstance(on, list) else dict(on or {})


def is_triggered(workflow: Mapping[Any, Any], event: Event, changed: Callable[[Event], list[str]]) -> bool:
    """Tell whether an event starts a workflow: name, type, branches, paths."""
    on = triggers(workflow)
    if event.name not in on:
        return False
    rule = on[event.name] or {}
    if event.name == "workflow_run":
        return event.payload["workflow_run"]["name"] in rule["workflows"]
    types = rule.get("types", ["opened", "synchronize", "reopened"] if event.name == "pull_request" else None)
    if types is not None and event.payload.get("action") not in types:
        return False
    if "branches" in rule and not any(matches(one, event.branch) for one in rule["branches"]):
        return False
    return "paths" not in rule or any(matches(one, path) for one in rule["paths"] for path in changed(event))


def matches(pattern: str, name: str) -> bool:
    """Match a filter: ``*`` stays within a folder, ``**`` does not.

    >>> matches("cascada/**", "cascada/a/b.py"), matches("*.md", "docs/a.md")
    (True, False)
    """
    parts = (
        ".*" if one == "**" else "[^/]*" if one == "*" else re.escape(one) for one in re.split(r"(\*\*|\*)", pattern)
    )
    return re.fullmatch("".join(parts), name) is not None


class _Execution:
    """One run of one workflow."""

    def __init__(
        self, forge: Forge, run_id: str, name: str, workflow: Mapping[Any, Any], event: Event,
        inputs: Mapping[str, Any], secrets: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.forge, self.run_id, self.name, self.workflow, self.event = forge, run_id, name, workflow, event
        self.inputs, self.secrets = inputs, secrets
        self.jobs: dict[str, Job] = {}

    def run(self) -> Run:
        with self._concurrency(self.workflow.get("concurrency"), self.contexts()) as group:
            self._run_jobs(group)
        return Run(self.run_id, self.name, self.event, self.jobs)

    def _run_jobs(self, group: _Group) -> None:
        waiting = dict(self.workflow["jobs"])
        while waiting:
            ready = [name for name, job in waiting.items() if set(_list(job.get("needs"))) <= self.jobs.keys()]
            if not ready:
                raise WorkflowError(f"{self.name}: jobs need each other: {', '.join(waiting)}")
            for name in ready:
                started = time.monotonic()
                self.jobs[name] = self._job(name, waiting.pop(name), group)
                self.jobs[name].seconds = time.monotonic() - started
                self.forge.say(f"  {self.name}/{name}: {self.jobs[name].result}")

    def contexts(self, **more: Any) -> dict[str, Any]:
        event, forge = self.event, self.forge
        pull = event.payload.get("pull_request", {})
        github = {
            "event_name": event.name, "event": event.payload | {"before": event.before}, "sha": event.sha,
            "ref": event.ref, "ref_name": event.ref.removeprefix("refs/heads/"), "repository": forge.name,
            "head_ref": pull.get("head", {}).get("ref", ""), "base_ref": pull.get("base", {}).get("ref", ""),
            "run_id": self.run_id, "actor": "somebody", "workflow": self.name,
            "token": forge.secrets.get("GITHUB_TOKEN", ""),
        }  # fmt: skip
        variables = {} if self._is_fork() else forge.variables
        return {"github": github, "inputs": self.inputs, "vars": variables, "env": {}} | more

    def _is_fork(self) -> bool:
        repository = self.event.payload.get("pull_request", {}).get("head", {}).get("repo", {})
        return repository.get("full_name", self.forge.name) != self.forge.name

    def _job(self, name: str, job: Mapping[str, Any], group: _Group) -> Job:
        needs = {one: self.jobs[one] for one in _list(job.get("needs"))}
        contexts = self.contexts(
            needs={one: {"result": ended.result, "outputs": ended.outputs} for one, ended in needs.items()},
            secrets={} if self._is_fork() else dict(self.secrets),
        )
        if not holds(job.get("if"), contexts, _status([ended.result for ended in needs.values()])):
            return Job("skipped")
        if "uses" in job:
            return self._call(name, job, contexts)
        if (place := _environment_of(job, contexts)) and not self.forge.approve(place):
            return Job("failure", log=f"nobody approved {place}")
        legs = [leg for leg in _legs(job) if all(leg.get(key, want) == want for key, want in self.forge.matrix.items())]
        with self._concurrency(job.get("concurrency"), contexts) as own:
            ended = [_Steps(self, name, job, contexts | {"matrix": leg}, (group, own)).run() for leg in legs]
        result = next((one.result for one in ended if one.result != "success"), "success")
        return Job(result, ended[-1].outputs, "\n".join(one.log for one in ended))

    def _call(self, name: str, job: Mapping[str, Any], contexts: Mapping[str, Any]) -> Job:
        """Run a reusable workflow of this repository; it has the secrets that it is given and no others."""
        path = str(job["uses"]).removeprefix("./")
        called = yaml.safe_load(self.forge.git("show", f"{self.event.sha}:{path}"))
        inputs = interpolate(job.get("with", {}), contexts)
        declared = triggers(called)["workflow_call"].get("inputs", {})
        if unknown := inputs.keys() - declared.keys():
            raise WorkflowError(f"{path} takes no input {unknown}")
        given = interpolate(job.get("secrets", {}), contexts)
        nested = _Execution(self.forge, self.run_id, f"{self.name}/{name}", called, self.event, inputs, given)
        run = nested.run()
        return Job(run.conclusion, log="\n".join(one.log for one in run.jobs.values()))

    @contextlib.contextmanager
    def _concurrency(self, rule: Any, contexts: Mapping[str, Any]) -> Iterator[_Group]:
        """Wait for the group's turn, or have the one whose turn it is cancelled."""
        if rule is None:
            yield _Group(None, "")
            return
        rule = interpolate({"group": rule} if isinstance(rule, str) else rule, contexts)
        folder = self.forge.home / "concurrency"
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / re.sub(r"\W", "_", f"{rule['group']}")
        wish = lock.with_suffix(".cancel")
        token = uuid.uuid4().hex
        if truth(rule.get("cancel-in-progress")):
            wish.write_text(token)
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield _Group(wish, token)


@dataclass(frozen=True)
class _Group:
    """The place of a run in a concurrency group: cancelled when a later one wishes so."""

    wish: Path | None
    token: str

    @property
    def cancelled(self) -> bool:
        return self.wish is not None and self.wish.exists() and self.wish.read_text() != self.token


def _list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _environment_of(job: Mapping[str, Any], contexts: Mapping[str, Any]) -> str:
    place = job.get("environment")
    return to_text(interpolate(place.get("name") if isinstance(place, Mapping) else place, contexts))


def _legs(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    axes = job.get("strategy", {}).get("matrix", {})
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _status(results: list[str]) -> dict[str, Callable[[], bool]]:
    return {
        "success": lambda: all(one == "success" for one in results),
        "failure": lambda: "failure" in results,
        "cancelled": lambda: "cancelled" in results,
        "always": lambda: True,
    }


class _Steps:
    """The steps of one leg of a job, in a workspace of their own."""

    def __init__(
        self, execution: _Execution, name: str, job: Mapping[str, Any], contexts: Mapping[str, Any],
        groups: tuple[_Group, ...],
    ) -> None:  # fmt: skip
        self.execution, self.forge, self.job, self.groups = execution, execution.forge, job, groups
        self.folder = self.forge.home / "work" / execution.run_id / f"{name}-{uuid.uuid4().hex[:4]}"
        self.workspace, self.temp = self.folder / "workspace", self.folder / "temp"
        for folder in (self.workspace, self.temp):
            folder.mkdir(parents=True)
        self.result, self.log, self.path = "success", "", []  # type: tuple[str, str, list[str]]
        runner = {"temp": str(self.temp), "os": "Linux"}
        self.contexts = dict(contexts) | {"steps": {}, "runner": runner, "job": {"status": "success"}}
        env = dict(execution.workflow.get("env", {})) | dict(job.get("env", {}))
        self.env = {key: to_text(value) for key, value in interpolate(env, self.contexts).items()}

    def run(self) -> Job:
        for step in self.job["steps"]:
            self._step(step, self.contexts)
        outputs = interpolate(self.job.get("outputs", {}), self.contexts)
        return Job(self.result, outputs, self.log)

    def _step(self, step: Mapping[str, Any], contexts: dict[str, Any]) -> None:
        contexts["env"] = self.env
        if not holds(step.get("if"), contexts, _status([self.result])):
            return
        outputs: dict[str, str] = {}
        try:
            env = self.env | {key: to_text(one) for key, one in interpolate(step.get("env", {}), contexts).items()}
            outcome = (
                self._uses(step, env, contexts, outputs)
                if "uses" in step
                else self._shell(step, env, contexts, outputs)
            )
        except WorkflowError as error:
            outcome, self.log = "failure", f"{self.log}\n{error}\n"
        if "id" in step:
            contexts["steps"][step["id"]] = {"outputs": outputs, "outcome": outcome}
        if outcome != "success" and not step.get("continue-on-error"):
            self.result = outcome

    def _shell(
        self, step: Mapping[str, Any], env: dict[str, str], contexts: Mapping[str, Any], outputs: dict[str, str]
    ) -> str:
        files = {
            name: self.temp / f"{name}-{uuid.uuid4().hex[:6]}" for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")
        }
        for file in files.values():
            file.touch()
        script = self.temp / f"{uuid.uuid4().hex[:8]}.sh"
        script.write_text(to_text(interpolate(step["run"], contexts)))
        options = ["--noprofile", "--norc", "-eo", "pipefail"] if step.get("shell") == "bash" else ["-e"]
        directory = step.get(
            "working-directory", self.job.get("defaults", {}).get("run", {}).get("working-directory", ".")
        )
        variables = self._environment(files) | env
        child = subprocess.Popen(
            ["bash", *options, str(script)], cwd=self.workspace / directory, env=variables, text=True, bufsize=1,
            stdin=subprocess.DEVNULL, stdout=(self.temp / "log").open("w"), stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        outcome = self._wait(child)
        self.log += f"\n$ {step['run']}\n{(self.temp / 'log').read_text()}"
        outputs |= _pairs(files["OUTPUT"])
        self.env |= _pairs(files["ENV"])
        self.path = [*files["PATH"].read_text().splitlines(), *self.path]
        self.log += files["STEP_SUMMARY"].read_text()
        return outcome

    def _wait(self, child: subprocess.Popen[str]) -> str:
        minutes = float(self.job.get("timeout-minutes", 360))
        deadline = time.monotonic() + 60 * minutes
        while child.poll() is None:
            cancelled = any(group.cancelled for group in self.groups)
            if cancelled or time.monotonic() > deadline:
                os.killpg(child.pid, signal.SIGTERM)
                child.wait(20)
                return "cancelled" if cancelled else "failure"
            time.sleep(0.1)
        return "success" if child.returncode == 0 else "failure"

    def _environment(self, files: Mapping[str, Path]) -> dict[str, str]:
        github = self.contexts["github"]
        told = {
            "SHA": github["sha"], "REF": github["ref"], "REF_NAME": github["ref_name"], "HEAD_REF": github["head_ref"],
            "REPOSITORY": self.forge.name, "RUN_ID": github["run_id"], "EVENT_NAME": github["event_name"],
            "WORKSPACE": str(self.workspace), "ACTIONS": "true",
        }  # fmt: skip
        own = {key: value.replace("{workspace}", str(self.workspace)) for key, value in self.forge.environment.items()}
        path = os.pathsep.join([*self.path, own.get("PATH", os.environ["PATH"])])
        variables = own | {f"GITHUB_{key}": value for key, value in told.items()}
        variables |= {f"GITHUB_{name}": str(file) for name, file in files.items()}
        return variables | {"CI": "true", "RUNNER_TEMP": str(self.temp), "PATH": path, "HOME": str(self.folder)}

    def _uses(
        self, step: Mapping[str, Any], env: dict[str, str], contexts: Mapping[str, Any], outputs: dict[str, str]
    ) -> str:
        name, given = str(step["uses"]), interpolate(step.get("with", {}), contexts)
        if name.startswith("./"):
            return self._composite(self.workspace / name / "action.yml", given)
        action, _, version = name.partition("@")
        if not re.fullmatch(r"[0-9a-f]{40}", version):
            raise WorkflowError(f"{name} is not pinned to a commit")
        shims = {
            "actions/checkout": self._checkout, "actions/setup-python": self._python,
            "actions/upload-artifact": self._upload, "actions/download-artifact": self._download,
            "aws-actions/configure-aws-credentials": self._credentials, "hashicorp/setup-terraform": self._terraform,
        }  # fmt: skip
        if action not in shims:
            raise WorkflowError(f"this runner has no {action}")
        shims[action](given)
        return "success"

    def _composite(self, path: Path, given: Mapping[str, Any]) -> str:
        action = yaml.safe_load(path.read_text())
        defaults = {key: rule.get("default") for key, rule in action.get("inputs", {}).items()}
        if unknown := given.keys() - defaults.keys():
            raise WorkflowError(f"{path.parent.name} takes no input {unknown}")
        contexts = self.contexts | {"inputs": defaults | dict(given), "steps": {}}
        for step in action["runs"]["steps"]:
            self._step(step, contexts)
        return self.result

    def _checkout(self, given: Mapping[str, Any]) -> None:
        if given.get("persist-credentials") is not False:
            raise WorkflowError("a checkout that keeps the token in its configuration")
        depth = ["--depth", "1"] if given.get("fetch-depth") != 0 else []
        sha = given.get("ref") or self.contexts["github"]["sha"]
        subprocess.run(["git", "init", "--quiet"], cwd=self.workspace, check=True)
        fetch = [
            "git",
            "fetch",
            "--quiet",
            *depth,
            self.forge.bare.as_uri(),
            str(sha),
            *([] if depth else ["+refs/heads/*:refs/remotes/origin/*"]),
        ]
        subprocess.run(fetch, cwd=self.workspace, check=True)
        subprocess.run(["git", "checkout", "--quiet", "--detach", str(sha)], cwd=self.workspace, check=True)
        self.forge.prepare(self.workspace)

    def _python(self, given: Mapping[str, Any]) -> None:
        version = to_text(given["python-version"])
        if version != "{}.{}".format(*sys.version_info):
            raise WorkflowError(f"this runner has no Python {version}")

    def _credentials(self, given: Mapping[str, Any]) -> None:
        """Credentials are the environment's here; what GitHub would ask for must be there."""
        if self.job.get("permissions", {}).get("id-token") != "write":
            raise WorkflowError("no identity of the run without the permission id-token: write")
        if missing := [name for name in ("role-to-assume", "aws-region") if not given.get(name)]:
            raise WorkflowError(f"credentials need {missing[0]}")

    def _terraform(self, _: Mapping[str, Any]) -> None:
        if shutil.which("terraform") is None:
            raise WorkflowError("this runner has no terraform")

    def _store(self, given: Mapping[str, Any]) -> Path:
        run = to_text(given.get("run-id")) or self.execution.run_id
        return self.forge.home / "artifacts" / run / given["name"]

    def _upload(self, given: Mapping[str, Any]) -> None:
        source, target = self.workspace / given["path"], self._store(given)
        if not source.exists():
            if given.get("if-no-files-found") == "ignore":
                return
            raise WorkflowError(f"no files at {given['path']}")
        target.mkdir(parents=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)

    def _download(self, given: Mapping[str, Any]) -> None:
        source = self._store(given)
        if not source.is_dir():
            raise WorkflowError(f"there is no artifact {given['name']}")
        shutil.copytree(source, self.workspace / given.get("path", "."), dirs_exist_ok=True)


def _pairs(file: Path) -> dict[str, str]:
    """Read ``name=value`` lines, and texts between ``name<<END`` and ``END``."""
    found, lines = {}, iter(file.read_text().splitlines())
    for line in lines:
        name, mark, end = line.partition("<<")
        if mark and "=" not in name:
            found[name] = "\n".join(itertools.takewhile(lambda one, end=end: one != end, lines))
        elif line:
            name, _, value = line.partition("=")
            found[name] = value
    return found


def to_json(runs: list[Run]) -> str:
    """Write how runs ended."""
    told = [(run.workflow, run.event.name, run.conclusion, run.jobs) for run in runs]
    return json.dumps(
        [
            {
                "workflow": name,
                "event": event,
                "conclusion": end,
                "jobs": {key: asdict(job) for key, job in jobs.items()},
            }
            for name, event, end, jobs in told
        ]
    )
