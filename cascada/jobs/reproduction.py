"""A crate run again where nothing but the crate is."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cascada.errors import ArtifactError
from cascada.jobs.verify import Request, verify
from cascada.repro.commit import unpack_commit
from cascada.repro.compare import Verdict
from cascada.repro.crate import DATA, METADATA, PACK, RECORD, require_plain, unpack_crate
from cascada.repro.manifest import Manifest
from cascada.repro.record import RunRecord, keep_out_of_git
from cascada.repro.signing import signing_key
from cascada.repro.verification import Verification, store_verification
from cascada.settings import Settings

_RUN_ID = re.compile(r"\w[\w.-]{0,127}")


@dataclass(frozen=True)
class Opened:
    """A crate that was unpacked and checked.

    Attributes
    ----------
    repository
        A repository whose only commit is that of the run.
    data
        Folder of the data in it; None when there are none.
    project
        Where the project was when it ran; None when the record does not tell.
    """

    record: RunRecord
    repository: Path
    data: Path | None
    project: Path | None


def open_crate(crate: Path, folder: Path) -> Opened:
    """Unpack a crate into a folder that does not exist yet, every hash checked.

    Raises
    ------
    ArtifactError
        If it is not a crate of a run, or not as it was written; see `cascada.repro.crate.unpack_crate`.
    """
    unpack_crate(crate, folder)
    held = RunRecord(folder / RECORD)
    manifest = held.manifest
    require_harmless(manifest, str(crate))
    pack = folder / PACK
    if not pack.is_file():
        raise ArtifactError(f"the crate has no {PACK}", where=str(crate), hint="`cascada export` makes whole ones")
    repository = unpack_commit(pack, manifest.code.commit, folder / "repository" / "project")
    graph = json.loads((folder / METADATA).read_text(encoding="utf-8"))["@graph"]
    named = next((Path(one["value"]) for one in graph if one.get("@id") == "#project-folder"), None)
    data = folder / DATA
    return Opened(held, repository, data if data.is_dir() else None, named)


def require_harmless(manifest: Manifest, where: str) -> None:
    """Refuse a manifest of elsewhere whose names lead out of the folders that they are used in.

    Raises
    ------
    ArtifactError
        If its id is no plain name, or the working folder or an input of the project is not inside of the project.
    """
    if not _RUN_ID.fullmatch(manifest.run_id):
        raise ArtifactError(
            "the run has an id that no run of cascada has", where=where, got=repr(manifest.run_id[:140])
        )
    inputs = [str(one["path"]) for one in manifest.dataset.get("inputs") or ()]
    for name in (manifest.working_dir, *(name for name in inputs if not Path(name).is_absolute())):
        if name != ".":
            require_plain(name, where)


def reproduce(
    crate: Path, request: Request, settings: Settings, *, report: Callable[[str], None], prepare: Callable[[], None]
) -> tuple[Verification, Path]:
    """Verify the run of a crate with what is in the crate, and keep its record with the verification.

    Parameters
    ----------
    settings
        Of any folder: environments are built, and the record is kept, in its state folder.
    report
        Told what is being done.
    prepare
        Called before an experiment is trained again: it needs a server.

    Returns
    -------
    Verification
    Path
        The record, below ``.cascada/reproduced/``.

    Raises
    ------
    ArtifactError
        If the crate is not as it was written.
    """
    keep_out_of_git(settings.home)
    with tempfile.TemporaryDirectory(prefix="cascada-crate-") as scratch:
        report("checking every file of the crate")
        opened = open_crate(crate, Path(scratch) / "crate")
        if request.level == "replay" and opened.record.manifest.kind == "experiment":
            prepare()
        (opened.repository / ".cascada").symlink_to(settings.home.resolve())
        wanted = {"data": request.data or opened.data, "project": opened.project}
        found = verify(
            opened.record, request.model_copy(update=wanted), settings.model_copy(update={"root": opened.repository}),
            report=report,
        )  # fmt: skip
        if wanted["data"] is None:
            found = _with_advice(found, opened.record.manifest)
        key = signing_key(settings)
        return found, _keep(opened.record, found, settings.home / "reproduced", key=key)


def _with_advice(found: Verification, manifest: Manifest) -> Verification:
    """Say where data come from when the run had some, and neither the crate nor the user brought them."""
    read = manifest.dataset.get("inputs") or (manifest.dataset.get("origin") or {}).get("sha256")
    same = any(check.aspect == "dataset" and check.outcome == "same" for check in found.aspects)
    if not read or same or found.verdict is not Verdict.UNVERIFIABLE:
        return found
    advice = "the crate holds no data, only their hashes: name their place with --data, or export it --with-data"
    comparison = found.comparison.model_copy(update={"reasons": (*found.comparison.reasons, advice)})
    return found.model_copy(update={"comparison": comparison})


def _keep(record: RunRecord, found: Verification, folder: Path, *, key: Path) -> Path:
    """Keep a record once, by its id and the hash of its manifest, and every verification of it."""
    kept = folder / f"{found.run_id}-{found.manifest_sha256[:8]}"
    if not kept.exists():
        partial = folder / f".{kept.name}.writing"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(record.folder, partial)
        partial.rename(kept)
    store_verification(found, kept, key=key)
    return kept
