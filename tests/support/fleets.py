"""A fleet, and EC2 as moto serves it, with the token that moto leaves out: it keeps EC2 from launching twice."""

from __future__ import annotations

import copy
from typing import Any

from botocore.awsrequest import AWSResponse

from cascada.agents.fleet import Fleet

RATES = {"g4dn.xlarge": 0.526, "g5.xlarge": 1.006}


def fleet(**changes: Any) -> Fleet:
    """Make a fleet of two machines with short times."""
    facts: dict[str, Any] = {
        "project": "test", "region": "us-east-1", "image": "ami-12c6146b", "types": tuple(RATES), "max_price": 1.2,
        "max_machines": 2, "prefect_api": "http://127.0.0.1:4200/api",
        "environment": {"MLFLOW_TRACKING_URI": "http://127.0.0.1:5000"}, "ttl_hours": 2, "join_minutes": 5,
        "idle_minutes": 5, "contact_minutes": 3, "budget_per_month": 200,
    }  # fmt: skip
    return Fleet.model_validate(facts | changes)


def keep_tokens(client: Any) -> list[dict[str, Any]]:
    """Answer a request whose token was seen with the machine of the first one, as EC2 does; returns all requests.

    A second request with the token and other parameters is an error, there as here.
    """
    requests: list[dict[str, Any]] = []
    machines: dict[str, tuple[dict[str, Any], str]] = {}

    def remember(params: dict[str, Any], **_: Any) -> None:
        requests.append(params)

    def before(params: dict[str, Any], context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        body = params["body"]
        context["request"] = body
        seen = machines.get(body["ClientToken"])
        if seen is None:
            return None
        assert seen[0] == body, "the token was used with other parameters"
        answer = client.describe_instances(InstanceIds=[seen[1]])
        return AWSResponse("", 200, {}, None), {"Instances": answer["Reservations"][0]["Instances"]}

    def after(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if "Instances" in parsed:
            machines[context["request"]["ClientToken"]] = (context["request"], parsed["Instances"][0]["InstanceId"])

    client.meta.events.register("provide-client-params.ec2.RunInstances", remember)
    client.meta.events.register("before-call.ec2.RunInstances", before)
    client.meta.events.register("after-call.ec2.RunInstances", after)
    return requests


def remember_descriptions(client: Any) -> None:
    """Keep what EC2 describes until a request changes something: moto takes 10 ms a machine to say the same again."""
    kept: dict[str, dict[str, Any]] = {}

    def before(model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> Any:
        if not model.name.startswith("Describe"):
            kept.clear()
            return None
        context["question"] = repr(sorted(params["body"].items()))
        known = kept.get(context["question"])
        return None if known is None else (AWSResponse("", 200, {}, None), copy.deepcopy(known))

    def after(model: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if model.name.startswith("Describe"):
            kept[context["question"]] = copy.deepcopy(parsed)
        else:
            kept.clear()

    client.meta.events.register_last("before-call.ec2", before)
    client.meta.events.register("after-call.ec2", after)
