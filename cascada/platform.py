"""The local platform: Prefect, MLflow and the prediction service as plain processes of this machine.

Every server is started once, in a session of its own, and noted in ``.cascada/servers.json`` with when the process
began, so that only what was started here is ever stopped.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
import psutil
from pydantic import BaseModel, ConfigDict

from cascada.errors import PlatformError
from cascada.repro.processes import began, lives
from cascada.settings import PREDICTION_LOG, USER, Settings


class Server(BaseModel):
    """A server that was started here.

    Attributes
    ----------
    url
        Address of its front page.
    started
        When the process began, as `cascada.repro.processes` tells it: with the pid, its identity.
    what
        What it serves, for `status`: empty for Prefect and MLflow, the model of a service, the pool of a worker.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    url: str
    pid: int
    started: float
    log: Path
    what: str = ""

    def process(self) -> psutil.Process | None:
        """Find the running process; None if it has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end just now
            if lives(self.pid, self.started):
                return psutil.Process(self.pid)
        return None


def _registry(settings: Settings) -> Path:
    return settings.home / "servers.json"


def running(settings: Settings) -> dict[str, Server]:
    """List the servers started here that still run, by name."""
    path = _registry(settings)
    entries = json.loads(path.read_text()) if path.exists() else []
    servers = [Server.model_validate(entry) for entry in entries]
    return {server.name: server for server in servers if server.process() is not None}


def _remember(settings: Settings, servers: Mapping[str, Server]) -> None:
    path = _registry(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".writing")
    partial.write_text(json.dumps([server.model_dump(mode="json") for server in servers.values()], indent=2))
    partial.rename(path)


def _start(
    settings: Settings, name: str, command: Sequence[str], *, what: str = "", cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Server:  # fmt: skip
    known = running(settings)
    if name in known:
        return known[name]
    require_free_port(settings, name)
    log = settings.home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=cwd or settings.home,
            env={**os.environ, **(variables or {})},
        )
    server = Server(name=name, url=_url(settings, name), pid=child.pid, started=began(child.pid), log=log, what=what)
    _remember(settings, running(settings) | {name: server})
    return server


def _url(settings: Settings, name: str) -> str:
    """Give the address of a server, ``service-2`` and so on included; empty when it has none."""
    kind, _, number = name.partition("-")
    urls = {
        "prefect": settings.prefect_url, "mlflow": settings.mlflow_url, "overview": settings.overview_url,
        "service": f"http://{settings.host}:{settings.service_port + int(number or 1) - 1}",
        "canary": f"http://{settings.host}:{settings.canary_port}",
    }  # fmt: skip
    return urls.get(kind, "")


def require_free_port(settings: Settings, name: str) -> None:
    """Check that a server runs already, can have its port, or needs none.

    Raises
    ------
    PlatformError
        If something else listens there.
    """
    url = _url(settings, name)
    if name in running(settings) or not url:
        return
    port = int(url.rpartition(":")[2])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except (OSError, OverflowError) as error:
            raise PlatformError(
                f"port {port}, meant for {name}, is in use",
                where=f"{settings.host}:{port}",
                got=str(error),
                hint=f"stop what listens there, or set CASCADA_{name.partition('-')[0].upper()}_PORT to a free port",
            ) from error


_HEALTH = {
    "prefect": "/api/health", "mlflow": "/health", "service": "/readyz", "canary": "/readyz", "overview": "/livez",
}  # fmt: skip


def health_url(server: Server) -> str | None:
    """Name what answers 200 when a server is ready; None when it answers nobody."""
    path = _HEALTH.get(server.name.partition("-")[0])
    return None if path is None else server.url + path


def wait_until_ready(server: Server, *, timeout_s: float = 180.0) -> None:
    """Wait until a server answers that it is ready.

    Raises
    ------
    PlatformError
        If its process ends or the time is over; the last lines of its log are in the message.
    """
    url = health_url(server)
    if url is not None:
        _wait(server, lambda: httpx.get(url, timeout=5.0).is_success, timeout_s=timeout_s)


def _wait(server: Server, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if is_ready():
                return
        if server.process() is None:
            break
        time.sleep(0.2)
    tail = server.log.read_text(errors="replace").splitlines()[-8:]
    raise PlatformError(f"{server.name} did not become ready", where=str(server.log), got="\n            ".join(tail))


def is_prefect_reachable() -> bool:
    """Tell whether a Prefect server answers where this process will look for one (``PREFECT_API_URL``)."""
    try:
        return httpx.get(f"{os.environ['PREFECT_API_URL']}/health", timeout=5.0).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def start_prefect(settings: Settings) -> Server:
    """Start the Prefect server, if it does not run yet; returns before it is ready."""
    _make_database(settings, "prefect")
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        settings.host,
        "--port",
        str(settings.prefect_port),
    ]
    return _start(settings, "prefect", command)


def start_mlflow(settings: Settings) -> Server:
    """Start the MLflow server over the project's store, if it does not run yet; returns before it is ready."""
    _make_database(settings, "mlflow")
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", settings.host, "--port", str(settings.mlflow_port),
        "--workers", "1", "--backend-store-uri", os.environ["MLFLOW_TRACKING_URI"],
        "--default-artifact-root", str(settings.home / "mlartifacts"),
    ]  # fmt: skip
    if settings.password is None:
        return _start(settings, "mlflow", command)
    variables = _ask_for_login(settings, settings.password.get_secret_value())
    return _start(settings, "mlflow", [*command, "--app-name", "basic-auth"], variables=variables)


