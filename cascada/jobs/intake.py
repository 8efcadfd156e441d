"""Runs that come in: records made without this project's server, checked and taken among its own."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from cascada.errors import ArtifactError, SourceError
from cascada.jobs.locate import is_in_mlflow
from cascada.jobs.preconditions import contradictions
from cascada.jobs.reproduction import require_harmless
from cascada.repro.crate import RECORD, unpack_crate
from cascada.repro.environment import Record
from cascada.repro.fingerprint import file_sha256
from cascada.repro.record import RunRecord, keep_out_of_git

_OWN = frozenset({"mlflow.json", "verifications"})  # what may differ between two copies of one run


class Intake(Record):
    """What became of one run.

    Attributes
    ----------
    reason
        Why it was refused.
    """

    run_id: str
    source: Path
    outcome: Literal["imported", "here already", "refused"]
    reason: str = ""


def import_runs(paths: Iterable[Path], home: Path) -> list[Intake]:
    """Take runs into a project.

    Parameters
    ----------
    paths
        Records, folders of records (``.cascada``, ``.cascada/runs`` or what holds one), or crates.
    home
        State folder of the project; git is told to ignore it.

    Returns
    -------
    list of Intake
        One a run; a run that is refused leaves nothing behind and stops no other.

    Raises
    ------
    SourceError
        If a path holds no run: then nothing is imported.
    """
    sources = [source for path in paths for source in _sources(path)]
    (home / "runs").mkdir(parents=True, exist_ok=True)
    keep_out_of_git(home)
    return [_take(source, home) for source in sources]


def _sources(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if (path / "manifest.json").is_file():
        return [path]
    for below in (path, path / "runs", path / ".cascada" / "runs"):
        found = sorted(manifest.parent for manifest in below.glob("*/manifest.json"))
        if found:
            return found
    raise SourceError(
        "no run is here", where=str(path),
        expected="a record, a folder .cascada or .cascada/runs, or a crate (.zip)",
    )  # fmt: skip


def _take(source: Path, home: Path) -> Intake:
    aside = home / f".incoming-{uuid.uuid4().hex}"
    try:
        record = _copy(source, aside)
        manifest = record.manifest
        require_harmless(manifest, str(source))
        found = _judge(record, home)
        if not found:
            record.folder.rename(home / "runs" / manifest.run_id)
        outcome: Literal["imported", "here already"] = "here already" if found else "imported"
        return Intake(run_id=manifest.run_id, source=source, outcome=outcome)
    except (ArtifactError, SourceError) as error:
        return _refused(source, ": ".join(part for part in (error.what, error.got) if part))
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:  # JSON, but not that of a record
        return _refused(source, f"the record cannot be read: {type(error).__name__}: {error}")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _refused(source: Path, reason: str) -> Intake:
    return Intake(run_id=source.stem, source=source, outcome="refused", reason=reason)


def _copy(source: Path, aside: Path) -> RunRecord:
    """Copy a record, so that what is checked is what is kept."""
    if source.is_file():
        unpack_crate(source, aside)
        return RunRecord(aside / RECORD)
    for path in source.rglob("*"):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            name = path.relative_to(source).as_posix()
            raise ArtifactError(f"{name} of the record is a link or a device", where=str(source))
    shutil.copytree(source, aside / RECORD, ignore=shutil.ignore_patterns("mlflow.json"))
    return RunRecord(aside / RECORD)


def _judge(record: RunRecord, home: Path) -> bool:
    """Tell whether the run is here already; refuse one that contradicts itself, has not ended, or has a namesake."""
    manifest = record.manifest
    altered = contradictions(record, manifest)
    if altered:
        raise ArtifactError(altered[0])
    here = home / "runs" / manifest.run_id
    if here.exists():
        _require_same(record.folder, here)
        return True
    if record.state == "running":
        told = "the run has not ended, or was killed with its supervisor on a machine that cannot be asked from here"
        raise ArtifactError(told, got=f"status running on {manifest.process.get('host', 'an unknown host')}")
    return manifest.kind == "experiment" and is_in_mlflow(manifest.run_id)


def _require_same(one: Path, here: Path) -> None:
    incoming, own = dict(_hashes(one)), dict(_hashes(here))
    differing = sorted(name for name in incoming.keys() | own.keys() if incoming.get(name) != own.get(name))
    if differing:
        raise ArtifactError("another run of this id is here", got=f"{', '.join(differing[:3])} differ")


def _hashes(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.is_file() and inside.parts[0] not in _OWN:
            yield inside.as_posix(), file_sha256(path)
