"""The flow behind `cascada ci promote`: a promotion on the machine that has the data and the service."""

from __future__ import annotations

from prefect import flow, get_run_logger

from cascada.errors import ArtifactError
from flows.notices import PROMOTED, announce
from flows.promotion import promote_version
from flows.service import serve_first
from flows.submission import PROMOTE


@flow(name=PROMOTE, flow_run_name="{version}")
def promote(version: str, reason: str) -> None:
    """Judge a version here, and let the verdict decide.

    Parameters
    ----------
    version
        MODEL@VERSION.
    reason
        For the history.

    Raises
    ------
    ArtifactError
        If the verdict refuses it.
    """
    done = promote_version(version, reason=reason)
    if done.verdict is not None:
        get_run_logger().info("%s\n%s", version, done.verdict.to_markdown())
    if not done.champion:
        reasons = done.verdict.reasons if done.verdict is not None else ()
        raise ArtifactError(f"{version} is not promoted", got="; ".join(reasons))
    if done.before != done.version:
        announce(PROMOTED, done.name, f"version {done.version} is champion")
    if not done.answered and serve_first(done.name):
        get_run_logger().info("%s is the first champion here: its service is started", version)
