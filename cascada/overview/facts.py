"""What the overview shows, read from the stores and servers as it is now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict

from cascada import platform
from cascada.costs.spending import Spending, find_budget
from cascada.monitoring.watch import read_record
from cascada.registry.deployment import history, served_identity
from cascada.repro.manifest import Manifest
from cascada.repro.record import list_records
from cascada.repro.score import score_run
from cascada.settings import Settings
from cascada.tracking import models, runs

_LATEST = 10
_KINDS: tuple[Literal["experiment", "machine"], ...] = ("experiment", "machine")


class Fact(BaseModel):
    """A closed, immutable fact of the page."""

    model_config = ConfigDict(frozen=True)


class ServerFact(Fact):
    """A server that was started here, and whether it answers."""

    name: str
    url: str
    what: str
    healthy: bool


class ChampionFact(Fact):
    """The champion of a model.

    Attributes
    ----------
    score
        Sum of the levels of the eight aspects, 0 to 24; None when the run has no manifest.
    verdict, verification
        Of the gate, and of the last replay; empty where there was none.
    served
        Version in the current deployment; None when none was deployed.
    drift, drift_told
        What the flow `drift` found last, and its numbers; empty where it has not run.
    """

    model: str
    version: int
    run_id: str
    metrics: dict[str, str]
    score: int | None
    verdict: str
    verification: str
    served: int | None
    since: str
    drift: str = ""
    drift_told: str = ""


class RunFact(Fact):
    """A run of a flow, or of anybody's script.

    Attributes
    ----------
    started
        ISO 8601, UTC; empty when it has not.
    seconds
        How long it took, or takes.
    """

    name: str
    kind: str
    state: str
    started: str
    seconds: float
    url: str = ""


class WorkerFact(Fact):
    """A worker that Prefect has heard of."""

    name: str
    pool: str
    status: str
    heard: str


class CostFact(Fact):
    """What experiments, or rented machines, cost this month; the budget is of experiments, None where there is none."""

    month: str
    kind: str
    runs: int
    hours: float
    money: float
    currency: str
    budget: float | None


class Overview(Fact):
    """Everything on the page.

    Attributes
    ----------
    snapshots
        Names of those with a page of their validation.
    troubles
        What could not be read, in words.
    """

    project: str
    servers: tuple[ServerFact, ...]
    champions: tuple[ChampionFact, ...]
    runs: tuple[RunFact, ...]
    scripts: tuple[RunFact, ...]
    workers: tuple[WorkerFact, ...]
    snapshots: tuple[str, ...]
    costs: tuple[CostFact, ...]
    troubles: tuple[str, ...]


def read_overview(settings: Settings) -> Overview:
    """Read everything; a part that cannot be read is a trouble, and the others are there."""
    troubles: list[str] = []

    def tried(what: str, read: Callable[[], Iterator[Any]]) -> tuple[Any, ...]:
        try:
            return tuple(read())
        except Exception as error:  # noqa: BLE001 - the boundary to stores and servers that may be down
            troubles.append(f"{what}: {type(error).__name__}: {error}"[:300])
            return ()

    return Overview(
        project=settings.root.name,
        servers=tried("servers", lambda: _servers(settings)),
        champions=tried("MLflow", lambda: _champions(settings)),
        runs=tried("Prefect", lambda: _flow_runs(settings)),
        scripts=tried("records", lambda: _scripts(settings)),
        workers=tried("Prefect's workers", _workers),
        snapshots=tried("data", lambda: iter(snapshot_pages(settings.root))),
        costs=tried("costs", lambda: _costs(settings)),
        troubles=tuple(troubles),
    )


def snapshot_pages(root: Path) -> dict[str, Path]:
    """Find the validation pages of the snapshots, by name."""
    return {path.parent.name: path for path in sorted((root / "data").glob("*/validation.html"))}


def _servers(settings: Settings) -> Iterator[ServerFact]:
    for server in platform.running(settings).values():
        if server.name == "overview":
            continue
        url = platform.health_url(server)
        yield ServerFact(name=server.name, url=server.url, what=server.what, healthy=url is None or _answers(url))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0).is_success
    except httpx.TransportError:
        return False


def _champions(settings: Settings) -> Iterator[ChampionFact]:
    for name in models.list_models():
        version = models.find_alias(name, models.CHAMPION)
        if version is None:
            continue
        folder = settings.served / name
        served, changes, found = served_identity(folder), history(folder), read_record(name, settings)
        yield ChampionFact(
            model=name, version=version.version, run_id=version.run_id, score=_score(version.run_id, settings),
            verdict=version.tags.get("verdict", ""), verification=version.tags.get("verification", ""),
            metrics=_metrics(version.run_id), served=None if served is None else served.version,
            since=changes[-1].time if changes else "", drift=found.drift.state if found else "",
            drift_told=f"version {found.drift.version}, {found.time[:16]}: {found.drift.told}" if found else "",
        )  # fmt: skip


def _metrics(run_id: str) -> dict[str, str]:
    found = runs.read_metrics(run_id)
    shown = {}
    for name in ("accuracy", "anomaly_auc"):
        if name in found:
            ends = [found.get(f"{name}_{end}") for end in ("low", "high")]
            interval = f" [{ends[0]:.3f}, {ends[1]:.3f}]" if None not in ends else ""
            shown[name.replace("_", " ")] = f"{found[name]:.3f}{interval}"
    return shown


def _score(run_id: str, settings: Settings) -> int | None:
    path = runs.find_file(run_id, "manifest.json", settings.home / "overview" / run_id)
    return None if path is None else score_run(Manifest.model_validate_json(path.read_bytes())).total


def _prefect(path: str, body: dict[str, Any]) -> Any:
    answer = httpx.post(
        f"{os.environ['PREFECT_API_URL']}/{path}", json=body, timeout=5.0, auth=platform.prefect_login()
    )
    answer.raise_for_status()
    return answer.json()


def _flow_runs(settings: Settings) -> Iterator[RunFact]:
    wanted = {"sort": "START_TIME_DESC", "limit": _LATEST, "flow_runs": {"parent_task_run_id": {"is_null_": True}}}
    flows = {one["id"]: one["name"] for one in _prefect("flows/filter", {"limit": 200})}
    for one in _prefect("flow_runs/filter", wanted):
        yield RunFact(
            name=one["name"], kind=flows.get(one["flow_id"], ""), state=one["state_name"] or "",
            started=one["start_time"] or "", seconds=one["total_run_time"] or one["estimated_run_time"],
            url=f"{settings.prefect_url}/runs/flow-run/{one['id']}",
        )  # fmt: skip


def _scripts(settings: Settings) -> Iterator[RunFact]:
    for record in list_records(settings.home)[:_LATEST]:
        manifest = record.manifest
        started = datetime.fromisoformat(manifest.started)
        ended = datetime.fromisoformat(manifest.ended) if manifest.ended else datetime.now(UTC)
        yield RunFact(
            name=" ".join(manifest.command), kind=manifest.kind, state=record.state, started=manifest.started,
            seconds=(ended - started).total_seconds(),
        )  # fmt: skip


def _workers() -> Iterator[WorkerFact]:
    for pool in _prefect("work_pools/filter", {}):
        for worker in _prefect(f"work_pools/{pool['name']}/workers/filter", {}):
            yield WorkerFact(
                name=worker["name"], pool=pool["name"], status=worker["status"].lower(),
                heard=worker["last_heartbeat_time"] or "",
            )  # fmt: skip


def _costs(settings: Settings) -> Iterator[CostFact]:
    """Sum this month by kind and currency."""
    month = f"{datetime.now(UTC):%Y-%m}"
    spending, budget = Spending(settings.home), find_budget(settings.root)
    for kind in _KINDS:
        found = spending.list(kind, month)
        for currency in sorted({one.currency for one in found}):
            own = [one for one in found if one.currency == currency]
            limited = kind == "experiment" and budget is not None and budget.currency == currency
            yield CostFact(
                month=month, kind=kind, runs=len(own), hours=sum(one.hours for one in own),
                money=sum(one.money for one in own), currency=currency,
                budget=budget.per_month if limited and budget is not None else None,
            )  # fmt: skip
