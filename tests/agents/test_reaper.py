"""The reaper as Prefect runs it, on moto's EC2 in this process."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleets import RATES, fleet
from projects import REPOSITORY

from cascada.agents.cloud import Ec2
from cascada.agents.leases import PoolRun


def test_the_flow_ends_a_machine_that_nobody_needs(
    client: Any, prefect_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    shutil.copytree(REPOSITORY / "infra" / "prices", tmp_path / "infra" / "prices")
    ours = fleet(prefect_api=prefect_api)
    (tmp_path / "infra" / "agents").mkdir()
    (tmp_path / "infra" / "agents" / "cloud.yaml").write_text(yaml.safe_dump(ours.model_dump(mode="json")))
    monkeypatch.setenv("CASCADA_ROOT", str(tmp_path))
    from flows.leases import reap_leases
    from flows.pool import PrefectPool

    PrefectPool(ours.pool).ensure()
    run = PoolRun("00000000-0000-0000-0000-000000000001", "due", "s", dt.datetime.now(dt.UTC))
    machine = Ec2(ours, RATES, client).launch(run, "g4dn.xlarge", "spot")
    assert reap_leases() == [machine.id], "its run is none of the pool's"
    assert reap_leases() == []
    states = [one["State"]["Name"] for one in client.describe_instances()["Reservations"][0]["Instances"]]
    assert states == ["terminated"]
