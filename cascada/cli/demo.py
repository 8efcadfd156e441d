"""`cascada demo`: the whole path, from simulated showers to a served prediction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cascada.cli.context import enter
from cascada.cli.predict import ask
from cascada.cli.render import pages, show_facts, show_outcome, show_prediction, stderr, stdout
from cascada.cli.servers import start_observers
from cascada.cli.train import run_experiment
from cascada.config import load_experiment

if TYPE_CHECKING:
    from cascada.settings import Settings
    from flows.training import Outcome


def demo() -> None:
    """Simulate, validate, train, judge, register and serve; then ask it about showers of the test partition."""
    started = time.monotonic()
    settings = enter()
    stderr.print("1/4  starting Prefect and MLflow")
    start_observers(settings, service_follows=True)
    stderr.print("2/4  flow: ingest, train, evaluate, release")
    experiment = load_experiment(settings.root / "flows" / "experiments" / "demo.yaml")
    outcome = run_experiment(settings, experiment, None, allow_invalid_data=False, refresh=False)
    from flows.service import serve_champion

    stderr.print("3/4  starting the service of the champion")
    serve_champion(experiment.name)
    stderr.print("4/4  asking the service\n")
    events = _test_events(outcome, settings)
    answer = ask(settings, [event for _, event in events])
    show_outcome(outcome)
    show_prediction(events[0][1], answer["predictions"][0], answer["model"])
    right = sum(true == said["primary"] for (true, _), said in zip(events, answer["predictions"], strict=True))
    stdout.print(f"The service named {right} of {len(events)} primaries of the test partition right.\n")
    service = {"service": f"{settings.service_url}  (POST /predict)", "stop them": "make down"}
    show_facts("Open", pages(outcome, settings) | service)
    stderr.print(f"took {time.monotonic() - started:.0f} s")


def _test_events(outcome: Outcome, settings: Settings, count: int = 200) -> list[tuple[str, dict[str, float]]]:
    from cascada.data.splits import read_split
    from cascada.data.versions import read_showers
    from serving.schemas import ShowerEvent

    showers, split = read_showers(outcome.ingested.snapshot, settings.root), read_split(outcome.ingested.split)
    test = showers.filter(split["partition"] == "test").head(count)
    asked = [name for name in ShowerEvent.model_fields if name in test.columns]
    return [(row.pop("primary"), row) for row in test.select("primary", *asked).iter_rows(named=True)]
