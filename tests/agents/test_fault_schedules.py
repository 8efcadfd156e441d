"""Whatever fails, no machine is left running and no run is lost."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fleets import keep_tokens, remember_descriptions
from moto.ec2.models import ec2_backends
from worlds import World, live_through

_ACCOUNT = "123456789012"
_FAULTS = {
    "double push", "no spot capacity", "no capacity at all", "never joins", "watchdog broken", "Prefect down", "cancel",
    "machine lost", "spot notice", "contact lost", "controller killed before a call", "controller killed after a call",
}  # fmt: skip


def live(client: Any, folder: Path, schedules: range, *, minutes: int = 60) -> Counter[str]:
    keep_tokens(client)
    remember_descriptions(client)
    figures: Counter[str] = Counter()
    for seed in schedules:
        ec2_backends[_ACCOUNT]["us-east-1"].reset()
        rng = random.Random(seed)  # noqa: S311 - a schedule, no secret
        world = World(rng, client, folder / str(seed))
        live_through(world, minutes=minutes, pushes=rng.randint(1, 5), controllers=rng.randint(1, 2))
        figures.update(world.happened)
        figures += Counter(
            schedules=1, orphans=len(world.live()), lost=len(world.runs), doubles=world.double,
            machines=len(world.bodies), **{f"runs {how}": n for how, n in Counter(world.ended.values()).items()},
        )  # fmt: skip
    print("\n" + ", ".join(f"{name} {count}" for name, count in sorted(figures.items())))  # noqa: T201
    print(f"schedules {figures['schedules']}, orphans {figures['orphans']}, lost runs {figures['lost']}")  # noqa: T201
    return figures


def test_one_schedule(client: Any, tmp_path: Path) -> None:
    figures = live(client, tmp_path, range(1), minutes=30)
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
