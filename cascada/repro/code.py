"""The code of a run, kept so that it can be had again: commit, difference, untracked files."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Iterable
from pathlib import Path

from cascada.errors import ArtifactError, CascadaError, PlatformError
from cascada.repro.environment import CodeState, code_state, diff_head, readable, run_git, untracked_files
from cascada.repro.fingerprint import file_sha256

_DIFF = "changes.diff"
_UNTRACKED = "untracked.tar.gz"
_MAX_BYTES = 10 * 2**20  # of one untracked file: what is larger is data


def capture_code(root: Path, folder: Path, *, secrets: Iterable[str] = (), aside: Collection[str] = ()) -> CodeState:
    """Keep what differs from the commit: ``changes.diff`` and ``untracked.tar.gz`` in a folder.

    Parameters
    ----------
    root
        The top of a git work tree.
    folder
        Where to write; nothing is written, and the folder not made, when the work tree is clean.
    secrets
        Values that may not be written anywhere.
    aside
        Data and outputs, see `cascada.repro.environment.code_state`.

    Returns
    -------
    CodeState
        With the hashes of what was kept; untracked files over 10 MiB, or whose name is no text, are not: ``omitted``.

    Raises
    ------
    PlatformError
        If there is no commit, or a change holds a secret: a record without that change would lie, with it would leak.
    """
    state = code_state(root, aside=aside)
    if not state.dirty:
        return state
    folder.mkdir(parents=True, exist_ok=True)
    hidden = [secret.encode() for secret in secrets]
    diff = diff_head(root)
    _refuse_secrets(diff, hidden, "the uncommitted changes")
    if diff:
        (folder / _DIFF).write_bytes(diff)
    kept, omitted = _archive(root, untracked_files(root, aside=aside), folder / _UNTRACKED, hidden)
    sha256 = hashlib.sha256(diff).hexdigest() if diff else ""
    return state.model_copy(update={"diff_sha256": sha256, "untracked": kept, "omitted": omitted})


def _archive(
    root: Path, names: Iterable[str], target: Path, secrets: list[bytes]
) -> tuple[dict[str, str], dict[str, str]]:
    kept: dict[str, str] = {}
    omitted: dict[str, str] = {}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in names:
            path = root / name
            if path.stat().st_size > _MAX_BYTES or readable(name) != name:
                omitted[readable(name)] = f"{path.stat().st_size} bytes, sha256 {file_sha256(path)}"
                continue
            content = path.read_bytes()
            _refuse_secrets(content, secrets, f"the untracked file {name}")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), path.stat().st_mode & 0o755
            archive.addfile(entry, io.BytesIO(content))
            kept[name] = hashlib.sha256(content).hexdigest()
    if kept:
        target.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return kept, omitted


def _refuse_secrets(content: bytes, secrets: list[bytes], what: str) -> None:
    if any(secret in content for secret in secrets):
        raise PlatformError(
            f"{what} hold{'s' * what.startswith('the untracked')} a password, key or token of this environment",
            expected="sources without secrets: the record keeps them word for word",
            hint="read it from the environment instead, or let git ignore the file",
        )


def restore_code(folder: Path, state: CodeState, target: Path, *, repository: Path) -> None:
    """Make a work tree as it was: a clone of the repository at the commit, with the difference and untracked files.

    Parameters
    ----------
    folder
        What `capture_code` wrote.
    target
        A folder that does not exist yet, or is empty.
    repository
        Any folder of a repository that has the commit; it is only read.

    Raises
    ------
    ArtifactError
        If the commit is not there any more, kept changes are missing or altered, or they do not apply.
    """
    clone_commit(repository, state.commit, target)
    if state.diff_sha256:
        _apply(folder / _DIFF, state.diff_sha256, target)
    if state.untracked:
        _unpack(folder / _UNTRACKED, state.untracked, target)


def clone_commit(repository: Path, commit: str, target: Path) -> None:
    """Clone a repository at a commit; the clone borrows its objects, also of a commit that no branch holds any more.

    Parameters
    ----------
    target
        A folder that does not exist yet, or is empty.

    Raises
    ------
    ArtifactError
        If the commit is not there.
    """
    require_commit(repository, commit)
    top = run_git(repository, "rev-parse", "--show-toplevel").decode().strip()
    run_git(repository, "clone", "--quiet", "--shared", "--no-checkout", top, str(target.resolve()))
    run_git(target, "checkout", "--quiet", "--detach", commit)


def require_commit(repository: Path, commit: str) -> None:
    """Refuse a repository that does not have a commit.

    Raises
    ------
    ArtifactError
        If it is not there.
    """
    try:
        run_git(repository, "cat-file", "-e", f"{commit}^{{commit}}")
    except CascadaError as error:
        raise ArtifactError(
            f"the commit {commit[:12]} is not in the repository",
            where=str(repository),
            got=error.got,
            hint="its history was rewritten or not fetched: `git fetch --all` brings what a remote still has",
        ) from error


def _apply(diff: Path, sha256: str, target: Path) -> None:
    _require(diff, sha256)
    try:
        run_git(target, "apply", "--index", "--binary", "--whitespace=nowarn", str(diff.resolve()))
    except CascadaError as error:
        raise ArtifactError(
            "the recorded changes do not apply to their commit", where=str(diff), got=error.got,
            hint="filters such as line endings or LFS may differ here: compare `git config --list`",
        ) from error  # fmt: skip


def _require(path: Path, sha256: str) -> None:
    found = file_sha256(path) if path.is_file() else "no file"
    if found != sha256:
        raise ArtifactError(
            "the recorded changes are missing or altered", where=str(path), expected=sha256, got=found,
            hint="take the record from a copy: this one cannot be replayed",
        )  # fmt: skip


def _unpack(archive: Path, expected: dict[str, str], target: Path) -> None:
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(target, filter="data")
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise ArtifactError(
            "the recorded untracked files cannot be read", where=str(archive), got=str(error)
        ) from error
    for name, sha256 in expected.items():
        _require(target / name, sha256)


def altered_changes(folder: Path, state: CodeState) -> list[str]:
    """List what of the kept changes is missing or does not have the hash that the state gives."""
    found = []
    try:
        if state.diff_sha256:
            _require(folder / _DIFF, state.diff_sha256)
        if state.untracked:
            with tempfile.TemporaryDirectory(prefix="cascada-changes-") as scratch:
                _unpack(folder / _UNTRACKED, state.untracked, Path(scratch))
    except ArtifactError as error:
        found.append(f"{error.what}: {Path(error.where).name}")
    return found


def is_clean_copy(target: Path, state: CodeState) -> bool:
    """Tell whether a work tree is what the state says: same commit, same changes."""
    found = code_state(target)
    return (found.commit, found.changes_sha256) == (state.commit, state.changes_sha256)


def work_tree(start: Path) -> Path:
    """Find the top of the git work tree around a folder.

    Raises
    ------
    PlatformError
        If there is none.
    """
    return Path(os.fsdecode(run_git(start, "rev-parse", "--show-toplevel").strip()))
