"""A Prefect worker as a machine of the user's runs it: in a checkout, with the platform's environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import httpx
from projects import Project

ENVIRONMENT = 'eval "$(cascada env)" &&'
START = f"{ENVIRONMENT} exec prefect worker start --pool default --type process"
DEPLOY = f"{ENVIRONMENT} prefect --no-prompt deploy --all"


@contextlib.contextmanager
def working(project: Project, prefect_api: str) -> Iterator[None]:
    """Keep a worker of the pool ``default`` that trains in a project's checkout, and deploy from it."""
    environment = project.environment | {"PREFECT_WORKER_QUERY_SECONDS": "2"}
    child = subprocess.Popen(["bash", "-c", START], cwd=project.root, env=environment, start_new_session=True)
    try:
        while httpx.get(f"{prefect_api}/work_pools/default").status_code != httpx.codes.OK:
            assert child.poll() is None, "the worker ended"
            time.sleep(0.1)
        deployed = project.run("bash", "-c", DEPLOY)
        assert deployed.returncode == 0, deployed.stderr
        yield
    finally:
        os.killpg(child.pid, signal.SIGKILL)  # a worker that is asked to end waits for its runs
        child.wait()
