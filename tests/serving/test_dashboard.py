"""The dashboard shows what the service counts: every metric and label in it is one of the running application."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from bundles import identity
from projects import REPOSITORY
from prometheus_client.parser import text_string_to_metric_families
from services import EVENT, application, client

from cascada.registry.bundle import Bundle
from cascada.registry.deployment import current, deploy_shadow
from cascada.registry.package import PACKAGE
from cascada.repro.signing import own_key
from serving.keys import add_key

INFRA = REPOSITORY / "infra" / "grafana"
BOARD: dict[str, Any] = json.loads((INFRA / "dashboard.json").read_text())
SCRAPE: dict[str, Any] = yaml.safe_load((INFRA / "prometheus.yaml").read_text())["scrape_configs"][0]
WRITTEN_BY_PROMETHEUS = {"instance"}


@pytest.fixture(scope="module")
def expressions() -> list[str]:
    queries = [one["query"] for one in BOARD["templating"]["list"] if one["type"] == "query"]
    return [*queries, *(target["expr"] for panel in BOARD["panels"] for target in panel["targets"])]


def scraped(put: Callable[[int], Path], keys: Path, tmp_path: Path) -> httpx.Response:
    """Scrape a service that asks for keys, as prometheus.yaml says."""
    file = tmp_path / "api_keys.json"
    key = add_key(file, "prometheus", ("predict", "read"))
    served = put(1)
    shadow = bundle_of(served)
    deploy_shadow(shadow.folder, identity(shadow, 2), served, key=own_key(keys))
    app = application(served, keys, exposed=True, api_keys=file, log=tmp_path / "log")
    headers = {"Authorization": f"{SCRAPE['authorization']['type']} {key}"}

    async def ask() -> httpx.Response:
        async with client(app, headers=headers) as http:
            await app.shadows.look()
            await http.post("/predict", json={"events": [EVENT, EVENT | {"n_mu": 0}]})
            return await http.get(SCRAPE["metrics_path"])

    return asyncio.run(ask())


def bundle_of(served: Path) -> Bundle:
    place = current(served)
    assert place is not None
    return Bundle(place / PACKAGE / "bundle")


def test_every_metric_and_label_is_one_of_the_service(
    put: Callable[[int], Path], keys: Path, tmp_path: Path, expressions: list[str]
) -> None:
    answer = scraped(put, keys, tmp_path)
    assert answer.status_code == 200
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    used = {name for expression in expressions for name in re.findall(r"cascada_\w+", expression)}
    assert used <= labels.keys()
    for expression in expressions:
        (name,) = set(re.findall(r"cascada_\w+", expression))
        grouped = [part for group in re.findall(r"by \((.*?)\)", expression) for part in group.split(", ")]
        selected = re.findall(r"[{,](\w+)=", expression)
        assert {*grouped, *selected} - WRITTEN_BY_PROMETHEUS <= labels[name], expression


def test_every_metric_of_the_service_is_shown(
    put: Callable[[int], Path], keys: Path, tmp_path: Path, expressions: list[str]
) -> None:
    families = text_string_to_metric_families(scraped(put, keys, tmp_path).text)
    shown = " ".join(expressions)
    assert [family.name for family in families if family.name not in shown] == []


def test_panels_are_named_once_and_do_not_overlap() -> None:
    panels, cells = BOARD["panels"], set()
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        cells |= own
    for target in [target for panel in panels for target in panel["targets"]]:
        assert target["expr"].count("(") == target["expr"].count(")")
        assert target["expr"].count("{") == target["expr"].count("}")
        assert target["datasource"]["uid"] == f"${{{BOARD['templating']['list'][0]['name']}}}"
