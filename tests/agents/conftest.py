"""EC2 as moto serves it in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.ec2.models import ec2_backends


@pytest.fixture(scope="module")
def aws() -> Iterator[boto3.Session]:
    """An account with nothing in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        with mock_aws():
            yield boto3.Session(region_name="us-east-1")


@pytest.fixture
def client(aws: boto3.Session) -> Any:
    """EC2 without a machine."""
    ec2_backends["123456789012"]["us-east-1"].reset()
    return aws.client("ec2")
