"""`cascada ci`: what GitHub Actions, GitLab or a hook of a bare repository does after a push."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_facts, stderr, stdout
from cascada.config import load_experiment
from cascada.errors import ConfigError, PlatformError
from cascada.settings import Settings

if TYPE_CHECKING:
    from flows.submission import Followed, Order, Patience

app = typer.Typer(no_args_is_help=True, help="Train what a push touches on an agent, and tell of it.")

BASE = typer.Option(
    "--base", envvar="CASCADA_CI_BASE", help="commit before the push, or target of the pull request", show_default=False
)
AMONG = typer.Option("--among", envvar="CASCADA_CI_EXPERIMENTS", help="names of experiments that pushes may train")
OUTPUTS = typer.Option(
    "--outputs", envvar="GITHUB_OUTPUT", help="file that takes name=value lines for later steps", show_default=False
)
AGAINST = typer.Option("--against", help="alias of the model to compare with")


@app.command()
def changes(
    base: Annotated[str, BASE],
    head: Annotated[str, typer.Option("--head", help="commit that was pushed")] = "HEAD",
    among: Annotated[str, AMONG] = "*",
    outputs: Annotated[Path | None, OUTPUTS] = None,
    as_json: Json = False,
) -> None:
    """Say which experiments the commits since BASE touch; a push of documents touches none."""
    settings = enter()
    from cascada.ci.changes import find_changes

    found = find_changes(settings.root, base, head, among=tuple(among.split()))
    names = " ".join(path.as_posix() for path in found.experiments)
    _write_outputs(outputs, {"train": str(bool(names)).lower(), "experiments": names})
    if as_json:
        stdout.print_json(found.model_dump_json())
    elif names:
        show_facts("To train", {"experiments": names, "because of": ", ".join(found.matter[:12])})
    else:
        stdout.print(f"nothing that training depends on has changed since {found.base[:12]}")


@app.command()
def train(
    experiments: Annotated[
        list[Path] | None,
        typer.Argument(help="experiment files; those that the push touches when none", show_default=False),
    ] = None,
    base: Annotated[str, BASE] = "",
    ref: Annotated[
        str,
        typer.Option(
            envvar=["GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME"],
            help="branch; its newest push wins",
            show_default=False,
        ),
    ] = "",
    among: Annotated[str, AMONG] = "*",
    pool: Annotated[str, typer.Option(help="work pool whose agents train")] = "default",
    seed: Annotated[int | None, typer.Option(min=0, help="root seed in the place of the file's")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="dotted.key=value on top of the files")] = None,
    wait_for_worker: Annotated[
        float, typer.Option(min=0, help="s that a run may wait while no worker is online")
    ] = 120.0,
    patience: Annotated[float, typer.Option(min=0, help="s that the server may be away")] = 300.0,
    report: Annotated[
        Path | None, typer.Option(help="folder for comment.md and the reports", show_default=False)
    ] = None,
    against: Annotated[str, AGAINST] = "champion",
    outputs: Annotated[Path | None, OUTPUTS] = None,
) -> None:
    """Order trainings of the pushed commit from the agents of a pool, follow them, and write the report.

    Exit code 0: trained, or nothing to train; 1: a training failed, crashed or was superseded;
    2: a broken file or option; 5: git, no worker, server, credentials.
    """  # fmt: skip
    settings = enter()
    from flows.submission import Order, Patience

    commit = _pushed(settings)
    chosen = experiments or _touched(settings, base, among)
    sets = [*(overrides or ()), *([] if seed is None else [f"seed={seed}"])]
    loaded = [load_experiment(path, sets, catalog=settings.catalog) for path in chosen]
    orders = [Order(experiment, commit, ref or _branch(settings), pool, settings.pull_request) for experiment in loaded]
    ended = _run(settings, orders, Patience(worker_s=wait_for_worker, server_s=patience))
    _write_outputs(
        outputs,
        {
            "trained": str(bool(orders)).lower(),
            "runs": " ".join(one.run_id for one in ended if one.completed),
            "models": " ".join(one.experiment for one in ended if one.completed),
            "versions": " ".join(f"{one.experiment}@{one.version}" for one in ended if one.completed),
        },
    )
    if report and orders:
        _write_report(settings, ended, report, against)
    if not all(one.completed for one in ended):
        sys.exit(1)


@app.command()
def promote(
    versions: Annotated[list[str], typer.Argument(metavar="MODEL@VERSION...", help="registered versions")],
    reason: Annotated[str, typer.Option(help="why, for the record")],
    pool: Annotated[str, typer.Option(help="work pool whose machine has the data and the service")] = "default",
    wait_for_worker: Annotated[float, typer.Option(min=0, help="s to wait while no worker is online")] = 120.0,
    patience: Annotated[float, typer.Option(min=0, help="s that the server may be away")] = 300.0,
) -> None:
    """Have versions promoted where data and service are: each by `cascada promote`, whose verdict decides.

    Exit code 1 when one is not promoted.
    """
    settings = enter()
    from flows.submission import Patience, follow, submit_promotion

    waiting = Patience(worker_s=wait_for_worker, server_s=patience)
    commit = _pushed(settings)
    refused = False
    for version in versions:
        run = follow(submit_promotion(version, reason, commit=commit, pool=pool), pool, waiting, _say)
        if run.state is None or not run.state.is_completed():
            refused = True
            _say(f"{version}: {run.state and run.state.message}")
    if refused:
        sys.exit(1)


@app.command()
def comment(
    runs: Annotated[list[str], typer.Option("--run", help="id of a run in MLflow, or MODEL@ALIAS; may be given again")],
    against: Annotated[str, AGAINST] = "champion",
    out: Annotated[Path | None, typer.Option(help="file; printed when omitted", show_default=False)] = None,
    artifact: Annotated[str, typer.Option(help="where the whole reports are")] = "",
) -> None:
    """Render the comment of a pull request: metrics against the champion, flipped events, what differs."""
    settings = enter()
    text = _render(settings, runs, (), against, artifact)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


@app.command()
def bento(
    model: Annotated[str, typer.Argument(help="registered model; its champion is packaged")],
    outputs: Annotated[Path | None, OUTPUTS] = None,
) -> None:
    """Build the Bento of a champion and print its tag, for `bentoml containerize`."""
    enter()
    from cascada.tracking import models
    from flows.service import package_version

    folder = package_version(models.find_version(model))
    tag = f"{folder.parent.name}:{folder.name}"
    _write_outputs(outputs, {"bento": tag})
    typer.echo(tag)


def _pushed(settings: Settings) -> str:
    from cascada.repro.environment import run_git

    changed = run_git(settings.root, "status", "--porcelain", "--untracked-files=no").decode().splitlines()
    if changed:
        raise PlatformError(
            "an agent trains a commit, and this work tree differs from its own", where=str(settings.root),
            got=", ".join(changed[:5]), hint="commit and push, or train here with `cascada train`",
        )  # fmt: skip
    return run_git(settings.root, "rev-parse", "HEAD").decode().strip()


def _branch(settings: Settings) -> str:
    from cascada.repro.environment import run_git

    return run_git(settings.root, "rev-parse", "--abbrev-ref", "HEAD").decode().strip()


def _touched(settings: Settings, base: str, among: str) -> list[Path]:
    from cascada.ci.changes import find_changes

    if not base:
        raise ConfigError("name experiments, or the commit before the push with --base")
    found = find_changes(settings.root, base, among=tuple(among.split()))
    if not found.experiments:
        stdout.print(f"nothing that training depends on has changed since {found.base[:12]}: nothing to train")
    return [settings.root / path for path in found.experiments]


def _run(settings: Settings, orders: list[Order], patience: Patience) -> list[Followed]:
    """Order all, then follow each; one that fails does not keep the others from being followed."""
    from cascada.ci.changes import is_ancestor
    from flows.submission import follow, submit, tell

    known = is_ancestor(settings.root)
    ordered = [(submit(order, precedes=known, say=_say), order) for order in orders]
    ended = [tell(follow(run_id, order.pool, patience, _say), order) for run_id, order in ordered]
    for one in ended:
        _say(f"{one.experiment}: {one.standing or f'{one.state}: {one.message}'}")
    return ended


def _say(text: str) -> None:
    stderr.print(text, markup=False, highlight=False, soft_wrap=True)


def _write_outputs(path: Path | None, values: dict[str, str]) -> None:
    if any("\n" in value for value in values.values()):
        raise ConfigError("a name with a line break would forge an output", got=repr(values))
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())


def _write_report(settings: Settings, ended: list[Followed], folder: Path, against: str) -> None:
    from cascada.tracking.runs import fetch_files

    folder.mkdir(parents=True, exist_ok=True)
    made = [one.run_id for one in ended if one.completed]
    failures = [f"{one.experiment}: {one.state}: {one.message}" for one in ended if not one.completed]
    text = _render(settings, made, failures, against, "artifact of the workflow run")
    (folder / "comment.md").write_text(text, encoding="utf-8")
    for run_id in made:
        with tempfile.TemporaryDirectory(prefix="cascada-ci-") as scratch:
            shutil.copytree(fetch_files(run_id, "report", Path(scratch)), folder / run_id, dirs_exist_ok=True)


def _render(
    settings: Settings, runs: list[str], failures: tuple[str, ...] | list[str], against: str, artifact: str
) -> str:
    from cascada.ci.comment import render_comment
    from cascada.ci.evidence import gather

    with tempfile.TemporaryDirectory(prefix="cascada-ci-") as scratch:
        evidence = [gather(run, settings, Path(scratch), against=against) for run in runs]
    return render_comment(evidence, failures=failures, artifact=artifact)
