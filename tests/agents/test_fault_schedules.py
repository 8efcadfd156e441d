"""Whatever fails, no machine is left running and no run is lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from fleets import keep_tokens, remember_descriptions
from moto import mock_aws
from moto.ec2.models import ec2_backends
from worlds import World, live_through

_ACCOUNT = "123456789012"
_FAULTS = {
    "double push", "no spot capacity", "no capacity at all", "never joins", "watchdog broken", "Prefect down", "cancel",
    "machine lost", "spot notice", "contact lost", "controller killed before a call", "controller killed after a call",
}  # fmt: skip


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        made = boto3.client("ec2", region_name="us-east-1")
        keep_tokens(made)
        remember_descriptions(made)
        yield made


def live(client: Any, folder: Path, schedules: range) -> Counter[str]:
    figures: Counter[str] = Counter()
    for seed in schedules:
        ec2_backends[_ACCOUNT]["us-east-1"].reset()
        rng = random.Random(seed)
        world = World(rng, client, folder / str(seed))
        live_through(world, minutes=60, pushes=rng.randint(1, 5), controllers=rng.randint(1, 2))
        figures.update(world.happened)
        figures += Counter(
            schedules=1, orphans=len(world.live()), lost=len(world.runs), doubles=world.double,
            machines=len(world.bodies), **{f"runs {how}": n for how, n in Counter(world.ended.values()).items()},
        )  # fmt: skip
    print("\n" + ", ".join(f"{name} {count}" for name, count in sorted(figures.items())))
    print(f"schedules {figures['schedules']}, orphans {figures['orphans']}, lost runs {figures['lost']}")
    return figures


def test_two_schedules(client: Any, tmp_path: Path) -> None:
    figures = live(client, tmp_path, range(2))
    assert (figures["orphans"], figures["lost"]) == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_hundred_schedules(client: Any, tmp_path: Path) -> None:
    figures = live(client, tmp_path, range(1000, 1200))
    assert figures["schedules"] == 200
    assert (figures["orphans"], figures["lost"]) == (0, 0)
    assert figures["doubles"] == 0, "a run got two machines of one kind in one life"
    assert figures["runs completed"] > 0
    assert set(figures) >= _FAULTS, "each fault happened"
