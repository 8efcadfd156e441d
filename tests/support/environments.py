"""Environments of their own for what the tests need and cascada must not: made from a lock at the first use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from projects import REPOSITORY


def environment(name: str, *options: str) -> Path:
    """Make the environment of ``requirements/<name>.txt`` and return its interpreter; skip where it cannot be had.

    Parameters
    ----------
    options
        Of ``infra/environment.sh``.
    """
    command = [str(REPOSITORY / "infra" / "environment.sh"), name, *options]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        pytest.skip(f"an environment of the tests cannot be installed: {answer.stderr.strip()[-300:]}")
    return Path(answer.stdout.strip())
