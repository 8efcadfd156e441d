"""The flow behind `cascada ci promote`: a promotion on the machine that has the data and the service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prefect import flow, get_run_logger

from cascada.errors import PlatformError
from flows.submission import PROMOTE


@flow(name=PROMOTE, flow_run_name="{version}")
def promote(version: str, reason: str) -> None:
    """Run `cascada promote` here.

    Parameters
    ----------
    version
        MODEL@VERSION.
    reason
        For the history.

    Raises
    ------
    PlatformError
        If the verdict refuses the version, or it cannot be judged.
    """
    command = [str(Path(sys.executable).with_name("cascada")), "promote", version, "--reason", reason]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    get_run_logger().info("%s\n%s", answer.stdout, answer.stderr)
    if answer.returncode != 0:
        raise PlatformError(f"{version} is not promoted", got=(answer.stdout + answer.stderr)[-2000:])
