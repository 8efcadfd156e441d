"""Real projects and real servers for tests: one Prefect server for the whole session."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest
from projects import REPOSITORY, Project, free_port
from swift import S3, running

from cascada import platform

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

SHARED_DATA = REPOSITORY.parent / "shared" / "data"
_COPIED = (
    *("data/catalog.yaml", "expectations", "flows", "infra/prices", "prefect.yaml"),
    *(".dvc/config", ".dvc/.gitignore", ".gitignore"),
)

# Notes every name looked up and every address connected to outside this machine. It sees what goes through Python's
# socket module, in every process that a test starts.
_WATCH = """
import os, socket, sys

def _local(host):
    return host in (None, "", "localhost", "0.0.0.0", "::", "::1") or str(host).startswith("127.")

def _note(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if not _local(host) and host != socket.gethostname():
        with open(os.environ["NETWORK_WATCH"], "a") as log:
            log.write(f"{event} {host} {' '.join(sys.argv[:4])}\\n")

sys.addaudithook(_note)
"""


_LONGEST = ("test_readme.py", "test_training.py", "test_composition.py", "test_service.py", "test_deployment.py")
"""Files that take longest; they start first, so that no process is left alone with one in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    rank = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Take back what a test, or the command line in its process, has set for later ones."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _clean_environment() -> dict[str, str]:
    ours = ("CASCADA_", "PREFECT_", "MLFLOW_", "BENTOML_", "DVC_", "GX_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


@pytest.fixture(scope="session")
def network_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file that notes every attempt to reach another machine; at the end of the session it must be empty."""
    folder = tmp_path_factory.mktemp("watch")
    (folder / "sitecustomize.py").write_text(_WATCH)
    (folder / "log").touch()
    yield folder / "log"
    assert (folder / "log").read_text() == "", "a process that some test started tried to reach another machine"


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory, network_log: Path) -> Iterator[Callable[..., Project]]:
    """Make projects; whatever they started is stopped in the end."""
    made: list[Project] = []

    def make(**environment: str) -> Project:
        root = tmp_path_factory.mktemp("project")
        for name in _COPIED:
            source, target = REPOSITORY / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
        ports = {f"CASCADA_{name}_PORT": str(free_port()) for name in ("PREFECT", "MLFLOW", "SERVICE", "OVERVIEW")}
        watch = {"PYTHONPATH": str(network_log.parent), "NETWORK_WATCH": str(network_log)}
        project = Project(root, _clean_environment() | ports | watch | environment)
        project.git("init", "--quiet")
        project.git("add", "--all")
        project.git("commit", "--quiet", "--message", "start")
        made.append(project)
        return project

    yield make
    for project in made:
        platform.stop(project.settings)


@pytest.fixture(scope="session")
def prefect_api(new_project: Callable[..., Project]) -> str:
    """The API of a real Prefect server, started from the lock."""
    project = new_project()
    answer = project.cascada("up", "prefect", "mlflow", timeout=300)
    assert answer.returncode == 0, answer.stderr
    url = f"{project.settings.prefect_url}/api"
    assert httpx.get(f"{url}/health").json() is True
    return url


@pytest.fixture
def project(new_project: Callable[..., Project], prefect_api: str) -> Project:
    """A project of a test's own that uses the session's Prefect server."""
    return new_project(PREFECT_API_URL=prefect_api)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the open data sets."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the open data sets are not at {SHARED_DATA}; data/catalog.yaml says where to get them")
    return SHARED_DATA


@pytest.fixture(scope="session")
def composition_data() -> Path:
    """The folder of the open five-class benchmark."""
    folder = SHARED_DATA / "composition_5class_corsika"
    if not folder.is_dir():
        pytest.skip(f"the open benchmark is not at {folder}; flows/experiments/composition.yaml says where to get it")
    return folder


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3 server (OpenStack Swift) for the whole session; tests make buckets of their own."""
    with running(tmp_path_factory.mktemp("swift")) as server:
        yield server
