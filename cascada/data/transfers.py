"""One snapshot sent or received through DVC, and every object of it compared by its hash on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascada.errors import ArtifactError

if TYPE_CHECKING:
    from dvc.repo import Repo

_BLOCK = 1 << 20
_RESEND = "push the snapshot again from a machine that has it"


@dataclass(frozen=True)
class Transfer:
    """What was made sure of for one snapshot.

    Attributes
    ----------
    name, md5
        The snapshot and DVC's name of its version.
    files, bytes
        Its files and their size; the hash of each was compared.
    moved
        Whether anything had to be sent or fetched.
    """

    name: str
    md5: str
    files: int
    bytes: int
    moved: bool


@dataclass(frozen=True)
class _Object:
    md5: str
    path: Path
    """In the work tree; for the listing of a folder, the folder."""


def send(repo: Repo, name: str, pointer: Path) -> Transfer:
    """Send the version that a pointer names, and replace what the remote has otherwise.

    Raises
    ------
    ArtifactError
        If this machine has no whole copy of it.
    """
    count = repo.push(targets=[str(pointer)])
    objects = _objects(repo, name, pointer)
    remote = repo.cloud.get_remote_odb()
    wrong = [item for item in objects if not _same_there(remote, item.md5)]
    for item in wrong:
        _replace_there(repo, remote, item, name)
    return _transfer(name, objects, moved=bool(count or wrong))


def receive(repo: Repo, name: str, pointer: Path) -> Transfer:
    """Fetch the version that a pointer names into its folder.

    Raises
    ------
    ArtifactError
        If the remote has no whole copy of it.
    """
    count = _checkout(repo, name, pointer)
    objects = _objects(repo, name, pointer)
    wrong = [item for item in objects if not _same_here(repo, item)]
    if wrong:
        # The cache gave out altered bytes: take them away, so that they are fetched anew.
        for item in wrong:
            Path(repo.cache.local.oid_to_path(item.md5)).unlink(missing_ok=True)
            if item.path.is_file():
                item.path.unlink()
        _checkout(repo, name, pointer)
        still = [item.path.name for item in wrong if not _same_here(repo, item)]
        if still:
            raise ArtifactError(f"the copy of {name!r} on the remote is damaged", got=", ".join(still), hint=_RESEND)
    return _transfer(name, objects, moved=bool(count or wrong))


def _checkout(repo: Repo, name: str, pointer: Path) -> int:
    from dvc.exceptions import CheckoutError, DownloadError

    try:
        return int(repo.pull(targets=[str(pointer)], force=True)["stats"]["fetched"])
    except (CheckoutError, DownloadError) as error:
        raise ArtifactError(
            f"the remote does not hold a whole copy of {name!r}",
            where=repo.cloud.get_remote().path,
            expected=f"md5 {_output(repo, pointer).hash_info.value} and every file of it, unaltered",
            hint=_RESEND,
        ) from error


def _transfer(name: str, objects: Sequence[_Object], *, moved: bool) -> Transfer:
    files = [item.path for item in objects if item.path.is_file()]
    return Transfer(name, objects[0].md5, len(files), sum(file.stat().st_size for file in files), moved)


def _output(repo: Repo, pointer: Path) -> Any:
    (output,) = repo.find_outs_by_path(str(pointer.with_suffix("")))
    return output


def _objects(repo: Repo, name: str, pointer: Path) -> list[_Object]:
    """List what a version is made of, the listing of the folder first."""
    output = _output(repo, pointer)
    folder, tree = pointer.with_suffix(""), output.get_obj()
    if tree is None:
        raise ArtifactError(
            f"this machine has no whole copy of {name!r}",
            where=str(folder),
            expected=f"md5 {output.hash_info.value}",
            hint="pull it first, or make it again",
        )
    listed = [_Object(info.value, folder.joinpath(*key)) for key, _, info in tree] if output.is_dir_checksum else []
    return [_Object(output.hash_info.value, folder), *listed]


def _same_there(remote: Any, md5: str) -> bool:
    path = remote.oid_to_path(md5)
    try:
        info = remote.fs.info(path)
        # S3 names an object that was sent in one piece by the MD5 of its bytes.
        if str(info.get("ETag", "")).strip('"') == md5.removesuffix(".dir"):
            return True
        with remote.fs.open(path, "rb") as file:
            return _md5(file) == md5.removesuffix(".dir")
    except FileNotFoundError:
        return False


def _same_here(repo: Repo, item: _Object) -> bool:
    listing = item.md5.endswith(".dir")
    return _is_intact(Path(repo.cache.local.oid_to_path(item.md5)) if listing else item.path, item.md5)


def _is_intact(path: Path, md5: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _md5(file) == md5.removesuffix(".dir")


def _replace_there(repo: Repo, remote: Any, item: _Object, name: str) -> None:
    here, there = Path(repo.cache.local.oid_to_path(item.md5)), remote.oid_to_path(item.md5)
    if remote.fs.exists(there):
        remote.fs.remove(there)
    for copy in (here, item.path):
        if _is_intact(copy, item.md5):
            remote.fs.makedirs(remote.fs.parent(there), exist_ok=True)
            remote.fs.put_file(str(copy), there)
            if _same_there(remote, item.md5):
                return
    raise ArtifactError(
        f"{name!r} could not be sent whole",
        where=item.path.name,
        expected=f"md5 {item.md5} on the remote",
        got="neither the cache nor the folder of this machine has it unaltered",
        hint="pull the snapshot first, or make it again",
    )


def _md5(file: Any) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
