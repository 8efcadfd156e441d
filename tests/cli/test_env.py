"""The platform's environment, as a shell takes it."""

from __future__ import annotations

from collections.abc import Callable

from projects import Project


def test_the_environment_for_a_shell(new_project: Callable[..., Project]) -> None:
    lone = new_project()
    command = 'eval "$(cascada env)" && printenv MLFLOW_TRACKING_URI DO_NOT_TRACK PREFECT_API_URL'
    answer = lone.run("env", "PREFECT_API_URL=http://127.0.0.1:1/it's/api", "bash", "-c", command)
    assert answer.stdout.splitlines() == [lone.stores["MLFLOW_TRACKING_URI"], "1", "http://127.0.0.1:1/it's/api"]
