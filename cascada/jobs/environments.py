"""The environment of a recorded run: this one when it is identical, else one built from the lock with uv."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cascada
from cascada.errors import PlatformError
from cascada.repro.environment import software
from cascada.repro.fingerprint import json_sha256
from cascada.repro.packages import PackageChange, normalised, package_changes

_PYTHON = Path("bin", "python")
_FROM_PIP = {"find-links": "UV_FIND_LINKS", "index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX"}


def environment_changes(python: str, packages: Mapping[str, str]) -> tuple[PackageChange, ...]:
    """List what differs between a recorded environment and this one; the interpreter counts as a package.

    Cascada itself does not count: the one that verifies is the one that replays.
    """
    here = software()
    changes = package_changes({"python": python, **packages}, {"python": here.python, **here.packages})
    return tuple(change for change in changes if change.name != "cascada")


def build_environment(python: str, packages: Mapping[str, str], folder: Path) -> Path:
    """Build a virtual environment with exactly the recorded packages, or find the one built before.

    Packages that are installed here from a folder (an editable install, cascada itself) are in no index: they are left
    out, and this cascada is put on the path of the new environment.

    Parameters
    ----------
    python
        Version of the interpreter.
    folder
        Where environments are kept, one a lock.

    Returns
    -------
    Path
        The interpreter.

    Raises
    ------
    PlatformError
        If uv is not installed, the interpreter is not to be had, or the lock does not resolve.
    """
    wanted = {name: version for name, version in packages.items() if normalised(name) not in local_packages()}
    target = folder / json_sha256([python, wanted])[:16]
    if (target / "complete").exists():
        return target / _PYTHON
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    uv = find_uv()
    _uv(uv, "venv", "--quiet", "--python", _interpreter(python), str(target))
    lock = target / "lock.txt"
    lock.write_text("".join(f"{name}=={version}\n" for name, version in sorted(wanted.items())), encoding="utf-8")
    # --no-deps: the lock is the whole environment, and what was installed together need not resolve together.
    _uv(uv, "pip", "install", "--quiet", "--python", str(target / _PYTHON), "--no-deps", "--requirement", str(lock))
    (site,) = target.glob("lib/python*/site-packages")
    (site / "cascada.pth").write_text(f"{Path(cascada.__file__).parents[1]}\n", encoding="utf-8")
    (target / "complete").touch()
    return target / _PYTHON


def _interpreter(version: str) -> str:
    return sys.executable if version == platform.python_version() else version


def local_packages() -> frozenset[str]:
    """Name the distributions that are installed from a folder of this machine."""
    found = {"cascada"}
    for distribution in importlib.metadata.distributions():
        origin = distribution.read_text("direct_url.json")
        if origin and "dir_info" in json.loads(origin):
            found.add(normalised(distribution.metadata["Name"]))
    return frozenset(found)


def find_uv() -> str:
    """Find uv beside this interpreter or on the path.

    Raises
    ------
    PlatformError
        If it is not installed.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise PlatformError("uv, which builds environments, is not installed", hint="pip install uv")
    return found


def _uv(uv: str, *arguments: str) -> None:
    answer = subprocess.run(
        [uv, *arguments], capture_output=True, text=True, check=False, env=_pip_sources() | os.environ
    )
    if answer.returncode != 0:
        said = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
        raise PlatformError(f"uv {arguments[0]} could not build the recorded environment", got=" ".join(said[:6]))


def _pip_sources() -> dict[str, str]:
    """Hand over where pip is configured to look, and pip's rule that all its indexes count alike; uv reads neither."""
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for line in answer.stdout.splitlines():
        key, _, value = line.partition("=")
        name = _FROM_PIP.get(key.rpartition(".")[2])
        if name:
            values = value.strip("'\"").split()
            found[name] = (" " if name == "UV_INDEX" else ",").join(values)
    return found
