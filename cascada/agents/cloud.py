"""EC2: the one door to rented machines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cascada.agents.boot import boot_script
from cascada.agents.fleet import Fleet
from cascada.agents.leases import Machine, Market, PoolRun, expiry, name_lease
from cascada.errors import CascadaError, ConfigError, PlatformError

_NO_CAPACITY = {
    "InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity",
    "SpotMaxPriceTooLow", "MaxSpotInstanceCountExceeded", "VcpuLimitExceeded", "InstanceLimitExceeded", "Unsupported",
}  # fmt: skip
_LIVE = {"pending", "running", "stopping", "stopped"}


class NoCapacityError(CascadaError):
    """AWS has no such machine to give now, or the account's quota is used up."""


class Ec2:
    """The rented machines of one project in one region.

    Parameters
    ----------
    rates
        Money an hour of each type that may be started. A spot machine is counted at this price too, an upper bound.
    client
        boto3's client of EC2; made from the usual environment when omitted.
    """

    def __init__(self, fleet: Fleet, rates: Mapping[str, float], client: Any = None) -> None:
        self._fleet, self._rates = fleet, rates
        with _explained(fleet.region):
            self._client = client or boto3.client("ec2", region_name=fleet.region)

    def machines(self) -> list[Machine]:
        """List the project's machines; one that was terminated stays in the list for about an hour."""
        wanted = [{"Name": "tag:cascada:project", "Values": [self._fleet.project]}]
        with _explained(self._fleet.region):
            pages = self._client.get_paginator("describe_instances").paginate(Filters=wanted)
            found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
        return sorted((self._machine(one) for one in found), key=lambda machine: (machine.launched, machine.id))

    def launch(self, run: PoolRun, machine_type: str, market: Market) -> Machine:
        """Start a machine for a run, or find the one that was started for its present state: EC2 keeps the token.

        Raises
        ------
        NoCapacityError
            If there is no such machine now.
        PlatformError
            If AWS refuses.
        """
        lease = name_lease(self._fleet.project, run, machine_type, market)
        request = self._request(lease, run, machine_type, market)
        with _explained(self._fleet.region):
            answer = self._client.run_instances(**request, **self._network())
        return self._machine(answer["Instances"][0])

    def end(self, machines: Collection[Machine]) -> None:
        """Terminate machines; one that is gone already is no error."""
        for machine in machines:
            with _explained(self._fleet.region, allowed="InvalidInstanceID.NotFound"):
                self._client.terminate_instances(InstanceIds=[machine.id])

    def mark_expiry(self, machine: Machine) -> None:
        """Write on a machine when it ends at the latest, for people and for tools of others."""
        tag = {"Key": "cascada:expires", "Value": f"{expiry(machine, self._fleet):%Y-%m-%dT%H:%M:%SZ}"}
        with _explained(self._fleet.region):
            self._client.create_tags(Resources=[machine.id], Tags=[tag])

    def _machine(self, one: Mapping[str, Any]) -> Machine:
        tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
        return Machine(
            id=one["InstanceId"], lease=tags.get("cascada:lease", ""), run_id=tags.get("cascada:run", ""),
            type=one["InstanceType"], market="spot" if tags.get("cascada:market") == "spot" else "on-demand",
            launched=one["LaunchTime"].astimezone(dt.UTC), live=one["State"]["Name"] in _LIVE,
            gone=one["State"]["Name"] == "terminated",
            rate=self._rates.get(one["InstanceType"], max(self._rates.values())),
            expires=tags.get("cascada:expires", ""),
        )  # fmt: skip

    def _request(self, lease: str, run: PoolRun, machine_type: str, market: Market) -> dict[str, Any]:
        """Make the request; it depends on nothing but its arguments and settings, as the token demands."""
        fleet = self._fleet
        tags = {"project": fleet.project, "lease": lease, "run": run.id, "market": market}
        named = [{"Key": f"cascada:{name}", "Value": value} for name, value in tags.items()]
        named.append({"Key": "Name", "Value": lease})
        request: dict[str, Any] = {
            "ClientToken": lease, "ImageId": fleet.image, "InstanceType": machine_type, "MinCount": 1, "MaxCount": 1,
            "InstanceInitiatedShutdownBehavior": "terminate", "UserData": boot_script(lease, fleet),
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1},
            "TagSpecifications": [{"ResourceType": kind, "Tags": named} for kind in ("instance", "volume")],
        }  # fmt: skip
        if market == "spot":
            options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
            request["InstanceMarketOptions"] = {
                "MarketType": "spot", "SpotOptions": options | {"MaxPrice": f"{fleet.max_price:g}"},
            }  # fmt: skip
        if fleet.instance_profile:
            request["IamInstanceProfile"] = {"Name": fleet.instance_profile}
        return request

    def _network(self) -> dict[str, Any]:
        """Choose subnet and security groups, and refuse groups that let anything in."""
        groups = list(self._fleet.security_groups) or [self._closed_group()]
        with _explained(self._fleet.region):
            described = self._client.describe_security_groups(GroupIds=groups)["SecurityGroups"]
        for group in described:
            if group["IpPermissions"]:
                raise ConfigError(
                    f"the security group {group['GroupId']} lets something in", where="infra/agents/cloud.yaml",
                    expected="no rule for incoming traffic: agents ask, nobody asks them",
                    got=f"{len(group['IpPermissions'])} rules",
                )  # fmt: skip
        return {"SecurityGroupIds": groups} | ({"SubnetId": self._fleet.subnet} if self._fleet.subnet else {})

    def _closed_group(self) -> str:
        """Find, or make, a security group without a rule for incoming traffic."""
        name = f"{self._fleet.project}-agents"
        with _explained(self._fleet.region):
            vpc = self._vpc()
            wanted = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
            found = self._client.describe_security_groups(Filters=wanted)["SecurityGroups"]
            if found:
                return str(found[0]["GroupId"])
            made = self._client.create_security_group(GroupName=name, Description="agents: nothing in", VpcId=vpc)
        return str(made["GroupId"])

    def _vpc(self) -> str:
        if self._fleet.subnet:
            subnets = self._client.describe_subnets(SubnetIds=[self._fleet.subnet])["Subnets"]
            return str(subnets[0]["VpcId"])
        vpcs = self._client.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        if not vpcs:
            raise ConfigError(
                "the account has no default VPC", where="infra/agents/cloud.yaml", expected="subnet: subnet-…"
            )
        return str(vpcs[0]["VpcId"])


@contextmanager
def _explained(region: str, *, allowed: str = "") -> Iterator[None]:
    """Turn what boto3 raises into errors of the house; an allowed code is none."""
    try:
        yield
    except ClientError as error:
        code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        if code == allowed:
            return
        if code in _NO_CAPACITY:
            raise NoCapacityError(f"no capacity: {code}", where=region, got=said) from error
        raise PlatformError("EC2 refused a request", where=region, got=f"{code}: {said}") from error
    except BotoCoreError as error:
        hint = "set AWS_PROFILE or the other variables of boto3 to an account that may rent machines"
        raise PlatformError("EC2 cannot be asked", where=region, got=str(error), hint=hint) from error
