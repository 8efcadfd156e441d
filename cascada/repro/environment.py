"""The state of code, software and hardware that a run happened in."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from cascada.errors import PlatformError
from cascada.repro.fingerprint import file_sha256, json_sha256


class Record(BaseModel):
    """A recorded fact: immutable and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CodeState(Record):
    """The commit of a work tree and what differs from it.

    Attributes
    ----------
    dirty
        Whether tracked files differ from the commit or untracked files exist (ignored ones do not count).
    changes
        Status lines of git, at most 50.
    changes_sha256
        Hash of the whole difference, untracked contents included; empty when clean.
    """

    commit: str
    dirty: bool
    changes: tuple[str, ...]
    changes_sha256: str


class Software(Record):
    """Python, operating system and every installed distribution."""

    python: str
    system: str
    packages: dict[str, str]


class Hardware(Record):
    """The machine."""

    machine: str
    processor: str
    cores: int
    memory_gib: float
    gpus: tuple[str, ...]


def _git(root: Path, *arguments: str) -> bytes:
    answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    if answer.returncode != 0:
        raise PlatformError(
            f"git {arguments[0]} failed",
            where=str(root),
            got=answer.stderr.decode(errors="replace").strip(),
            hint="a run records its commit: make one with `git add -A && git commit -m start`",
        )
    return answer.stdout


def code_state(root: Path) -> CodeState:
    """Read the commit and the uncommitted changes of a work tree.

    Raises
    ------
    PlatformError
        If the folder is in no git repository or the repository has no commit.
    """
    commit = _git(root, "rev-parse", "HEAD").decode().strip()
    status = _git(root, "status", "--porcelain", "--untracked-files=all").decode().splitlines()
    return CodeState(
        commit=commit, dirty=bool(status), changes=tuple(status[:50]),
        changes_sha256=_changes_sha256(root) if status else "",
    )  # fmt: skip


def _changes_sha256(root: Path) -> str:
    tracked = hashlib.sha256(_git(root, "diff", "HEAD", "--binary")).hexdigest()
    listed = os.fsdecode(_git(root, "ls-files", "--others", "--exclude-standard", "-z")).split("\0")
    untracked = {name: file_sha256(root / name) for name in listed if name and (root / name).is_file()}
    return json_sha256([tracked, untracked])


def software() -> Software:
    """List Python, the system and every installed distribution with its version."""
    packages = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
    return Software(
        python=platform.python_version(), system=platform.platform(), packages=dict(sorted(packages.items()))
    )


def hardware() -> Hardware:
    """Describe the machine; GPUs by the names that their driver gives."""
    return Hardware(
        machine=platform.machine(),
        processor=_processor(),
        cores=os.cpu_count() or 0,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        gpus=_gpus(),
    )


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _gpus() -> tuple[str, ...]:
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ()
    return tuple(answer.stdout.splitlines()) if answer.returncode == 0 else ()
