"""What `infra/terraform` makes, on moto: a network that nothing enters, roles, and the controller's machines in it."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from actions import Forge
from fleets import RATES
from forge import copy_repository, pull_request
from moto.server import ThreadedMotoServer
from projects import REPOSITORY, free_port
from repositories import git

from cascada.agents.cloud import Ec2
from cascada.agents.fleet import read_fleet
from cascada.agents.leases import PoolRun

PLUGINS = Path(os.environ.get("CASCADA_TERRAFORM_PLUGINS", "/opt/tf-plugins"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed"),
]
OVERRIDE = """provider "aws" {
  s3_use_path_style = true
}
"""

VARIABLES = {
    "region": "us-east-1", "repository": "owner/cascada", "budget_per_month": "200", "mail": "a@example.org",
    "states": "states",
}  # fmt: skip


@dataclass(frozen=True)
class Account:
    """An account of AWS as moto plays it."""

    url: str
    environment: dict[str, str]

    def client(self, service: str) -> Any:
        login = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.url, **login)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    server = ThreadedMotoServer(port=free_port(), verbose=False)
    server.start()
    url = "http://{}:{}".format("127.0.0.1", server.get_host_and_port()[1])
    environment = os.environ | {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true", "TF_IN_AUTOMATION": "true", "CHECKPOINT_DISABLE": "true",
        "TF_CLI_ARGS_init": "-backend-config=use_path_style=true -backend-config=skip_s3_checksum=true",
        **{f"TF_VAR_{name}": value for name, value in VARIABLES.items()},
    }  # fmt: skip
    environment.pop("TF_CLI_CONFIG_FILE", None)
    if PLUGINS.is_dir():  # else from Terraform's registry
        config = tmp_path_factory.mktemp("terraform") / "terraformrc"
        config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{PLUGINS}"\n  }}\n}}\n')
        environment["TF_CLI_CONFIG_FILE"] = str(config)
    made = Account(url, environment)
    made.client("s3").create_bucket(Bucket="states")
    yield made
    server.stop()


@pytest.fixture(scope="module")
def applied(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder whose plan was carried out."""
    folder = tmp_path_factory.mktemp("infra") / "terraform"
    shutil.copytree(REPOSITORY / "infra" / "terraform", folder, ignore=shutil.ignore_patterns(".terraform"))
    terraform(account, folder, "init", "-input=false", "-backend=false")
    terraform(account, folder, "validate")
    fit_moto(folder)
    backend = [f"-backend-config={name}" for name in ("bucket=states", "key=cascada.tfstate", "region=us-east-1")]
    terraform(account, folder, "init", "-input=false", *backend)
    terraform(account, folder, "apply", "-input=false", "-auto-approve")
    return folder


def fit_moto(folder: Path) -> None:
    """Have addresses without sub-domains, and no budget: moto cannot tell whom it would write to."""
    (folder / "override.tf").write_text(OVERRIDE)
    (folder / "budget.tf").unlink()


