"""Snapshots: immutable, validated data sets on disk, versioned with DVC (this is the one door to it).

A snapshot is the folder ``data/<name>`` with ``showers.parquet``, ``quarantine.parquet`` and ``snapshot.json``; git
tracks ``data/<name>.dvc``, DVC keeps every version in its cache and its remote.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict

from cascada.data.etl import Sieved, reasons_of
from cascada.errors import ArtifactError, SourceError
from cascada.physics.columns import COLUMNS, SCHEMA_VERSION
from cascada.repro.fingerprint import table_sha256

if TYPE_CHECKING:
    from dvc.repo import Repo

logger = logging.getLogger(__name__)

_SHOWERS, _QUARANTINE, _CARD = "showers.parquet", "quarantine.parquet", "snapshot.json"

_ANEW = "train again with --refresh to take the snapshot anew"
_DVC_CONFIG = """\
[core]
    analytics = false
    check_update = false
    remote = local
['remote "local"']
    url = ../.cascada/dvc-remote
"""


class SnapshotRef(BaseModel):
    """A reference to a snapshot, as it travels between stages.

    Attributes
    ----------
    path
        Folder of the snapshot.
    content_sha256
        Hash of every value of the kept rows, with names, types, units and order.
    rows_in, rows_kept, rows_quarantined
        ``rows_in = rows_kept + rows_quarantined``.
    reasons
        Quarantined rows by reason.
    dvc_md5
        DVC's name of this version; empty until it is tracked.
    valid
        Whether every suite passed; a snapshot taken in spite of a failed suite is marked for ever.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    content_sha256: str
    schema_version: int
    rows_in: int
    rows_kept: int
    rows_quarantined: int
    rows_per_primary: dict[str, int]
    reasons: dict[str, int]
    origin: dict[str, object]
    valid: bool
    dvc_md5: str = ""


def content_sha256(frame: pl.DataFrame) -> str:
    """Hash all values of a shower table in row order."""
    arrays = {name: frame[name].to_numpy() for name in frame.columns}
    return table_sha256(arrays, {name: COLUMNS[name].unit for name in frame.columns})


def write_snapshot(name: str, sieved: Sieved, *, folder: Path, origin: dict[str, object], valid: bool) -> SnapshotRef:
    """Write a snapshot; it appears whole or not at all.

    Parameters
    ----------
    folder
        Parent folder; the snapshot becomes ``folder/name`` and replaces what was there.
    origin
        Where the rows came from.

    Raises
    ------
    SourceError
        If the disk is full or cannot be written.
    """
    kept, quarantined = sieved.kept, sieved.quarantined
    ref = SnapshotRef(
        name=name, path=folder / name, content_sha256=content_sha256(kept), schema_version=SCHEMA_VERSION,
        rows_in=kept.height + quarantined.height, rows_kept=kept.height, rows_quarantined=quarantined.height,
        rows_per_primary=dict(kept.group_by("primary").len().sort("primary").iter_rows()),
        reasons=reasons_of(quarantined), origin=origin, valid=valid,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder, name)
    with _staging(folder, name) as staging:
        kept.write_parquet(staging / _SHOWERS, compression="zstd", statistics=True)
        quarantined.write_parquet(staging / _QUARANTINE, compression="zstd")
        card = ref.model_dump(mode="json", exclude={"path", "dvc_md5"})
        (staging / _CARD).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        _swap(staging, ref.path)
    return ref


@contextlib.contextmanager
def _staging(folder: Path, name: str) -> Iterator[Path]:
    staging = Path(tempfile.mkdtemp(prefix=f".{name}.writing-", dir=folder))
    try:
        yield staging
    except OSError as error:
        raise SourceError(
            "the snapshot cannot be written", where=str(folder), got=str(error), hint="free some disk space"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sweep(folder: Path, name: str) -> None:
    for leftover in folder.glob(f".{name}.writing-*"):
        logger.info("removing %s, left by a run that was killed", leftover)
        shutil.rmtree(leftover, ignore_errors=True)


def _swap(staging: Path, target: Path) -> None:
    for file in staging.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    if target.exists():
        shutil.rmtree(target)
    staging.rename(target)


def read_showers(ref: SnapshotRef, root: Path) -> pl.DataFrame:
    """Read the kept rows and check their hash; when another version lies in the folder, DVC brings this one back.

    Raises
    ------
    ArtifactError
        If the snapshot cannot be had or its values differ from the reference.
    """
    file = ref.path / _SHOWERS
    if not file.exists() or content_sha256(pl.read_parquet(file)) != ref.content_sha256:
        _restore(ref, root)
    frame = pl.read_parquet(file)
    found = content_sha256(frame)
    if found != ref.content_sha256:
        raise ArtifactError(
            "the snapshot was altered",
            where=str(ref.path),
            expected=ref.content_sha256,
            got=found,
            hint=_ANEW,
        )
    return frame


def ensure(ref: SnapshotRef, root: Path) -> SnapshotRef:
    """Make sure that the version of a reference is the one that lies in its folder; see `read_showers`."""
    read_showers(ref, root)
    return ref


def track(ref: SnapshotRef, root: Path) -> SnapshotRef:
    """Put a snapshot under DVC, push it to the default remote and return the reference with DVC's hash."""
    with _repository(root) as repo:
        (stage,) = repo.add(str(ref.path))
        repo.push(targets=[stage.addressing])
        return ref.model_copy(update={"dvc_md5": stage.outs[0].hash_info.value})


def _restore(ref: SnapshotRef, root: Path) -> None:
    from dvc.exceptions import DvcException

    logger.info("restoring %s %s from DVC", ref.name, ref.content_sha256[:12])
    pointer = ref.path.with_name(f"{ref.name}.dvc")
    output = {"md5": ref.dvc_md5, "hash": "md5", "path": ref.name}
    try:
        with _repository(root) as repo:
            pointer.write_text(yaml.safe_dump({"outs": [output]}), encoding="utf-8")
            repo.pull(targets=[str(pointer)], force=True)
    except DvcException as error:
        raise ArtifactError(
            "the snapshot is neither on disk nor in the DVC cache or remote",
            where=f"{ref.path}, md5 {ref.dvc_md5}",
            got=str(error),
            hint=_ANEW,
        ) from error


@contextlib.contextmanager
def _repository(root: Path) -> Iterator[Repo]:
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.ERROR)  # dvc sets its own level to INFO on import
    if not (root / ".dvc").exists():
        Repo.init(str(root)).close()
        (root / ".dvc" / "config").write_text(_DVC_CONFIG, encoding="utf-8")
    with Repo(str(root)) as repo:
        yield repo
