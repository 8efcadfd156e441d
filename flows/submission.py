"""Submission: order a training from an agent, once a commit and configuration, and follow it to its end."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    DeploymentFilter,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import AwaitingRetry, Cancelled, Cancelling
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment
from cascada.errors import ConfigError, PlatformError, nearest
from cascada.repro.fingerprint import json_sha256

TRAIN, PROMOTE = "train-experiment", "promote-version"
OUTCOME = "outcome"
"""Key of the Prefect artifact by which the training flow tells what it made."""

_LIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]
_REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


@dataclass(frozen=True)
class Order:
    """One training that a push asks for.

    Attributes
    ----------
    ref
        Branch or pull request: a newer order of the same experiment for it supersedes an older one.
    """

    experiment: Experiment
    commit: str
    ref: str
    pool: str = "default"

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
    with _server() as client:
        deployment = _deployment(client, TRAIN, order.pool)
        others = [run for run in _live(client, order.line) if _commit_of(run) != order.commit]
        newer = next((run for run in others if precedes(order.commit, _commit_of(run))), None)
        if newer is not None:
            raise PlatformError(
                f"superseded: a newer commit of {order.ref} is being trained already", where=f"flow run {newer.id}",
                got=_commit_of(newer), hint="nothing is to be done; look at the newer push",
            )  # fmt: skip
        run = client.create_flow_run_from_deployment(
            deployment, parameters={"experiment": order.experiment.model_dump(mode="json")}, idempotency_key=order.key,
            tags=[order.line, f"commit:{order.commit}"], name=f"{order.experiment.name}-{order.commit[:8]}",
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
    with _server() as client:
        run = client.create_flow_run_from_deployment(
            _deployment(client, PROMOTE, pool), parameters={"version": version, "reason": reason},
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
            with _server() as client:
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
        with _server() as client:
            told = _outcome(client, run.id)
    return Followed(flow_run_id=str(run.id), experiment=order.experiment.name, state=name, message=message, **told)


class ServerAwayError(PlatformError):
    """The Prefect server does not answer, or answers that it is in trouble; that may pass."""


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
                hint=f"start one: prefect worker start --pool {pool} --type process",
            )  # fmt: skip


@contextlib.contextmanager
def _server() -> Iterator[SyncPrefectClient]:
    """Open a client; what the server refuses or does not answer becomes an error that says so."""
    client = get_client(sync_client=True)
    try:
        with client:
            yield client
    except httpx.TransportError as error:
        raise ServerAwayError(
            "the Prefect server does not answer", where=str(client.api_url), got=str(error) or type(error).__name__
        ) from error
    except PrefectHTTPStatusError as error:
        raise _refusal(error, str(client.api_url)) from error
    except ObjectNotFound as error:
        raise PlatformError("the Prefect server does not know it", where=str(client.api_url), got=str(error)) from error
    except RuntimeError as error:  # Prefect's client asks for the server's version first
        if "Failed to reach API" not in str(error):
            raise
        raise ServerAwayError(
            "the Prefect server does not answer", where=str(client.api_url), got=str(error)
        ) from error


def _refusal(error: PrefectHTTPStatusError, where: str) -> PlatformError:
    code = error.response.status_code
    if code in _REFUSED:
        return PlatformError(
            "the Prefect server refuses the credentials", where=where, got=f"HTTP {code}",
            hint="set PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to what the server expects",
        )  # fmt: skip
    if httpx.codes.is_server_error(code):
        return ServerAwayError("the Prefect server is in trouble", where=where, got=f"HTTP {code}")
    return PlatformError("the Prefect server refuses the order", where=where, got=error.response.text[:500])


def _deployment(client: SyncPrefectClient, flow: str, pool: str) -> UUID:
    flows = FlowFilter(name=FlowFilterName(any_=[flow]))
    found = client.read_deployments(flow_filter=flows, deployment_filter=DeploymentFilter())
    for deployment in found:
        if deployment.work_pool_name == pool:
            return deployment.id
    pools = [str(deployment.work_pool_name) for deployment in found]
    raise ConfigError(
        f"no deployment of {flow} is on the pool {pool!r}",
        hint=nearest(pool, pools) if pools else "deploy first: prefect --no-prompt deploy --all",
    )


def _live(client: SyncPrefectClient, line: str) -> list[FlowRun]:
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
