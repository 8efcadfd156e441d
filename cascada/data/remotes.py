"""Sharing snapshots: a folder or an S3 bucket that DVC pushes them to and pulls them from.

The address stands in ``.dvc/config``, which git tracks, so that everybody who clones the project finds the snapshots.
Keys never do: they come from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``) or from the AWS
configuration of the user. What was sent or fetched is compared by its hash, object by object.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from cascada.data.transfers import Transfer, receive, send
from cascada.errors import ArtifactError, CascadaError, ConfigError, PlatformError, nearest

if TYPE_CHECKING:
    from dvc.repo import Repo

REMOTE = "shared"
"""Name of the remote in ``.dvc/config``."""

_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/config"


def snapshot_names(root: Path) -> list[str]:
    """List the snapshots that git knows a version of."""
    return sorted(pointer.stem for pointer in (root / "data").glob("*.dvc"))


def set_remote(
    root: Path, url: str, *, endpoint_url: str | None = None, region: str | None = None, profile: str | None = None
) -> None:
    """Make a folder or a bucket the place that snapshots are pushed to and pulled from.

    Parameters
    ----------
    root
        The project.
    url
        An existing folder, or ``s3://bucket/prefix``.
    endpoint_url
        Address of an S3 server other than AWS.
    region, profile
        As in the AWS configuration; a profile is a name, its keys stay in the user's own files.

    Raises
    ------
    ConfigError
        If the address is of another kind, holds credentials, or names a folder that does not exist.
    """
    address = _address(url)
    if endpoint_url is not None:
        _refuse_credentials(endpoint_url)
    if not address.startswith("s3://") and (endpoint_url or region or profile):
        raise ConfigError("endpoint, region and profile belong to an S3 remote", got=url, expected="s3://bucket/prefix")
    options = {"url": address, "endpointurl": endpoint_url, "region": region, "profile": profile, "verify": True}
    if not (root / ".dvc").is_dir():
        from dvc.repo import Repo

        Repo.init(str(root)).close()
    with _repository(root) as repo, repo.config.edit("repo") as config:
        config["remote"][REMOTE] = {key: value for key, value in options.items() if value is not None}
        config["core"]["remote"] = REMOTE


def push(root: Path, names: Sequence[str]) -> list[Transfer]:
    """Send snapshots to the remote; a copy there that is missing or damaged is replaced.

    Raises
    ------
    ArtifactError
        If a snapshot is unknown, or this machine has not got its files either.
    PlatformError
        If the remote cannot be reached or refuses the keys.
    """
    pointers = _pointers(root, names)
    with _repository(root) as repo:
        _probe(repo)
        with _explained(repo):
            return [send(repo, name, pointer) for name, pointer in pointers.items()]


def pull(root: Path, names: Sequence[str]) -> list[Transfer]:
    """Fetch snapshots from the remote, in the version that git names; files that differ from it are replaced.

    Raises
    ------
    ArtifactError
        If a snapshot is unknown, or the remote does not hold a whole copy of it.
    PlatformError
        If the remote cannot be reached or refuses the keys.
    """
    pointers = _pointers(root, names)
    with _repository(root) as repo:
        _probe(repo)
        try:
            with _explained(repo):
                return [receive(repo, name, pointer) for name, pointer in pointers.items()]
        except ArtifactError:
            _probe(repo)  # a remote that went away in between is another matter
            raise


def _pointers(root: Path, names: Sequence[str]) -> dict[str, Path]:
    known = snapshot_names(root)
    for name in names:
        if name not in known:
            raise ArtifactError(
                f"no snapshot {name!r} is known",
                where=str(root / "data"),
                expected=f"data/{name}.dvc, which git brings along",
                hint=nearest(name, known) if known else "make one, or pull the commit that has it",
            )
    return {name: root / "data" / f"{name}.dvc" for name in names}


def _address(url: str) -> str:
    parts = urlsplit(url)
    if "://" not in url:
        folder = Path(url).expanduser().absolute()
        if not folder.is_dir():
            raise ConfigError(
                "the folder of the remote does not exist", where=str(folder), hint="mount the disk, or make the folder"
            )
        return str(folder)
    _refuse_credentials(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigError("a remote is a folder or an S3 bucket", got=url, expected="/a/folder or s3://bucket/prefix")
    return url.rstrip("/")


def _refuse_credentials(url: str) -> None:
    if "@" in urlsplit(url).netloc:
        raise ConfigError(
            "an address must not hold credentials: git tracks .dvc/config",
            got=f"{urlsplit(url).scheme}://…@{urlsplit(url).netloc.rpartition('@')[2]}",
            hint=f"set {_KEYS}",
        )


def _remote_config(repo: Repo) -> dict[str, Any]:
    name = repo.config["core"].get("remote")
    settings = repo.config["remote"].get(name) if name else None
    if settings is None:
        raise ConfigError(
            "the project has no remote", where=".dvc/config", hint="set one: a folder or s3://bucket/prefix"
        )
    return dict(settings)


def _probe(repo: Repo) -> None:
    """Ask the remote one thing before any work, so that what is wrong is told once and in words."""
    settings = _remote_config(repo)
    remote = repo.cloud.get_remote()
    if remote.fs.protocol == "local":
        state = Path(repo.root_dir) / ".cascada"
        if not Path(remote.path).is_dir() and not Path(remote.path).is_relative_to(state):
            raise PlatformError(
                "the folder of the remote is not there", where=remote.path, hint="mount the disk, or set another remote"
            )
        return
    bucket = urlsplit(str(settings["url"])).netloc
    with _explained(repo), _at_once(remote.fs.fs):
        remote.fs.fs.call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)


@contextlib.contextmanager
def _at_once(filesystem: Any) -> Iterator[None]:
    """Have one question answered without the patience that transfers need."""
    patience, filesystem.retries = filesystem.retries, 1
    try:
        yield
    finally:
        filesystem.retries = patience


@contextlib.contextmanager
def _explained(repo: Repo) -> Iterator[None]:
    """Turn what DVC and the S3 library raise into what a user can act on."""
    from botocore.exceptions import BotoCoreError
    from dvc.exceptions import DvcException

    try:
        yield
    except CascadaError:
        raise
    except (OSError, BotoCoreError, DvcException) as error:
        _explain(_remote_config(repo), error)


def _explain(settings: dict[str, Any], error: Exception) -> NoReturn:
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import HTTPClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

    where, cause = str(settings["url"]), error.__cause__ or error
    server = str(settings.get("endpointurl") or "AWS")
    match error:
        case NoCredentialsError() | PartialCredentialsError() | ProfileNotFound():
            what, hint = "there are no keys for the remote", f"set {_KEYS}"
        case NoConnection() | HTTPClientError():
            what, hint = f"the S3 server {server} does not answer", "start it, or set the remote anew with its address"
        case PermissionError() if where.startswith("s3://"):
            what, hint = f"the S3 server {server} refuses the keys", f"check {_KEYS}, and their rights on the bucket"
        case FileNotFoundError() if where.startswith("s3://"):
            what, hint = "there is no such bucket", f"create it on {server}, or set the remote anew"
        case _:
            what, hint = "the remote failed", "the same command continues where this one stopped"
    raise PlatformError(what, where=where, got=str(cause), hint=hint) from error


@contextlib.contextmanager
def _repository(root: Path) -> Iterator[Repo]:
    from dvc.repo import Repo

    if not (root / ".dvc").is_dir():
        raise ConfigError("the project has no remote", where=str(root), hint="set one: a folder or s3://bucket/prefix")
    log = logging.getLogger("dvc")
    before = log.level
    try:
        with Repo(str(root)) as repo:
            log.setLevel(logging.CRITICAL)  # dvc sets its own level on import; what fails is told by our errors
            yield repo
    finally:
        log.setLevel(before)
