"""What is served of a model: packages on disk, one of them current, and the history of how it came to be.

::

    <home>/served/<model>/
        v3-20261127T2015…/   a package (`cascada.registry.package`)
        current              link to the one that is served; a running service follows it without losing a request
        shadow               link to one that is asked the same, whose answers go to nobody; where there is one
        history.jsonl        one line a change: time, from, to, reason
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cascada.errors import ArtifactError
from cascada.registry.package import ModelIdentity, read_identity, write_package

CURRENT, SHADOW, HISTORY = "current", "shadow", "history.jsonl"


class Change(BaseModel):
    """One line of the history; versions are numbers in the registry, `before` is None at the first."""

    model_config = ConfigDict(frozen=True)

    time: str
    before: int | None
    after: int
    reason: str


def deploy(bundle: Path, identity: ModelIdentity, folder: Path, *, key: Path, reason: str) -> Path:
    """Make a version the current one of a model, and return the folder of its package.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    folder
        Of the model's packages; it is made when it is not there.
    reason
        Why, for the history.
    """
    target = _put(bundle, identity, folder, key=key)
    before = served_identity(folder)
    _point(folder, target, CURRENT)
    change = Change(
        time=datetime.now(UTC).isoformat(timespec="milliseconds"), before=None if before is None else before.version,
        after=identity.version, reason=reason,
    )  # fmt: skip
    with (folder / HISTORY).open("a", encoding="utf-8") as file:
        file.write(change.model_dump_json() + "\n")
    return target


def deploy_shadow(bundle: Path, identity: ModelIdentity, folder: Path, *, key: Path) -> Path:
    """Make a version the shadow of the current one, and return the folder of its package; parameters as of `deploy`."""
    target = _put(bundle, identity, folder, key=key)
    _point(folder, target, SHADOW)
    return target


def drop_shadow(folder: Path) -> None:
    """Have no shadow any more.

    Raises
    ------
    ArtifactError
        If nothing is deployed here.
    """
    if not folder.is_dir():
        raise ArtifactError("this model is not deployed here", where=str(folder))
    (folder / SHADOW).unlink(missing_ok=True)


def _put(bundle: Path, identity: ModelIdentity, folder: Path, *, key: Path) -> Path:
    target = folder / f"v{identity.version}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    partial = folder / f".{target.name}"
    write_package(bundle, identity, partial, key=key)
    partial.rename(target)
    return target


def current(folder: Path, link: str = CURRENT) -> Path | None:
    """Find the package that is served, or the shadow; None where there is none."""
    pointed = folder / link
    return pointed.resolve() if pointed.exists() else None


def served_identity(folder: Path) -> ModelIdentity | None:
    """Tell which version is served, as its package says; None before the first."""
    package = current(folder)
    return None if package is None else read_identity(package)


def history(folder: Path) -> tuple[Change, ...]:
    """Read how the current version came to be, oldest first.

    Raises
    ------
    ArtifactError
        If a line is not one of a history.
    """
    path = folder / HISTORY
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    try:
        return tuple(Change.model_validate_json(line) for line in lines)
    except ValidationError as error:
        raise ArtifactError(
            "the history of deployments is damaged", where=str(path), got=str(error).splitlines()[0],
            hint="remove the line that is no JSON; the package that is served stays",
        ) from error  # fmt: skip


def _point(folder: Path, target: Path, name: str) -> None:
    """Move a link in one step: whoever looks sees the old or the new package."""
    link = folder / f".{name}.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(folder / name)