def terraform(account: Account, folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["terraform", *arguments, *(["-no-color"] if arguments[0] != "output" else [])], cwd=folder,
        env=account.environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_a_second_plan_changes_nothing(account: Account, applied: Path) -> None:
    told = map(json.loads, terraform(account, applied, "plan", "-input=false", "-json").splitlines())
    (plan,) = [one for one in told if one["type"] == "change_summary"]
    assert {name: plan["changes"][name] for name in ("add", "change", "remove")} == {"add": 0, "change": 0, "remove": 0}


def test_the_controller_rents_machines_in_this_network(account: Account, applied: Path, tmp_path: Path) -> None:
    ours = yaml.safe_load((REPOSITORY / "infra" / "agents" / "cloud.yaml").read_text())
    told = yaml.safe_load(terraform(account, applied, "output", "-raw", "fleet"))
    assert ours.keys() >= told.keys(), "the lines are lines of cloud.yaml"
    ec2 = account.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    (tmp_path / "cloud.yaml").write_text(yaml.safe_dump(ours | told | {"image": image}))
    fleet = read_fleet(tmp_path / "cloud.yaml")
    machine = Ec2(fleet, RATES, ec2).launch(
        PoolRun(str(uuid.uuid4()), "due", str(uuid.uuid4()), dt.datetime.now(dt.UTC)), "g4dn.xlarge", "spot"
    )
    (one,) = ec2.describe_instances(InstanceIds=[machine.id])["Reservations"][0]["Instances"]
    assert one["SubnetId"] == fleet.subnet
    assert one["IamInstanceProfile"]["Arn"].endswith("/cascada-agent")
    groups = ec2.describe_security_groups(GroupIds=[group["GroupId"] for group in one["SecurityGroups"]])
    (group,) = groups["SecurityGroups"]
    assert group["IpPermissions"] == []
    assert {(rule["IpProtocol"], rule.get("FromPort")) for rule in group["IpPermissionsEgress"]} == {
        ("tcp", 443),
        ("tcp", 2049),
    }
    ec2.terminate_instances(InstanceIds=[machine.id])


def test_only_pull_requests_of_the_repository_get_the_role_that_plans(account: Account, applied: Path) -> None:
    arn = terraform(account, applied, "output", "-raw", "plan_role")
    role = account.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    names = {name.rpartition(":")[2]: value for name, value in statement["Condition"]["StringEquals"].items()}
    assert names == {"aud": "sts.amazonaws.com", "sub": "repo:owner/cascada:pull_request"}


def test_nothing_in_the_store_is_public(account: Account, applied: Path) -> None:
    bucket, s3 = terraform(account, applied, "output", "-raw", "store"), account.client("s3")
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_a_pull_request_gets_the_plan(account: Account, applied: Path, tmp_path: Path) -> None:
    """The workflow, for a branch that adds a type of machine: the log shows what would change; a fork gets none."""
    work = tmp_path / "work"
    copy_repository(REPOSITORY, work)
    git(work, "init", "--quiet", "--initial-branch", "main")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "start")
    git(work, "checkout", "--quiet", "-b", "topic")
    path = work / "infra" / "terraform" / "variables.tf"
    path.write_text(path.read_text().replace('"g5.xlarge"]', '"g5.xlarge", "g6e.xlarge"]'))
    git(work, "commit", "--quiet", "--all", "--message", "another type")
    git(tmp_path, "clone", "--quiet", "--bare", str(work), "remote.git")
    (tmp_path / "forge").mkdir()
    variables = {
        "AWS_REGION": "us-east-1", "AWS_BUDGET": "200", "AWS_MAIL": "a@example.org", "AWS_STATE_BUCKET": "states",
        "AWS_PLAN_ROLE": terraform(account, applied, "output", "-raw", "plan_role"),
    }  # fmt: skip
    forge = Forge(
        tmp_path / "remote.git", tmp_path / "forge", variables=variables, environment=account.environment,
        disabled=("ci", "train", "comment"), say=lambda _: None,
        prepare=lambda workspace: fit_moto(workspace / "infra" / "terraform"),
    )  # fmt: skip
    sha = git(work, "rev-parse", "topic").strip()
    (run,) = forge.trigger(pull_request(forge, "topic", sha))
    plan = run.jobs["plan"]
    assert plan.result == "success", plan.log
    assert "aws_iam_policy.controller" in plan.log
    assert "Plan: 0 to add, 1 to change, 0 to destroy" in plan.log
    (fork,) = forge.trigger(pull_request(forge, "topic", sha, repository="else/cascada"))
    assert fork.jobs["plan"].result == "skipped"


def test_all_of_it_can_be_taken_down(account: Account, applied: Path) -> None:
    terraform(account, applied, "destroy", "-input=false", "-auto-approve")
    assert terraform(account, applied, "state", "list") == ""
