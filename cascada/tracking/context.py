"""MLflow's own runs with the state they happened in: an MLflow plugin that works by being installed.

The entry point ``mlflow.run_context_provider`` has MLflow ask for these tags at every ``mlflow.start_run()``.
"""

from __future__ import annotations

from pathlib import Path

from mlflow.tracking.context.abstract_context import RunContextProvider

from cascada.errors import PlatformError
from cascada.repro.code import work_tree
from cascada.repro.environment import code_state, hardware, software
from cascada.repro.fingerprint import json_sha256


class CascadaContext(RunContextProvider):  # type: ignore[misc]
    """Commit, uncommitted changes, environment and machine of a run as tags ``cascada.*``."""

    def in_context(self) -> bool:
        """Tell whether the working directory is in a git work tree with a commit."""
        try:
            code_state(work_tree(Path.cwd()))
        except (PlatformError, FileNotFoundError):  # no work tree, no commit, no git
            return False
        return True

    def tags(self) -> dict[str, str]:
        """Describe code, software and hardware; a record of cascada says more."""
        code, installed, machine = code_state(work_tree(Path.cwd())), software(), hardware()
        return {
            "cascada.commit": code.commit,
            "cascada.dirty": str(code.dirty).lower(),
            "cascada.changes_sha256": code.changes_sha256,
            "cascada.python": installed.python,
            "cascada.system": installed.system,
            "cascada.packages_sha256": json_sha256(installed.packages),
            "cascada.processor": machine.processor,
            "cascada.gpus": ", ".join(machine.gpus),
        }