def _ask_for_login(settings: Settings, password: str) -> dict[str, str]:
    """Write what MLflow's own authentication reads, for nobody else to read, and return the variables that name it."""
    folder = settings.home / "mlflow-auth"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = configparser.ConfigParser(interpolation=None)
    config["mlflow"] = {
        "default_permission": "READ", "database_uri": f"sqlite:///{folder / 'users.db'}",
        "admin_username": USER, "admin_password": password,
    }  # fmt: skip
    with os.fdopen(os.open(folder / "config.ini", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        config.write(file)
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "config.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": hashlib.sha256(f"{folder} {password}".encode()).hexdigest(),
    }


def _make_database(settings: Settings, name: str) -> None:
    """Make a database on the PostgreSQL server of the settings, unless it is there.

    Raises
    ------
    PlatformError
        If the server cannot be reached or refuses.
    """
    if settings.database is None:
        return
    import psycopg
    from psycopg import errors, sql

    address = f"{settings.database.get_secret_value().rstrip('/')}/postgres"
    try:
        with psycopg.connect(address, autocommit=True, connect_timeout=10) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except errors.DuplicateDatabase:
        return
    except psycopg.Error as error:
        raise PlatformError(
            f"the database {name!r} cannot be made", where="CASCADA_DATABASE", got=str(error).strip(),
            hint="start PostgreSQL, and name a user that may create databases",
        ) from error  # fmt: skip


def set_up_prefect(settings: Settings) -> None:
    """Bring the Prefect server to the pools, deployments and automations of this checkout.

    Raises
    ------
    PlatformError
        If it cannot be done.
    """
    command = [sys.executable, "-m", "flows.deployments"]
    answer = subprocess.run(command, cwd=settings.root, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise PlatformError("Prefect could not be set up", got=(answer.stderr or answer.stdout)[-2000:])


def start_worker(settings: Settings, pool: str = "default") -> Server:
    """Start a worker that runs what is deployed to a pool; returns before it is ready."""
    name = worker_name(pool)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", name]
    return _start(settings, "worker", command, what=f"pool {pool}", cwd=settings.root)


def worker_name(pool: str) -> str:
    """Name the worker of this machine for a pool."""
    return f"{socket.gethostname()}-{pool}"


def wait_for_worker(server: Server, pool: str = "default", *, timeout_s: float = 60.0) -> None:
    """Wait until Prefect has heard of the worker.

    Raises
    ------
    PlatformError
        If its process ends or the time is over.
    """
    url = f"{os.environ['PREFECT_API_URL']}/work_pools/{pool}/workers/filter"

    def is_online() -> bool:
        found = httpx.post(url, json={}, timeout=5.0, auth=prefect_login())
        online = [one["name"] for one in found.json() if one["status"] == "ONLINE"] if found.is_success else []
        return worker_name(pool) in online

    _wait(server, is_online, timeout_s=timeout_s)


def prefect_login() -> httpx.BasicAuth | None:
    """Take user and password from Prefect's own variable; None when it asks for none."""
    user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    return httpx.BasicAuth(user, password) if user else None


def start_overview(settings: Settings) -> Server:
    """Start the page that links everything, if it does not run yet; returns before it is ready."""
    command = [sys.executable, "-m", "uvicorn", "--factory", "cascada.overview.page:app", "--host", settings.host,
               "--port", str(settings.overview_port), "--log-level", "warning"]  # fmt: skip
    return _start(settings, "overview", command, cwd=settings.root)


def services(settings: Settings) -> list[Server]:
    """List the services of the champion that were started here and still run."""
    return [server for server in running(settings).values() if server.name.partition("-")[0] == "service"]


def start_service(
    settings: Settings, bento: Path, *, name: str = "service", what: str, served: Path, log: Path | None
) -> Server:
    """Start the service of a Bento, if it does not run yet; returns before it is ready.

    Parameters
    ----------
    name
        ``service``, ``service-2`` and so on at the next ports, or ``canary``.
    served
        Deployment folder of the model: the service follows it, and does not serve what the Bento was built with.
    log
        Folder of the predictions; None keeps none.
    """
    command = [
        sys.executable, "-m", "bentoml", "serve", str(bento), "--api-workers", "1",
        "--host", settings.host, "--port", _url(settings, name).rpartition(":")[2],
    ]  # fmt: skip
    variables = {"CASCADA_SERVED": str(served), PREDICTION_LOG: str(log or "")}
    if settings.api_keys_file.exists():
        variables["CASCADA_API_KEYS"] = str(settings.api_keys_file)
    return _start(settings, name, command, what=what, variables=variables)


def stop(settings: Settings, names: Sequence[str] | None = None) -> list[str]:
    """Stop servers that were started here, with all their children.

    Parameters
    ----------
    names
        Which; all when omitted.

    Returns
    -------
    list of str
        Names of those that ran.
    """
    known = running(settings)
    stopped = [name for name in known if names is None or name in names]
    for name in stopped:
        process = known.pop(name).process()
        if process is not None:
            _end(process)
    _remember(settings, known)
    return stopped


def _end(process: psutil.Process) -> None:
    family = [process, *process.children(recursive=True)]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.terminate()
    _, alive = psutil.wait_procs(family, timeout=10)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(alive, timeout=10)
