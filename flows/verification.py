"""Verify: train the champions again, and say whether they come out again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact

from cascada.errors import ArtifactError, CascadaError
from cascada.jobs.locate import keep_verification, locate
from cascada.jobs.verify import Request, verify
from cascada.repro.compare import Verdict
from cascada.settings import load_settings
from cascada.tracking import models
from flows.deployment import renew_deployment


@task(task_run_name="{model}@champion")
def verify_champion(model: str) -> str:
    """Replay the run that made a model's champion, keep the verification with it, and return the verdict."""
    settings = load_settings()
    with tempfile.TemporaryDirectory(prefix="cascada-verify-champion-") as scratch:
        found = locate(f"{model}@{models.CHAMPION}", settings, Path(scratch))
        verification = verify(
            found.record, Request(), settings, registered_sha256=found.registered_sha256, report=get_run_logger().info
        )
        keep_verification(found, verification, settings)
        renew_deployment(found.mlflow_id)
    told = f"{verification.verdict}: {'; '.join(verification.comparison.reasons[:3])}"
    get_run_logger().info("%s@champion %s", model, told)
    return verification.verdict.value


@flow(name="verify-champions")
def verify_champions(names: tuple[str, ...] = ()) -> dict[str, str]:
    """Verify the champions of some models, and return what was found of each.

    Parameters
    ----------
    names
        Of registered models; all that have a champion when omitted.

    Raises
    ------
    ArtifactError
        If one did not come out again, or could not be tried; all are tried first.
    """
    chosen = names or tuple(name for name in models.list_models() if models.find_alias(name, models.CHAMPION))
    found = {name: _tried(name) for name in chosen}
    create_table_artifact([{"model": name, "verdict": told} for name, told in found.items()], key="verify")
    passed = {verdict.value for verdict in Verdict if verdict.passed}
    bad = [f"{name}: {told}" for name, told in found.items() if told not in passed]
    if bad:
        raise ArtifactError("a champion did not come out again", got="; ".join(bad))
    return found


def _tried(model: str) -> str:
    try:
        return verify_champion(model)
    except CascadaError as error:
        return f"not tried: {error.what}"
