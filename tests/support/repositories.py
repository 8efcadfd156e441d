"""Git repositories with a few files, made in a moment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def git(root: Path, *arguments: str) -> str:
    """Run git as somebody, with nobody's configuration."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, env=quiet).stdout


def write(root: Path, name: str, text: str) -> Path:
    """Write a file below a folder."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def repository(root: Path, files: dict[str, str]) -> Path:
    """Make a repository with one commit of these files; its state folder is ignored."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet")
    for name, text in ({".gitignore": ".cascada/\n"} | files).items():
        write(root, name, text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    return root
