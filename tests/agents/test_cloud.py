"""How machines are asked for, and what the controller does with the answers; EC2 is moto's, in this process."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from fleets import RATES, fleet, keep_tokens

from cascada.agents.cloud import Ec2
from cascada.agents.controller import Controller
from cascada.agents.leases import PoolRun
from cascada.costs.spending import Expense, Spending
from cascada.errors import ConfigError, PlatformError

DUE = PoolRun("run", "due", "state", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))


@dataclass
class Queue:
    """A pool that says what it is told to say."""

    due: list[PoolRun] = field(default_factory=list)
    heard: dict[str, dt.datetime] = field(default_factory=dict)
    down: bool = False
    done: list[str] = field(default_factory=list)

    def runs(self) -> list[PoolRun]:
        if self.down:
            raise PlatformError("Prefect does not answer")
        return self.due

    def heartbeats(self) -> dict[str, dt.datetime]:
        return self.heard

    def last_ends(self, since: dt.datetime) -> dict[str, dt.datetime]:
        return {}

    def put_back(self, run: PoolRun, reason: str) -> None:
        self.done.append(f"put back {run.id}")

    def give_up(self, run: PoolRun, reason: str) -> None:
        self.done.append(f"give up {run.id}: {reason}")

    def confirm_cancel(self, run: PoolRun) -> None:
        self.done.append(f"cancel {run.id}")


def control(client: Any, folder: Path, queue: Queue, **changes: Any) -> Controller:
    made = fleet(**changes)
    return Controller(queue, Ec2(made, RATES, client), made, RATES, Spending(folder))


def refuse(client: Any, *, spot: bool, code: str = "InsufficientInstanceCapacity") -> None:
    def hook(params: dict[str, Any], **_: Any) -> None:
        if any(name.startswith("InstanceMarketOptions") for name in params["body"]) or not spot:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "RunInstances")

    client.meta.events.register_first("before-call.ec2.RunInstances", hook)


def now(**later: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(**later)


def test_a_machine_is_asked_for_as_it_should_be(client: Any, aws: boto3.Session) -> None:
    aws.client("iam").create_instance_profile(InstanceProfileName="agent")
    requests = keep_tokens(client)
    machine = Ec2(fleet(instance_profile="agent"), RATES, client).launch(DUE, "g5.xlarge", "spot")
    (asked,) = requests
    assert asked["ClientToken"] == machine.lease
    assert asked["MetadataOptions"]["HttpTokens"] == "required"
    assert asked["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert asked["IamInstanceProfile"] == {"Name": "agent"}
    assert asked["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"] == "1.2"
    group = client.describe_security_groups(GroupIds=asked["SecurityGroupIds"])["SecurityGroups"][0]
    assert group["IpPermissions"] == [], "nothing comes in"
    tags = {tag["Key"]: tag["Value"] for tag in asked["TagSpecifications"][0]["Tags"]}
    assert (tags["cascada:run"], tags["cascada:project"]) == ("run", "test")
    data = client.describe_instance_attribute(InstanceId=machine.id, Attribute="userData")["UserData"]["Value"]
    assert f"--name {machine.lease}" in base64.b64decode(data).decode()


def test_two_controllers_start_one_machine(client: Any) -> None:
    keep_tokens(client)
    first, second = Ec2(fleet(), RATES, client), Ec2(fleet(), RATES, client)
    assert first.launch(DUE, "g5.xlarge", "spot").id == second.launch(DUE, "g5.xlarge", "spot").id
    assert len(first.machines()) == 1


def test_a_group_that_lets_something_in_is_refused(client: Any) -> None:
    vpc = client.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = client.create_security_group(GroupName="open", Description="open", VpcId=vpc)["GroupId"]
    client.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    with pytest.raises(ConfigError, match="lets something in"):
        Ec2(fleet(security_groups=(group,)), RATES, client).launch(DUE, "g5.xlarge", "spot")
    assert not Ec2(fleet(), RATES, client).machines()


def test_without_spot_capacity_a_machine_is_paid_on_demand(client: Any, tmp_path: Path) -> None:
    refuse(client, spot=True)
    done = control(client, tmp_path, Queue([DUE])).reconcile(now())
    assert [(one.type, one.market) for one in done.launched] == [("g4dn.xlarge", "on-demand")]


@pytest.mark.parametrize("code", ["InsufficientInstanceCapacity", "VcpuLimitExceeded"])
def test_without_capacity_or_quota_the_run_waits_and_is_told_why(client: Any, tmp_path: Path, code: str) -> None:
    refuse(client, spot=False, code=code)
    done = control(client, tmp_path, Queue([DUE])).reconcile(now())
    assert done.lines() == [f"run run waits: no capacity: {code}: no"]


def test_lost_credentials_are_an_error_that_says_so(client: Any, tmp_path: Path) -> None:
    refuse(client, spot=False, code="AuthFailure")
    with pytest.raises(PlatformError, match="AuthFailure: no"):
        control(client, tmp_path, Queue([DUE])).reconcile(now())


def test_no_machine_beyond_the_number_or_the_budget(client: Any, tmp_path: Path) -> None:
    second = PoolRun("second", "due", "s2", DUE.since)
    done = control(client, tmp_path, Queue([DUE, second]), max_machines=1).reconcile(now())
    assert [one.run_id for one in done.launched] == ["run"]
    assert done.waiting == {"second": "1 machines run already (max_machines)"}
    poor = control(client, tmp_path / "poor", Queue([DUE, second]), project="poor", budget_per_month=1.05 + 20)
    spent = Expense(id="i", kind="machine", name="m", started=now(), hours=1, money=20, currency="USD")
    poor.spending.note(spent)
    done = poor.reconcile(now())
    assert not done.launched, "2 h of the cheapest cost 1.052"
    assert "20.00 spent, 1.05 USD if all machines live 2 h" in done.waiting["run"]


def test_expired_machines_end_although_prefect_is_down(client: Any, tmp_path: Path) -> None:
    queue = Queue([DUE])
    controller = control(client, tmp_path, queue)
    controller.reconcile(now())
    queue.down = True
    with pytest.raises(PlatformError):
        controller.reconcile(now(hours=1))
    assert [one.live for one in controller.cloud.machines()] == [True]
    with pytest.raises(PlatformError):
        controller.reconcile(now(hours=2))
    assert [one.live for one in controller.cloud.machines()] == [False]


def test_reap_ends_what_never_joined_and_starts_nothing(client: Any, tmp_path: Path) -> None:
    queue = Queue([DUE])
    controller = control(client, tmp_path, queue)
    (machine,) = controller.reconcile(now()).launched
    assert controller.reap(now(minutes=4)).lines() == []
    queue.due.append(PoolRun("other", "due", "s", DUE.since))
    done = controller.reap(now(minutes=5, seconds=5))
    assert done.lines() == [f"ended {machine.id}: no worker joined within 5 min"]
    assert not queue.done


def test_a_run_whose_machines_keep_ending_is_given_up(client: Any, tmp_path: Path) -> None:
    lost = PoolRun("run", "running", "s", DUE.since, worker="cascada-gone", put_backs=4)
    young = PoolRun("young", "running", "s", DUE.since, worker="cascada-gone")
    cancelled = PoolRun("cancelled", "cancelling", "s", DUE.since, worker="cascada-gone")
    others = PoolRun("others", "running", "s", DUE.since, worker="a-machine-of-ours")
    queue = Queue([lost, young, cancelled, others])
    control(client, tmp_path, queue).reconcile(now())
    assert queue.done == ["give up run: its machine is gone, for the 5th time", "put back young", "cancel cancelled"]
