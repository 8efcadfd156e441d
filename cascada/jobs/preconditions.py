"""What a verification finds before it runs anything: the record itself, code, data, environment and machine."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cascada.errors import CascadaError, PlatformError
from cascada.jobs.environments import environment_changes
from cascada.jobs.inputs import hash_outputs
from cascada.jobs.retrain import input_folder
from cascada.repro.code import altered_changes, is_clean_copy, restore_code
from cascada.repro.environment import Record, hardware
from cascada.repro.fingerprint import file_sha256, folder_sha256, json_sha256
from cascada.repro.manifest import Manifest
from cascada.repro.packages import PackageChange, tell_changes
from cascada.repro.record import RunRecord, summarise_metrics
from cascada.repro.results import metrics_sha256
from cascada.repro.trace import TRACE_FILE, describe_trace
from cascada.repro.verification import AspectCheck


class Findings(Record):
    """The state of all that a replay needs.

    Attributes
    ----------
    altered
        Claims of the record that do not agree with themselves: a metric or an output that was changed afterwards.
    obstacles
        Why the run cannot be replayed.
    changed
        Whether the data are there and have other content.
    notes
        What may change numbers without being an obstacle: another processor, data that changed during the run.
    packages
        Packages that differ here from the record.
    """

    checks: tuple[AspectCheck, ...] = ()
    altered: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    changed: bool = False
    notes: tuple[str, ...] = ()
    packages: tuple[PackageChange, ...] = ()


def examine(record: RunRecord, checkout: Path, *, root: Path, data: Path | None) -> Findings:
    """Look at everything that a replay needs; leaves the recorded code in a checkout, with the input data beside it.

    Parameters
    ----------
    checkout
        A folder that does not exist yet.
    root
        The project, whose repository has the commit.
    data
        Where the input data are now; where they were, when omitted.
    """
    manifest = record.manifest
    code, lost = _code(record, manifest, checkout, root)
    where = locate_inputs(manifest, root, data, checkout)
    dataset, data_trouble = (
        _experiment_data(record, root, data) if manifest.kind == "experiment" else _dataset(manifest, where)
    )
    if not lost:
        link_inputs(where, checkout)
    packages = environment_changes(manifest.software.python, manifest.software.packages)
    machine, notes = _machine(manifest)
    return Findings(
        checks=(dataset, code, _environment(packages), machine),
        altered=tuple(altered_claims(record, manifest)),
        obstacles=tuple(_unfinished(record) + lost + _altered_lock(record, manifest) + data_trouble),
        changed=dataset.outcome == "different",
        notes=tuple(notes + _moving_data(manifest)),
        packages=packages,
    )


def _moving_data(manifest: Manifest) -> list[str]:
    changed = manifest.dataset.get("changed_during_run")
    return [f"data changed while the run read them: {', '.join(changed[:3])}"] if changed else []


def _unfinished(record: RunRecord) -> list[str]:
    state = record.state
    if state in {"running", "interrupted", "killed"}:
        return [f"the recorded run did not end by itself ({state}), so there is no result to earn again"]
    return []


def altered_claims(record: RunRecord, manifest: Manifest) -> list[str]:
    """List the metrics and outputs of a record that are not as the run wrote them."""
    assessment = manifest.assessment
    found = []
    traced = (assessment.get("trace") or {}).get("sha256", "")
    if traced and traced != describe_trace(record.folder)["sha256"]:
        found.append(f"the record was altered: {TRACE_FILE} does not have the hash that the manifest gives")
    if manifest.kind == "experiment":
        recorded = assessment.get("metrics_sha256")
        if recorded and recorded != metrics_sha256(assessment.get("metrics") or {}):
            found.append("the record was altered: its metrics do not have the hash that was recorded with them")
        return found
    summary = summarise_metrics(record)
    if json_sha256([summary["metrics"], summary["metrics_sha256"]]) != json_sha256(
        [assessment.get("metrics", {}), assessment.get("metrics_sha256", "")]
    ):
        found.append("the record was altered: manifest.json and metrics.jsonl hold other metrics")
    for path, sha256 in (assessment.get("outputs") or {}).items():
        kept = record.outputs / path
        if kept.is_file() and file_sha256(kept) != sha256:
            found.append(f"the record was altered: the kept copy of {path} is not what the run wrote")
    return found


def contradictions(record: RunRecord, manifest: Manifest) -> list[str]:
    """List everything in a record that does not have the hash that its manifest gives, and outputs that are missing.

    Of a run whose supervisor was killed nothing but lock and changes is recorded with a hash.
    """
    found = _altered_lock(record, manifest) + altered_changes(record.code, manifest.code)
    if manifest.status == "running":
        return found
    return found + altered_claims(record, manifest) + _altered_parts(record, manifest)


def _altered_parts(record: RunRecord, manifest: Manifest) -> list[str]:
    if manifest.kind == "experiment":
        return []
    recorded, held = manifest.assessment.get("outputs") or {}, hash_outputs(record.outputs)
    differing = sorted(recorded.keys() ^ held.keys())
    found = [f"the record was altered: {n} is {'missing' if n in recorded else 'no output'}" for n in differing]
    if manifest.training.get("parameters_sha256") != json_sha256(record.parameters()):
        found.append("the record was altered: params.jsonl does not have the hash that the manifest gives")
    return found


def _altered_lock(record: RunRecord, manifest: Manifest) -> list[str]:
    recorded, lock = manifest.software.lock_sha256, record.folder / "lock.txt"
    if not recorded:
        return []
    if not lock.is_file():
        return ["the record was altered: lock.txt is missing"]
    if file_sha256(lock) != recorded:
        return ["the record was altered: lock.txt does not have the hash that the manifest gives"]
    listed = dict(line.split("==", 1) for line in lock.read_text(encoding="utf-8").split() if "==" in line)
    if listed != manifest.software.packages:
        return ["the record was altered: manifest.json and lock.txt list other packages"]
    return []


def _code(record: RunRecord, manifest: Manifest, checkout: Path, root: Path) -> tuple[AspectCheck, list[str]]:
    state = manifest.code
    if state.omitted:
        lost = ", ".join(f"{name} ({why})" for name, why in list(state.omitted.items())[:3])
        told = f"untracked files were not kept: {lost}; commit them, or declare them with --data"
        return AspectCheck(aspect="training", outcome="unknown", detail=told), [told]
    try:
        restore_code(record.code, state, checkout, repository=root)
    except CascadaError as error:
        told = ": ".join(part for part in (error.what, error.got, error.hint) if part)
        return AspectCheck(aspect="training", outcome="unknown", detail=told), [told]
    if (checkout / ".gitmodules").exists():
        told = "the project has submodules, which no record keeps: bring their files into the project"
        return AspectCheck(aspect="training", outcome="unknown", detail=told), [told]
    if not is_clean_copy(checkout, state):
        told = "the restored code is not the recorded one: its changes have another hash than the manifest gives"
        return AspectCheck(aspect="training", outcome="different", detail=told), [told]
    return AspectCheck(aspect="training", outcome="same", detail=f"commit {state.commit[:12]} and its changes"), []


def locate_inputs(manifest: Manifest, root: Path, data: Path | None, checkout: Path) -> dict[str, Path]:
    """Find where the recorded inputs are now, by their recorded path; what git brought back is taken from there.

    Parameters
    ----------
    data
        Stands for the only input, or is the folder that holds all inputs by their whole path or their last name.
    """
    inputs = [Path(one["path"]) for one in manifest.dataset.get("inputs") or ()]
    return {str(path): _locate(path, root, data, checkout, alone=len(inputs) == 1) for path in inputs}


def _locate(path: Path, root: Path, data: Path | None, checkout: Path, *, alone: bool) -> Path:
    if not path.is_absolute() and (checkout / path).exists():
        return checkout / path
    if data is None:
        return root / path
    places = (data / path.relative_to(path.anchor), data / path.name)
    found = next((place for place in places if place.exists()), None)
    return found or (data if alone else places[-1])


def restore(record: RunRecord, checkout: Path, *, root: Path, inputs: Mapping[str, Path]) -> None:
    """Make one more checkout of the recorded code, with the input data beside it.

    Parameters
    ----------
    inputs
        Recorded path to where the data are now, as `locate_inputs` found them.
    """
    restore_code(record.code, record.manifest.code, checkout, repository=root)
    link_inputs(inputs, checkout)


def link_inputs(where: Mapping[str, Path], checkout: Path) -> None:
    """Put inputs that git does not know where the run looked for them."""
    for recorded, path in where.items():
        target = checkout / recorded
        if path.exists() and not Path(recorded).is_absolute() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())


def _dataset(manifest: Manifest, where: dict[str, Path]) -> tuple[AspectCheck, list[str]]:
    if not where:
        return AspectCheck(aspect="dataset", outcome="unknown", detail="no input declared"), []
    trouble = [input_trouble(one, where[one["path"]]) for one in manifest.dataset["inputs"]]
    found = [line for line in trouble if line]
    if not found:
        return AspectCheck(aspect="dataset", outcome="same", detail=f"{len(where)} inputs by hash"), []
    gone = all(not where[one["path"]].exists() for one in manifest.dataset["inputs"])
    return AspectCheck(aspect="dataset", outcome="unknown" if gone else "different", detail="; ".join(found)), found


def _experiment_data(record: RunRecord, root: Path, data: Path | None) -> tuple[AspectCheck, list[str]]:
    """Compare the files that an experiment read; what it made itself or took from a snapshot is judged by a replay."""
    try:
        folder = input_folder(record, root, data)
    except PlatformError as error:
        told = ": ".join(part for part in (error.what, error.got, error.hint) if part)
        return AspectCheck(aspect="dataset", outcome="unknown", detail=told), [told]
    recorded = record.manifest.dataset.get("origin", {}).get("sha256")
    if folder is None or not isinstance(recorded, dict):
        return AspectCheck(aspect="dataset", outcome="unknown", detail="made or read anew by a replay"), []
    found = {name: find_below(folder, name) for name in recorded}
    gone = [name for name, path in found.items() if path is None]
    other = [name for name, path in found.items() if path is not None and file_sha256(path) != recorded[name]]
    told = "; ".join(
        f"{len(names)} of {len(recorded)} input files in {folder} {what}: {', '.join(names[:3])}"
        for names, what in ((gone, "are gone"), (other, "have other content than the run read"))
        if names
    )
    if not told:
        return AspectCheck(aspect="dataset", outcome="same", detail=f"{len(recorded)} input files by hash"), []
    return AspectCheck(aspect="dataset", outcome="different" if other else "unknown", detail=told), [told]


def find_below(folder: Path, name: str) -> Path | None:
    """Find a file whose name is recorded from the innermost folder that held all inputs."""
    if (folder / name).is_file():
        return folder / name
    return next((path for path in sorted(folder.rglob(glob.escape(name))) if path.is_file()), None)


def input_trouble(recorded: dict[str, Any], path: Path) -> str:
    """Say in which way an input is not the recorded one; empty when it is."""
    if not path.exists():
        return f"the input {recorded['path']} is gone (looked at {path}): name its new place with --data"
    digest = folder_sha256(path) if path.is_dir() else file_sha256(path)
    if digest == recorded["sha256"]:
        return ""
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path.is_dir() else path.stat().st_size
    sizes = f"{recorded.get('bytes', '?')} bytes then, {size} now"
    return f"the input {recorded['path']} has other content than the run read ({sizes})"


def _environment(packages: tuple[PackageChange, ...]) -> AspectCheck:
    if not packages:
        return AspectCheck(aspect="software", outcome="same", detail="every package in the recorded version")
    return AspectCheck(aspect="software", outcome="different", detail=tell_changes(packages))


def _machine(manifest: Manifest) -> tuple[AspectCheck, list[str]]:
    recorded, here = manifest.hardware, hardware()
    differing = [
        f"{name} {one} → {other}"
        for name, one, other in (
            ("processor", recorded.processor or recorded.machine, here.processor or here.machine),
            ("GPUs", ", ".join(recorded.gpus) or "none", ", ".join(here.gpus) or "none"),
        )
        if one != other
    ]
    flags = sorted(set(recorded.flags) ^ set(here.flags)) if recorded.flags else []
    if flags:
        differing.append(f"instruction sets {', '.join(flags[:8])}")
    if not differing:
        return AspectCheck(aspect="hardware", outcome="same", detail=here.processor), []
    detail = "; ".join(differing)
    return AspectCheck(aspect="hardware", outcome="different", detail=detail), [
        f"another machine: {detail}; floating-point results may differ in the last bits"
    ]
