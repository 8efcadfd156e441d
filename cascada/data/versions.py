"""Versions of snapshots: the one door to DVC.

Git tracks ``data/<name>.dvc``, DVC keeps every version in its cache and its remote.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import yaml

from cascada.data.snapshots import (
    CARD,
    SnapshotRef,
    further_table_sha256,
    is_intact,
    list_snapshots,
    open_snapshot,
    scan_showers,
)
from cascada.errors import ArtifactError, nearest

if TYPE_CHECKING:
    from dvc.repo import Repo

logger = logging.getLogger(__name__)

_ANEW = "train again with --refresh to take the snapshot anew"
_DVC_CONFIG = """\
[core]
    analytics = false
    check_update = false
    remote = local
['remote "local"']
    url = ../.cascada/dvc-remote
"""


def read_showers(ref: SnapshotRef, root: Path) -> pl.DataFrame:
    """Read the kept rows and check their hash; when another version lies in the folder, DVC brings this one back.

    Raises
    ------
    ArtifactError
        If the snapshot cannot be had or its values differ from the reference.
    """
    return scan_showers(ensure(ref, root)).collect()


def scan_table(ref: SnapshotRef, name: str, root: Path) -> pl.LazyFrame:
    """Open a further table of a snapshot (one of ``ref.tables``) lazily and check its hash; see `read_showers`.

    Raises
    ------
    ArtifactError
        If the snapshot cannot be had, or the table's values differ from the reference.
    """
    frame = pl.scan_parquet(ensure(ref, root).path / f"{name}.parquet")
    expected = ref.table_sha256.get(name, "no hash: the snapshot was taken by an earlier version")
    try:
        found = further_table_sha256(frame)
    except (OSError, pl.exceptions.PolarsError) as error:
        found = str(error)
    if found != expected:
        raise ArtifactError(
            f"the table {name!r} of a snapshot was altered", where=str(ref.path), expected=expected, got=found,
            hint=_ANEW,
        )  # fmt: skip
    return frame


def ensure(ref: SnapshotRef, root: Path) -> SnapshotRef:
    """Make sure that the version of a reference is the one that lies in its folder; see `read_showers`."""
    if is_intact(ref):
        return ref
    _restore(ref, root)
    if not is_intact(ref):
        raise ArtifactError("the snapshot was altered", where=str(ref.path), expected=ref.content_sha256, hint=_ANEW)
    return ref


def find_snapshot(name: str, root: Path) -> SnapshotRef:
    """Find a snapshot of the project by name; one that git knows and the disk does not is brought back by DVC.

    Raises
    ------
    ArtifactError
        If there is none of that name; it names the nearest.
    """
    folder = root / "data"
    pointer = folder / f"{name}.dvc"
    if not (folder / name / CARD).exists() and pointer.exists():
        from cascada.data.remotes import pull

        pull(root, [name])
    if not (folder / name / CARD).exists():
        known = [ref.name for ref in list_snapshots(folder)]
        hint = nearest(name, known) if known else "take one with `cascada data import` or `cascada data simulate`"
        raise ArtifactError(f"there is no snapshot {name!r}", where=str(folder), hint=hint)
    ref = open_snapshot(folder / name)
    if not pointer.exists():
        return ref
    (output,) = yaml.safe_load(pointer.read_text(encoding="utf-8"))["outs"]
    return ref.model_copy(update={"dvc_md5": output["md5"]})


def track(ref: SnapshotRef, root: Path) -> SnapshotRef:
    """Put a snapshot under DVC, push it to the default remote and return the reference with DVC's hash."""
    with repository(root) as repo:
        (stage,) = repo.add(str(ref.path))
        repo.push(targets=[stage.addressing])
        return ref.model_copy(update={"dvc_md5": stage.outs[0].hash_info.value})


def _restore(ref: SnapshotRef, root: Path) -> None:
    from dvc.exceptions import DvcException

    logger.info("restoring %s %s from DVC", ref.name, ref.content_sha256[:12])
    pointer = ref.path.with_name(f"{ref.name}.dvc")
    before = pointer.read_text(encoding="utf-8") if pointer.exists() else None
    output = {"md5": ref.dvc_md5, "hash": "md5", "path": ref.name}
    try:
        with repository(root) as repo:
            pointer.write_text(yaml.safe_dump({"outs": [output]}), encoding="utf-8")
            repo.pull(targets=[str(pointer)], force=True)
    except DvcException as error:
        if before is None:
            pointer.unlink(missing_ok=True)
        else:
            pointer.write_text(before, encoding="utf-8")
        raise ArtifactError(
            "the snapshot is neither on disk nor in the DVC cache or remote",
            where=f"{ref.path}, md5 {ref.dvc_md5}",
            got=str(error),
            hint=_ANEW,
        ) from error


@contextlib.contextmanager
def repository(root: Path) -> Iterator[Repo]:
    """Open the DVC repository of a project; made, with a remote in ``.cascada/``, where there is none."""
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)  # dvc sets its own level to INFO on import
    if not (root / ".dvc").exists():
        Repo.init(str(root)).close()
        (root / ".dvc" / "config").write_text(_DVC_CONFIG, encoding="utf-8")
    with Repo(str(root)) as repo:
        yield repo
