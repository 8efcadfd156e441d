"""Environments of their own for what the tests need and cascada must not: made from a lock at the first use."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from projects import REPOSITORY


def environment(name: str, *, beside: bool = False) -> Path:
    """Make the environment of ``requirements/<name>.txt`` and return its interpreter; skip where it cannot be had.

    Parameters
    ----------
    beside
        Whether what this interpreter has can be imported there, too.
    """
    lock = REPOSITORY / "requirements" / f"{name}.txt"
    target = REPOSITORY / ".venv" / name
    state = hashlib.sha256(lock.read_bytes()).hexdigest()
    python, stamp = target / "bin" / "python", target / ".locked"
    with (REPOSITORY / ".venv" / f"{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != state:
            _uv("venv", "--clear", "--python", sys.executable, str(target))
            wanted = ("--no-deps", "--require-hashes", "-r", str(lock))
            _uv("pip", "install", "--compile-bytecode", "--python", str(python), *wanted)
            if beside:
                _add_packages(target)
            stamp.write_text(state)
    return python


def _add_packages(target: Path) -> None:
    """List this interpreter's packages behind the environment's own; `site.addsitedir` reads their `.pth`, too."""
    own = sysconfig.get_path("purelib", vars={"base": str(target), "platbase": str(target)})
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (Path(own) / "beside.pth").write_text(line)


def _uv(*arguments: str) -> None:
    command = [str(Path(sys.executable).parent / "uv"), *arguments, "--quiet"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        pytest.skip(f"an environment of the tests cannot be installed: {answer.stderr.strip()[-300:]}")
