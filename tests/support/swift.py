"""A real S3 server: OpenStack Swift with its S3 door, four plain processes on one folder.

Swift has an environment of its own (`requirements/swift.txt`): nothing of it is on the path of cascada.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments import environment
from projects import free_port

_SERVERS = ("account", "container", "object")
_PIPELINE = (
    "catch_errors gatekeeper healthcheck listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink"
    " proxy-server"
)

# Rings of one device and one replica: where the proxy finds each server.
_RINGS = """
import sys
from swift.common.ring import RingBuilder
for argument in sys.argv[1:]:
    name, port = argument.split("=")
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(f"{name}.ring.gz")
"""


@dataclass(frozen=True)
class S3:
    """A running S3 server and the keys of its one account."""

    endpoint_url: str
    log: Path
    access_key: str = "test:tester"
    secret_key: str = field(default="testing", repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The variables in which AWS tools look for keys."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, **changed: str) -> Any:
        """Make a boto3 client with this server's keys."""
        import boto3

        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        return boto3.client("s3", endpoint_url=self.endpoint_url, region_name="us-east-1", **(keys | changed))

    def keys(self, bucket: str) -> dict[str, int]:
        """List a bucket: key to size in bytes."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}


@contextlib.contextmanager
def running(folder: Path) -> Iterator[S3]:
    """Start the server on free ports with all its files below a folder, and stop it in the end."""
    python = environment("swift")
    ports = {name: free_port() for name in (*_SERVERS, "proxy")}
    _configure(folder, ports)
    _make_rings(python, folder, ports)
    log = folder / "log"
    with log.open("ab") as sink, contextlib.ExitStack() as stack:
        for name in ports:
            command = [str(python), str(python.parent / f"swift-{name}-server"), str(folder / f"{name}.conf")]
            process = subprocess.Popen(command, cwd=folder, stdout=sink, stderr=sink, start_new_session=True)
            stack.callback(_stop, process)
        server = S3(f"http://127.0.0.1:{ports['proxy']}", log)
        _await(server)
        yield server


def _configure(folder: Path, ports: dict[str, int]) -> None:
    device = folder / "devices" / "d1"
    device.mkdir(parents=True)
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n")
    shared = {
        "bind_ip": "127.0.0.1", "workers": 0, "user": getpass.getuser(), "swift_dir": folder, "mount_check": "false",
        "devices": folder / "devices", "disable_fallocate": "true", "recon_cache_path": folder / "recon",
    }  # fmt: skip
    default = "".join(f"{key} = {value}\n" for key, value in shared.items())
    for name in _SERVERS:
        app = f"[pipeline:main]\npipeline = {name}-server\n[app:{name}-server]\nuse = egg:swift#{name}\n"
        (folder / f"{name}.conf").write_text(f"[DEFAULT]\nbind_port = {ports[name]}\n{default}{app}")
    filters = "".join(f"[filter:{part}]\nuse = egg:swift#{part}\n" for part in _PIPELINE.split()[:-1])
    filters = filters.replace("egg:swift#tempauth\n", "egg:swift#tempauth\nuser_test_tester = testing .admin\n")
    filters = filters.replace("#versioned_writes\n", "#versioned_writes\nallow_object_versioning = true\n")
    app = "[app:proxy-server]\nuse = egg:swift#proxy\nallow_account_management = true\naccount_autocreate = true\n"
    pipeline = f"[pipeline:main]\npipeline = {_PIPELINE}\n"
    (folder / "proxy.conf").write_text(
        f"[DEFAULT]\nbind_port = {ports['proxy']}\n{default}{pipeline}{filters}{app}"
    )  # fmt: skip


def _make_rings(python: Path, folder: Path, ports: dict[str, int]) -> None:
    arguments = [f"{name}={ports[name]}" for name in _SERVERS]
    subprocess.run([str(python), "-c", _RINGS, *arguments], cwd=folder, check=True, capture_output=True)


def _await(server: S3, seconds: float = 60) -> None:
    import httpx

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            if httpx.get(f"{server.endpoint_url}/healthcheck").status_code == 200:
                server.client().list_buckets()
                return
        time.sleep(0.1)
    raise RuntimeError(f"Swift did not start within {seconds:g} s:\n{server.log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
