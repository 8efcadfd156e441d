"""`cascada up`, `status`, `env`, `serve` and `down`."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import show_facts, stdout
from cascada.errors import ConfigError, PlatformError, nearest
from cascada.settings import Settings, process_environment

SERVERS = ("prefect", "mlflow", "worker", "service", "overview")
"""In the order of their starting."""


def start_observers(settings: Settings, *, service_follows: bool = False) -> None:
    """Start Prefect and MLflow side by side and wait for both; ask first for every port that will be needed."""
    from cascada import platform

    for name in ("prefect", "mlflow", *["service"] * service_follows):
        platform.require_free_port(settings, name)
    prefect, mlflow = platform.start_prefect(settings), platform.start_mlflow(settings)
    platform.wait_until_ready(prefect)
    platform.wait_until_ready(mlflow)


def up(
    servers: Annotated[
        list[str] | None, typer.Argument(help=f"which, of {', '.join(SERVERS)}; all when omitted", show_default=False)
    ] = None,
) -> None:
    """Start the platform: Prefect with pools and deployments, MLflow, a worker, the champion's service, an overview.

    The service is started when exactly one model has a champion.
    """
    settings = enter()
    from cascada import platform

    wanted = _chosen(servers)
    for name in wanted:
        platform.require_free_port(settings, name)
    started = {
        name: start(settings)
        for name, start in (
            ("prefect", platform.start_prefect),
            ("mlflow", platform.start_mlflow),
            ("overview", platform.start_overview),
        )
        if name in wanted
    }  # fmt: skip
    if "prefect" in started:
        platform.wait_until_ready(started["prefect"])
    if "worker" in wanted:
        _start_worker(settings)
    for name in ("mlflow", "overview"):
        if name in started:
            platform.wait_until_ready(started[name])
    if "service" in wanted:
        _start_only_champion(settings)
    show_facts("Open", _addresses(settings))


def _chosen(servers: list[str] | None) -> tuple[str, ...]:
    unknown = set(servers or ()) - set(SERVERS)
    if unknown:
        name = min(unknown)
        raise ConfigError(f"there is no server {name!r}", expected=", ".join(SERVERS), hint=nearest(name, SERVERS))
    return tuple(name for name in SERVERS if not servers or name in servers)


def _start_worker(settings: Settings) -> None:
    from cascada import platform

    if not (settings.root / "prefect.yaml").exists():
        stdout.print("no prefect.yaml here: nothing is deployed, and no worker is started")
        return
    platform.set_up_prefect(settings)
    platform.wait_for_worker(platform.start_worker(settings))


def _start_only_champion(settings: Settings) -> None:
    from flows.service import serve_champion

    champions = _champions(settings)
    if len(champions) == 1:
        serve_champion(champions[0])
    elif champions:
        stdout.print(f"several models have a champion; serve one with `cascada serve {champions[0]}`")


def _champions(settings: Settings) -> Sequence[str]:
    """List the models that have a champion; those that are deployed here while MLflow cannot be reached."""
    from cascada.monitoring.watch import deployed_models
    from cascada.tracking import models
    from cascada.tracking.reach import require_mlflow

    try:
        require_mlflow()
    except PlatformError:
        return deployed_models(settings)
    return [name for name in models.list_models() if models.find_alias(name, models.CHAMPION)]


def _addresses(settings: Settings) -> dict[str, str]:
    from cascada import platform

    return {s.name: s.url + (f"  ({s.what})" if s.what else "") for s in platform.running(settings).values()}


def status(as_json: Json = False) -> None:
    """List the servers that run."""
    from cascada import platform

    servers = platform.running(enter())
    if as_json:
        stdout.print_json(json.dumps([server.model_dump(mode="json") for server in servers.values()]))
    elif servers:
        show_facts("Running", {s.name: f"{s.url}  pid {s.pid}  {s.what}  log {s.log}" for s in servers.values()})
    else:
        stdout.print("no server runs; start them with `cascada up`")


def env() -> None:
    """Print the platform's environment for a shell: `eval "$(cascada env)"` before prefect, mlflow, dvc or bentoml.

    With it they are quiet, and they find the servers and stores of this project.
    """
    for name in process_environment(enter()):
        typer.echo(f"export {name}={shlex.quote(os.environ[name])}")


def serve(
    model: Annotated[str, typer.Argument(help="registered model; the name of its experiment")],
    processes: Annotated[
        int, typer.Option(min=1, max=10, help="services side by side, at the next ports, for a proxy in front")
    ] = 1,
    canary: Annotated[
        int | None, typer.Option(metavar="VERSION", help="serve this version, too, for a share that a proxy sends it")
    ] = None,
) -> None:
    """Serve the champion of a model over HTTP; the version that was deployed last while MLflow cannot be reached."""
    settings = enter()
    from flows.service import serve_canary, serve_champion

    what = serve_champion(model, processes=processes)
    from cascada import platform

    urls = " and ".join(f"{server.url}/predict" for server in platform.services(settings))
    stdout.print(f"{what} answers at {urls}; stop it with `cascada down`")
    if canary is not None:
        stdout.print(f"{model} version {canary} answers at {serve_canary(model, canary)}/predict")


def down(
    servers: Annotated[
        list[str] | None,
        typer.Argument(help="which, as `cascada status` names them; all when omitted", show_default=False),
    ] = None,
) -> None:
    """Stop servers that were started here."""
    from cascada import platform

    settings = enter()
    known = platform.running(settings)
    for name in servers or ():
        if name not in known:
            raise ConfigError(f"no server {name!r} runs", expected=", ".join(known) or "none runs")
    stopped = platform.stop(settings, servers)
    stdout.print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
