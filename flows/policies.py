"""When a task is run again and when its result is used again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

import cascada
from cascada.errors import CascadaError
from cascada.repro.fingerprint import json_sha256, source_sha256
from cascada.settings import load_settings

PACKAGES = tuple(Path(cascada.__file__).parents[1] / name for name in ("cascada", "models", "flows"))
"""The sources that a result is computed by."""


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what may pass by itself (a locked database, a busy disk), never what the user must mend."""
    return not isinstance(state.result(raise_on_failure=False), CascadaError)


def by_content(*names: str) -> Callable[[TaskRunContext, dict[str, Any]], str]:
    """Make a cache key from the content of some parameters, of this code and of the suites.

    Parameters
    ----------
    names
        Parameters that are part of the key; they must be JSON values or pydantic models.
    """

    def key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
        content = {name: _plain(parameters[name]) for name in names}
        sources = source_sha256(*PACKAGES, load_settings().root / "expectations")
        return f"{context.task.name}-{json_sha256([content, sources])}"

    return key


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


CACHED: dict[str, Any] = {"persist_result": True, "result_serializer": "json"}
"""Options of a task whose result is kept; references travel, so results are small."""

RETRIED: dict[str, Any] = {"retries": 2, "retry_delay_seconds": [1, 5], "retry_condition_fn": is_transient}
"""Options of a task that talks to databases and stores."""
