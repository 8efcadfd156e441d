"""One commit of a repository as one file, and a repository made of it where the first one is not."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from cascada.errors import ArtifactError, CascadaError
from cascada.repro.code import require_commit
from cascada.repro.environment import run_git

_SUBMODULE = b"commit"
_PACKS = Path(".git", "objects", "pack")
# Without deltas, threads and what the repository has packed before, the same commit gives the same bytes.
_PLAIN = ("--quiet", "--window=0", "--threads=1", "--compression=6", "--no-reuse-delta", "--no-reuse-object")

LICENCE_FILE = re.compile(r"^(licen[cs]e|copying)([.-].*)?$", re.IGNORECASE)
"""Names of files that hold a licence."""


def pack_commit(repository: Path, commit: str, target: Path) -> Path:
    """Write a commit with all of its files, and nothing of its history, as a pack of git.

    Parameters
    ----------
    repository
        Any folder of a repository that has the commit; it is only read.

    Raises
    ------
    ArtifactError
        If the commit is not there.
    PlatformError
        If git has not all of its files: a partial clone, or a damaged repository.
    """
    require_commit(repository, commit)
    with tempfile.TemporaryDirectory(prefix="cascada-pack-") as scratch:
        names = "\n".join(_objects(repository, commit)).encode()
        run_git(
            repository,
            "-c",
            "pack.packSizeLimit=0",
            "pack-objects",
            *_PLAIN,
            str(Path(scratch) / "commit"),
            given=names,
        )
        (made,) = Path(scratch).glob("commit-*.pack")
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(made, target))


def _objects(repository: Path, commit: str) -> list[str]:
    tree = run_git(repository, "rev-parse", f"{commit}^{{tree}}").decode().strip()
    listed = run_git(repository, "ls-tree", "-r", "-t", "-z", "--full-tree", commit).split(b"\0")
    entries = [line.split(b"\t", 1)[0].split(b" ") for line in listed if line]
    held = {name.decode() for _, kind, name in entries if kind != _SUBMODULE}
    return sorted(held | {commit, tree})


def unpack_commit(pack: Path, commit: str, target: Path) -> Path:
    """Make a repository whose only commit is that of a pack; nothing is checked out.

    Git names every object by its hash, so a pack with another content has another commit, or none.

    Parameters
    ----------
    target
        A folder that does not exist yet.

    Raises
    ------
    ArtifactError
        If the pack is damaged or does not hold the commit.
    """
    target.mkdir(parents=True)
    kind = "sha256" if len(commit) == 64 else "sha1"
    run_git(target, "init", "--quiet", f"--object-format={kind}")
    kept = shutil.copyfile(pack, target / _PACKS / "pack-commit.pack")
    (target / ".git" / "shallow").write_text(f"{commit}\n", encoding="ascii")
    try:
        run_git(target, "index-pack", str(kept))
        run_git(target, "update-ref", "--no-deref", "HEAD", f"{commit}^{{commit}}")
    except CascadaError as error:
        raise ArtifactError(
            f"this is not the code at commit {commit[:12]}", where=str(pack), got=error.got,
            hint="take it from another copy, or clone the project",
        ) from error  # fmt: skip
    return target


def read_at(repository: Path, commit: str, name: str) -> str:
    """Read a text file of a commit; empty when it has none of this name."""
    try:
        return run_git(repository, "show", f"{commit}:{name}").decode(errors="replace")
    except CascadaError:
        return ""


def names_at(repository: Path, commit: str) -> list[str]:
    """List the files at the top of a commit."""
    return run_git(repository, "ls-tree", "--name-only", commit).decode(errors="replace").splitlines()


def author_of(repository: Path, commit: str) -> str:
    """Name the author of a commit."""
    return (
        run_git(repository, "show", "--no-patch", "--no-show-signature", "--format=%an", commit)
        .decode(errors="replace")
        .strip()
    )


def files_at(repository: Path, commit: str, path: str) -> int:
    """Count the files that a commit has at and below a path from the top."""
    listed = run_git(repository, "ls-tree", "-r", "-z", "--full-tree", "--name-only", commit, "--", path)
    return sum(1 for name in listed.split(b"\0") if name)
