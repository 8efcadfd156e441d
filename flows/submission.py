"""Submission: order a training from an agent, once a commit and configuration, and follow it to its end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.states import AwaitingRetry, Cancelled, Cancelling
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment
from cascada.errors import ConfigError, PlatformError, nearest
from cascada.repro.fingerprint import json_sha256
from flows.bills import PULL_REQUEST
from flows.server import ServerAwayError, connected

TRAIN, PROMOTE = "train-experiment", "promote-version"
OUTCOME = "outcome"
"""Key of the Prefect artifact by which the training flow tells what it made."""

_LIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]


@dataclass(frozen=True)
class Order:
    """One training that a push asks for.

    Attributes
    ----------
    ref
        Branch or pull request: a newer order of the same experiment for it supersedes an older one.
    pull_request
        Its number, for the budget of the pull request; empty when there is none.
    """

    experiment: Experiment
    commit: str
    ref: str
    pool: str = "default"
    pull_request: str = ""

    @property
    def tags(self) -> list[str]:
        """What the run is found by, and whom it is charged to."""
        charged = [f"{PULL_REQUEST}{self.pull_request}"] if self.pull_request else []
        return [self.line, f"commit:{self.commit}", *charged]

    @property
    def key(self) -> str:
        """What makes two orders the same one: commit and configuration."""
        return f"{self.commit}-{json_sha256(self.experiment.model_dump(mode='json'))}"

    @property
    def line(self) -> str:
        """Tag of all orders of which only the newest counts."""
        return f"ci:{self.ref}:{self.experiment.name}"


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds.

    Attributes
    ----------
    worker_s
        For a worker of the pool to be online while the run is not taken.
    server_s
        For a server that does not answer.
    """

    worker_s: float = 120.0
    server_s: float = 300.0
    poll_s: float = 2.0


class Followed(BaseModel):
    """How an order ended.

    Attributes
    ----------
    state
        Prefect's name of the last state: Completed, Failed, Crashed, Cancelled.
    run_id
        Run in MLflow; empty when the training did not come to its end.
    """

    model_config = ConfigDict(frozen=True)

    flow_run_id: str
    experiment: str
    state: str
    message: str = ""
    run_id: str = ""
    version: int = 0
    standing: str = ""

    @property
    def completed(self) -> bool:
        return bool(self.run_id)


Say = Callable[[str], None]


def submit(order: Order, *, precedes: Callable[[str, str], bool], say: Say = print) -> UUID:
    """Create the run of an order, or find it; runs of older commits on the same line are cancelled.

    Parameters
    ----------
    precedes
        Whether the first commit lies in the history of the second.

    Raises
    ------
    ConfigError
        If no deployment of the training flow is on the pool.
    PlatformError
        If a newer commit is trained already, or the server cannot be used.
    """
    with connected() as client:
        deployment = find_deployment(client, TRAIN, order.pool)
        others = [run for run in find_live(client, order.line) if _commit_of(run) != order.commit]
        newer = next((run for run in others if precedes(order.commit, _commit_of(run))), None)
        if newer is not None:
            raise PlatformError(
                f"superseded: a newer commit of {order.ref} is being trained already", where=f"flow run {newer.id}",
                got=_commit_of(newer), hint="nothing is to be done; look at the newer push",
            )  # fmt: skip
        run = client.create_flow_run_from_deployment(
            deployment, parameters={"experiment": order.experiment.model_dump(mode="json")}, idempotency_key=order.key,
            tags=order.tags, name=f"{order.experiment.name}-{order.commit[:8]}",
            job_variables={"env": {"CASCADA_COMMIT": order.commit}},
        )  # fmt: skip
        for other in others:
            _cancel(client, other, f"superseded by {order.commit}")
            say(f"{other.name}: cancelled, superseded by {order.commit[:8]}")
        if run.state is not None and run.state.is_final() and not run.state.is_completed():
            client.set_flow_run_state(run.id, AwaitingRetry(message="ordered again"), force=True)
            say(f"{run.name}: ended as {run.state.name} before; it is run again")
    return run.id


def submit_promotion(version: str, reason: str, *, commit: str, pool: str) -> UUID:
    """Create the run that promotes a version where data and service are.

    Parameters
    ----------
    version
        MODEL@VERSION.
    commit
        Whose code judges.
    """
    with connected() as client:
        run = client.create_flow_run_from_deployment(
            find_deployment(client, PROMOTE, pool), parameters={"version": version, "reason": reason},
            tags=[f"commit:{commit}"], job_variables={"env": {"CASCADA_COMMIT": commit}},
        )  # fmt: skip
    return run.id


