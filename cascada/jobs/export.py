"""A crate made of a run: what goes into it, and what is only named."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cascada.errors import ArtifactError, ConfigError, SourceError
from cascada.jobs.locate import Located
from cascada.jobs.preconditions import find_below, input_trouble, locate_inputs
from cascada.jobs.retrain import input_folder, is_simulated
from cascada.repro.commit import files_at, pack_commit, read_at
from cascada.repro.crate import DATA, PACK, RECORD, Part, pack_crate, part
from cascada.repro.environment import Record
from cascada.repro.fingerprint import file_sha256
from cascada.repro.manifest import Manifest
from cascada.repro.provenance import Citation, Reference, describe_run, read_citation
from cascada.repro.record import RunRecord
from cascada.settings import Settings

_LOCAL = frozenset({"mlflow.json"})  # of a record: what says something of this machine only


class Exported(Record):
    """A crate that was written.

    Attributes
    ----------
    files
        How many it holds, beside its description.
    data
        Paths of the inputs that are in it.
    """

    run_id: str
    path: Path
    sha256: str
    bytes: int
    files: int
    data: tuple[str, ...]


class _Carried(NamedTuple):
    parts: dict[str, Part]
    inputs: tuple[Reference, ...]


def export_run(
    located: Located, settings: Settings, target: Path, *, with_data: bool = False, data: Path | None = None
) -> Exported:
    """Write the crate of a run: its record, its code at the commit, and its input data or their hashes.

    Parameters
    ----------
    settings
        Of the project whose repository has the commit.
    with_data
        Whether the data go with it; what git has goes with the code anyway.
    data
        Where the input data are now; where they were, when omitted.

    Raises
    ------
    ArtifactError
        If the commit is gone, the record is not the one that the registry of models names, or the target exists.
    ConfigError
        If the run has not ended.
    SourceError
        If data are to go with it that are gone or have other content than the run read.
    """
    record, manifest, state = located.record, located.record.manifest, located.record.state
    _require_whole(located, state)
    _fetch_outputs(located)
    commit = manifest.code.commit
    carried = _carry(record, settings.root, data, with_data=with_data)
    with tempfile.TemporaryDirectory(prefix="cascada-crate-") as scratch:
        parts = carried.parts | _record_parts(record)
        parts[PACK] = part(pack_commit(settings.root, commit, Path(scratch) / "commit.pack"))
        citation = read_citation(settings.root, commit)
        parts |= _licence(citation, settings.root, commit, Path(scratch))
        project = _named_root(settings.root, manifest)
        text = describe_run(manifest, parts, carried.inputs, citation, state=state, project=project)
        pack_crate(parts, text, target)
    return Exported(
        run_id=manifest.run_id, path=target, sha256=file_sha256(target), bytes=target.stat().st_size, files=len(parts),
        data=tuple(one.path for one in carried.inputs if one.inside),
    )  # fmt: skip


def _require_whole(located: Located, state: str) -> None:
    if state == "running":
        raise ConfigError("the run has not ended", got=located.record.run_id, hint="export it when it has")
    registered = located.registered_sha256
    if registered and registered != file_sha256(located.record.folder / "manifest.json"):
        raise ArtifactError(
            "the record was altered: its manifest is not the one that the registry of models names",
            where=located.mlflow_id, expected=registered,
        )  # fmt: skip


def _fetch_outputs(located: Located) -> None:
    """Bring what an experiment made, its bundle, beside the copy of its record."""
    record = located.record
    if record.manifest.kind != "experiment" or record.outputs.exists() or not located.mlflow_id:
        return
    from cascada.tracking import runs  # takes seconds, and records of scripts need it not

    outputs = record.manifest.assessment.get("outputs") or {}
    for folder in sorted({name.split("/")[0] for name in outputs}):
        runs.fetch_files(located.mlflow_id, folder, record.outputs)


def _record_parts(record: RunRecord) -> dict[str, Part]:
    files = (path for path in record.folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = {path.relative_to(record.folder).as_posix(): path for path in files}
    return {f"{RECORD}/{name}": part(path) for name, path in names.items() if name not in _LOCAL and name[0] != "."}


def _licence(citation: Citation, repository: Path, commit: str, scratch: Path) -> dict[str, Part]:
    if citation.licence or not citation.licence_file:
        return {}
    path = scratch / "licence"
    path.write_text(read_at(repository, commit, citation.licence_file), encoding="utf-8")
    return {citation.licence_file: part(path)}


def _named_root(root: Path, manifest: Manifest) -> str:
    """Tell where the project was, but only when the record tells it already: a replay must know what to replace."""
    top = str(root.resolve())
    return top if f"{top}/" in manifest.model_dump_json() else ""


def _carry(record: RunRecord, root: Path, data: Path | None, *, with_data: bool) -> _Carried:
    manifest = record.manifest
    parts: dict[str, Part] = {}
    if manifest.kind == "experiment":
        return _carry_experiment(record, root, data, with_data=with_data)
    inputs = []
    where = locate_inputs(manifest, root, data, root / ".cascada" / "no checkout")
    for one in {one["path"]: one for one in manifest.dataset.get("inputs") or ()}.values():
        inside = ""
        if with_data and not _is_code(one, manifest, root):
            inside = f"{DATA}/{one['path'].lstrip('/')}"
            parts |= _data_parts(one, where[one["path"]], inside)
        folder = where[one["path"]].is_dir()
        inputs.append(
            Reference(path=one["path"], sha256=one["sha256"], bytes=one.get("bytes"), inside=inside, folder=folder)
        )
    return _Carried(parts, tuple(inputs))


def _is_code(one: dict[str, Any], manifest: Manifest, root: Path) -> bool:
    """Tell whether the whole of an input goes with the code, in the commit or as a kept untracked file."""
    path = one["path"]
    if Path(path).is_absolute():
        return False
    kept = sum(name == path or name.startswith(f"{path}/") for name in manifest.code.untracked)
    return bool(files_at(root, manifest.code.commit, path) + kept >= one.get("files", 1))


def _data_parts(one: dict[str, Any], path: Path, inside: str) -> dict[str, Part]:
    trouble = input_trouble(one, path)
    if trouble:
        raise SourceError(trouble, where=str(path), expected=f"sha256 {one['sha256']}", hint="export it without data")
    if path.is_file():
        return {inside: part(path)}
    files = (file for file in path.rglob("*") if file.is_file())
    return {f"{inside}/{file.relative_to(path).as_posix()}": part(file) for file in files}


def _carry_experiment(record: RunRecord, root: Path, data: Path | None, *, with_data: bool) -> _Carried:
    """Carry the files that an experiment read; what it simulated is made again by a replay."""
    dataset = record.manifest.dataset
    origin = dataset.get("origin") or {}
    files, told = origin.get("sha256"), str(origin.get("origin") or "")
    if not isinstance(files, dict):
        if with_data and not is_simulated(record):
            raise SourceError("the record does not name the files that the run read", hint="export it without data")
        whole = Reference(path=dataset.get("name", "data"), sha256=dataset.get("content_sha256", ""), origin=told)
        return _Carried({}, (whole,))
    if not with_data:
        return _Carried({}, tuple(Reference(path=n, sha256=sha256, origin=told) for n, sha256 in files.items()))
    folder = input_folder(record, root, data)
    parts = dict(_experiment_files(files, folder or root))
    inputs = (Reference(path=n, sha256=sha256, origin=told, inside=f"{DATA}/{n}") for n, sha256 in files.items())
    return _Carried(parts, tuple(inputs))


def _experiment_files(files: dict[str, str], folder: Path) -> Iterator[tuple[str, Part]]:
    for name, sha256 in files.items():
        found = find_below(folder, name)
        if found is None or file_sha256(found) != sha256:
            what = "is gone" if found is None else "has other content than the run read"
            raise SourceError(f"the input {name} {what}", where=str(folder), hint="export it without data")
        yield f"{DATA}/{name}", part(found)
