"""The files of two runs' code side by side, uncommitted changes and untracked files included."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cascada.errors import PlatformError
from cascada.repro.environment import CodeState


def code_stat(one: CodeState, other: CodeState, *, kept: tuple[Path, Path], repository: Path) -> tuple[str, ...]:
    """List the files that differ between two states of the code, with the lines added and removed, as git shows them.

    Parameters
    ----------
    kept
        What `cascada.repro.code.capture_code` wrote for each.
    repository
        A repository that has both commits; it is only read.

    Raises
    ------
    PlatformError
        If a commit is not there, or kept changes do not apply.
    """
    with tempfile.TemporaryDirectory(prefix="cascada-trees-") as scratch:
        trees = [
            _tree(state, folder, Path(scratch) / side, Path(scratch) / "objects", repository)
            for state, folder, side in zip((one, other), kept, ("one", "other"), strict=True)
        ]
        apart = _apart(Path(scratch) / "one", Path(scratch) / "objects", repository)
        return tuple(_git(repository, apart, "diff", "--stat=100", *trees).splitlines())


def _apart(work: Path, objects: Path, repository: Path) -> dict[str, str]:
    """Let git write its index and objects into a scratch folder, and read the repository's beside them."""
    work.mkdir(exist_ok=True)
    objects.mkdir(exist_ok=True)
    own = _git(repository, {}, "rev-parse", "--path-format=absolute", "--git-path", "objects").strip()
    return {
        "GIT_INDEX_FILE": str(work / "index"), "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": own,
    }  # fmt: skip


def _tree(state: CodeState, folder: Path, work: Path, objects: Path, repository: Path) -> str:
    """Write the tree of a state of the code and return its name."""
    apart = _apart(work, objects, repository)
    _git(repository, apart, "read-tree", state.commit)
    if state.diff_sha256:
        diff = str((folder / "changes.diff").resolve())
        _git(repository, apart, "apply", "--cached", "--binary", "--whitespace=nowarn", diff)
    if state.untracked:
        with tarfile.open(folder / "untracked.tar.gz") as packed:
            packed.extractall(work / "files", filter="data")
    for name in state.untracked:
        blob = _git(
            repository, apart, "hash-object", "-w", "--no-filters", str((work / "files" / name).resolve())
        ).strip()
        _git(repository, apart, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    return _git(repository, apart, "write-tree").strip()


def _git(repository: Path, variables: Mapping[str, str], *arguments: str) -> str:
    # From the top: `git apply` leaves out what lies outside of the folder that it is called in.
    top = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"], cwd=repository, capture_output=True, text=True, check=False
    )
    answer = subprocess.run(
        ["git", *arguments], cwd=top.stdout.strip() or repository, env={**os.environ, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode != 0:
        raise PlatformError(f"git {arguments[0]} failed", where=str(repository), got=answer.stderr.strip())
    return answer.stdout