def follow(flow_run_id: UUID, pool: str, patience: Patience, say: Say = print) -> FlowRun:
    """Wait until a run has ended.

    A server that is down is asked again until `Patience.server_s` is over: the run goes on without it.

    Raises
    ------
    PlatformError
        If no worker takes the run (it is cancelled then), the server stays away, or it refuses the credentials.
    """
    watch, told = _Watch(patience), ""
    while True:
        try:
            with connected() as client:
                run = client.read_flow_run(flow_run_id)
                state = run.state
                watch.answered()
                if state is not None and state.name != told:
                    told = state.name or ""
                    say(f"{run.name}: {told}")
                if state is not None and state.is_final():
                    return run
                if state is not None and state.is_scheduled():
                    watch.require_worker(client, run, pool)
                else:
                    watch.taken()
        except ServerAwayError as error:
            watch.missed(error, flow_run_id, say)
        time.sleep(patience.poll_s)


def tell(run: FlowRun, order: Order) -> Followed:
    """Say what a run that has ended made."""
    state = run.state
    name, message = (state.name or "", state.message or "") if state is not None else ("", "")
    told: dict[str, Any] = {}
    if state is not None and state.is_completed():
        with connected() as client:
            told = _outcome(client, run.id)
    return Followed(flow_run_id=str(run.id), experiment=order.experiment.name, state=name, message=message, **told)


class _Watch:
    """Since when the server has been away, and since when a run has waited without a worker."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._away: float | None = None
        self._alone: float | None = None

    def answered(self) -> None:
        self._away = None

    def taken(self) -> None:
        self._alone = None

    def missed(self, error: ServerAwayError, flow_run_id: UUID, say: Say) -> None:
        now = time.monotonic()
        if self._away is None:
            self._away = now
            say(f"{error.what}; trying again for {self._patience.server_s:g} s")
        if now - self._away >= self._patience.server_s:
            raise PlatformError(
                f"the Prefect server has been away for {self._patience.server_s:g} s", where=error.where, got=error.got,
                hint=f"the run may go on without it; the same command follows flow run {flow_run_id} again",
            ) from error  # fmt: skip

    def require_worker(self, client: SyncPrefectClient, run: FlowRun, pool: str) -> None:
        """Cancel a run that nobody will take."""
        workers = client.read_workers_for_work_pool(pool)
        if any(worker.status == WorkerStatus.ONLINE for worker in workers):
            self._alone = None
            return
        now = time.monotonic()
        self._alone = self._alone or now
        if now - self._alone >= self._patience.worker_s:
            _cancel(client, run, "no worker")
            raise PlatformError(
                f"no worker of the pool {pool!r} is online; waited {self._patience.worker_s:g} s",
                where=f"flow run {run.id}, cancelled", got=f"{len(workers)} workers, none online",
                hint=f"start one: cascada agent start --pool {pool}",
            )  # fmt: skip


def find_deployment(client: SyncPrefectClient, flow: str, pool: str) -> UUID:
    """Find the deployment of a flow on a pool; a pool that has none is refused."""
    flows = FlowFilter(name=FlowFilterName(any_=[flow]))
    found = client.read_deployments(flow_filter=flows)
    for deployment in found:
        if deployment.work_pool_name == pool:
            return deployment.id
    pools = [str(deployment.work_pool_name) for deployment in found]
    raise ConfigError(
        f"no deployment of {flow} is on the pool {pool!r}",
        hint=nearest(pool, pools) if pools else "deploy first: cascada up worker",
    )


def find_live(client: SyncPrefectClient, line: str) -> list[FlowRun]:
    """Find the runs with a tag that have not ended."""
    chosen = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[line]), state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_LIVE))
    )
    return client.read_flow_runs(flow_run_filter=chosen)


def _commit_of(run: FlowRun) -> str:
    return next((tag.partition(":")[2] for tag in run.tags if tag.startswith("commit:")), "")


def _cancel(client: SyncPrefectClient, run: FlowRun, why: str) -> None:
    """Cancel a run: at once while nobody runs it, else by the worker that does."""
    taken = run.state is not None and not run.state.is_scheduled()
    client.set_flow_run_state(run.id, Cancelling(message=why) if taken else Cancelled(message=why))


def _outcome(client: SyncPrefectClient, flow_run_id: UUID) -> dict[str, Any]:
    chosen = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]), key=ArtifactFilterKey(any_=[OUTCOME])
    )
    found = client.read_artifacts(artifact_filter=chosen)
    if not found:
        raise PlatformError(
            "the run ended and does not say what it made", where=f"flow run {flow_run_id}",
            hint="deploy the training flow of this version",
        )  # fmt: skip
    (row,) = json.loads(str(found[0].data))
    return {key: row[key] for key in ("run_id", "version", "standing")}
