"""Roll back to a former champion. Without Prefect: a way back must need little."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cascada.errors import ArtifactError
from cascada.registry import promotion
from cascada.registry.deployment import history
from cascada.registry.promotion import Decision
from cascada.registry.versions import fetch_bundle
from cascada.settings import load_settings
from cascada.tracking import models
from cascada.tracking.models import ModelVersion
from flows.deployment import Promotion, deploy_version, tell


def roll_back(model: str, decision: Decision, *, to: int | None = None) -> Promotion:
    """Make an earlier champion champion again, and serve it.

    Parameters
    ----------
    to
        Which version; when omitted, the last champion before this one that was not rolled back from itself.

    Raises
    ------
    ArtifactError
        If there is nothing to roll back to, the version was never champion, or its bundle is not what was registered.
    """
    before = models.find_alias(model, models.CHAMPION)
    version = models.find_version(f"{model}@{_previous(model, before) if to is None else to}")
    if before is not None and before.version == version.version:
        raise ArtifactError(f"{version.label} is champion already", hint="name an earlier one: --to VERSION")
    promotion.require_former_champion(version)
    with tempfile.TemporaryDirectory(prefix="cascada-rollback-") as scratch:
        bundle = fetch_bundle(version, Path(scratch))
        deploy_version(version, bundle, reason=f"rolled back by {decision.by}: {decision.reason}")
    return tell(promotion.reinstate(version, before, decision), before)


def _previous(model: str, champion: ModelVersion | None) -> int:
    known = {version.version: version for version in models.list_versions(model)}
    if not known:
        models.find_version(model)  # says which models there are
    former = [change.after for change in reversed(history(load_settings().served / model))]
    for number in former:
        is_other = champion is None or number != champion.version
        if is_other and number in known and not known[number].tags.get("rolled_back"):
            return number
    raise ArtifactError(
        f"there is nothing to roll {model!r} back to", expected="an earlier champion that was not rolled back from",
        got=f"champions in the history: {', '.join(map(str, dict.fromkeys(reversed(former)))) or 'none'}",
        hint="name one with --to VERSION, or promote another: cascada promote MODEL@VERSION",
    )  # fmt: skip
