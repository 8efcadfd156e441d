"""Prefect's view of one work pool, for the controller and for the agent on a machine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.states import Cancelled, Crashed, Scheduled
from prefect.workers.process import ProcessWorker

from cascada.agents.leases import PoolRun, RunState
from flows.server import connected

_STATES: dict[StateType, RunState] = {
    StateType.SCHEDULED: "due", StateType.PENDING: "starting", StateType.RUNNING: "running",
    StateType.CANCELLING: "cancelling",
}  # fmt: skip
_ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
_WORKER = "prefect.worker.name"
_PUT_BACKS = "cascada.put-backs"
_PAGE = 200


class PrefectPool:
    """The runs and workers of a pool (`cascada.agents.controller.Pool`).

    Parameters
    ----------
    name
        Of the work pool; ``PREFECT_API_URL`` says of which server.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def ensure(self) -> None:
        """Make the pool unless it is there: runs can be sent to it before any machine is."""
        template = ProcessWorker.get_default_base_job_template()
        with connected() as client:
            try:
                client.create_work_pool(WorkPoolCreate(name=self.name, type="process", base_job_template=template))
            except ObjectAlreadyExists:
                return

    def runs(self) -> list[PoolRun]:
        """List the runs that are due or have not ended, the longest waiting first."""
        now = dt.datetime.now(dt.UTC)
        unfinished = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_STATES))),
            expected_start_time=FlowRunFilterExpectedStartTime(before_=now),
        )
        found = self._list(unfinished, FlowRunSort.EXPECTED_START_TIME_ASC)
        return [pool_run(one) for one in found if one.state is not None]

    def heartbeats(self) -> dict[str, dt.datetime]:
        """Tell when each worker was heard last."""
        heard: dict[str, dt.datetime] = {}
        with connected() as client:
            try:
                client.read_work_pool(self.name)
            except ObjectNotFound:
                return {}
            while page := client.read_workers_for_work_pool(self.name, offset=len(heard), limit=_PAGE):
                heard |= {one.name: one.last_heartbeat_time or dt.datetime.min.replace(tzinfo=dt.UTC) for one in page}
        return heard

    def last_ends(self, since: dt.datetime) -> dict[str, dt.datetime]:
        """Tell when the last run of each worker ended."""
        ended = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ENDED)),
            end_time=FlowRunFilterEndTime(after_=since),
        )
        ends: dict[str, dt.datetime] = {}
        for one in self._list(ended, FlowRunSort.END_TIME_DESC):
            if one.end_time is not None:
                ends.setdefault(_worker_of(one), one.end_time)
        return ends

    def put_back(self, run: PoolRun, reason: str) -> None:
        """Make a run due again in a new state, unless it has left the state it was seen in."""
        with connected() as client:
            if _is_still(client, run):
                client.update_flow_run_labels(UUID(run.id), {_PUT_BACKS: run.put_backs + 1})
                _set(client, run, Scheduled(name="AwaitingRetry", message=f"put back: {reason}"))

    def give_up(self, run: PoolRun, reason: str) -> None:
        """End a run as crashed."""
        with connected() as client:
            if _is_still(client, run):
                _set(client, run, Crashed(message=f"given up: {reason}"))

    def confirm_cancel(self, run: PoolRun) -> None:
        """End a run as cancelled, whose worker is gone."""
        with connected() as client:
            if _is_still(client, run):
                _set(client, run, Cancelled(message="cancelled; its machine is gone"))

    def _list(self, runs: FlowRunFilter, sort: FlowRunSort) -> list[FlowRun]:
        pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[self.name]))
        found: list[FlowRun] = []
        with connected() as client:
            while True:
                page: Sequence[FlowRun] = client.read_flow_runs(
                    flow_run_filter=runs, work_pool_filter=pool, sort=sort, limit=_PAGE, offset=len(found)
                )
                found += page
                if len(page) < _PAGE:
                    return found


def pool_run(one: FlowRun) -> PoolRun:
    """Take what the controller needs to know of an unfinished flow run."""
    assert one.state is not None  # noqa: S101 - the server filters by it
    return PoolRun(
        id=str(one.id), state=_STATES[one.state.type], state_id=str(one.state.id), since=one.state.timestamp,
        worker=_worker_of(one), put_backs=int(one.labels.get(_PUT_BACKS, 0)),
    )  # fmt: skip


def _worker_of(one: FlowRun) -> str:
    return str(one.labels.get(_WORKER, ""))


def _is_still(client: Any, run: PoolRun) -> bool:
    state = client.read_flow_run(run.id).state
    return state is not None and str(state.id) == run.state_id


def _set(client: Any, run: PoolRun, state: State) -> None:
    """Set a state as it is: the rules of Prefect would not take a run back from a worker that is gone."""
    client.set_flow_run_state(run.id, state, force=True)
