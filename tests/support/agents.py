"""A Prefect worker as a machine of the user's runs it: in a checkout, with the platform's environment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from projects import Project

from cascada import platform


@contextlib.contextmanager
def working(project: Project) -> Iterator[None]:
    """Keep a worker of the pool ``default`` that trains in a project's checkout, and deploy from it."""
    answer = project.cascada("up", "worker")
    assert answer.returncode == 0, answer.stderr
    try:
        yield
    finally:
        platform.stop(project.settings, ["worker"])
