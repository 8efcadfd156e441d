"""A run described as a Workflow Run RO-Crate, in the words of its profile for a single process.

Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5) on RO-Crate 1.1 (https://w3id.org/ro/crate/1.1).
"""

from __future__ import annotations

import json
import math
import mimetypes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from cascada.repro.commit import LICENCE_FILE, author_of, names_at, read_at
from cascada.repro.crate import Part
from cascada.repro.environment import Record
from cascada.repro.manifest import Manifest
from cascada.repro.results import results_of

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"  # has the term sha256
_STATUS = "http://schema.org/"
_LONGEST = 1000  # characters of a parameter's value; the record has them all
_RESULTS = ("record/outputs/", "record/output.log", "record/metrics.jsonl")
_SETTINGS = ("record/lock.txt", "record/experiment.yaml", "record/code/")


class Citation(Record):
    """Who made a project and under which terms, by its ``CITATION.cff`` and its author of the commit.

    Attributes
    ----------
    authors
        As the Citation File Format writes them: persons have ``family-names``, entities ``name``.
    licence
        Identifiers of SPDX; a file of a licence stands for them when there are none.
    """

    authors: tuple[dict[str, Any], ...] = ()
    licence: tuple[str, ...] = ()
    licence_file: str = ""
    url: str = ""
    committer: str = ""


class Reference(Record):
    """Data that a run read.

    Attributes
    ----------
    path
        As the record has it.
    inside
        Name in the crate; empty when the data are not in it.
    folder
        Whether it is one.
    """

    path: str
    sha256: str
    bytes: int | None = None
    inside: str = ""
    folder: bool = False
    origin: str = ""


def read_citation(repository: Path, commit: str) -> Citation:
    """Read what a commit says of authors and licence; what is not valid YAML says nothing."""
    try:
        found = yaml.safe_load(read_at(repository, commit, "CITATION.cff")) or {}
    except (ValueError, yaml.YAMLError):  # a date that does not exist is a ValueError
        found = {}
    found = found if isinstance(found, dict) else {}
    licence = found.get("license") or ()
    authors = [one for one in found.get("authors") or () if isinstance(one, dict)]
    return Citation(
        authors=tuple(authors),
        licence=(licence,) if isinstance(licence, str) else tuple(map(str, licence)),
        licence_file=next(filter(LICENCE_FILE.match, names_at(repository, commit)), ""),
        url=str(found.get("repository-code") or found.get("url") or ""),
        committer=author_of(repository, commit),
    )


def describe_run(
    manifest: Manifest, parts: Mapping[str, Part], inputs: tuple[Reference, ...], citation: Citation, *, state: str,
    project: str,
) -> str:  # fmt: skip
    """Write ``ro-crate-metadata.json`` of a crate.

    Parameters
    ----------
    parts
        Every other file of the crate, by its name in it.
    inputs
        What the run read.
    state
        How the run ended, see `cascada.repro.record.RunRecord.state`.
    project
        Folder that absolute paths of the record lie in; empty when there are none.
    """
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(_CONTEXT)
    files = {name: _file(crate, name, one) for name, one in sorted(parts.items())}
    action = _action(crate, manifest, citation, state)
    action["instrument"] = _software(crate, manifest, citation, files)
    action["object"] = [
        *_inputs(crate, inputs, files), *(file for name, file in files.items() if name.startswith(_SETTINGS)),
        *_values(crate, "parameter", _parameters(manifest)), *_project(crate, project),
    ]  # fmt: skip
    action["result"] = [
        *(file for name, file in files.items() if name.startswith(_RESULTS)),
        *_values(crate, "metric", results_of(manifest).metrics),
    ]
    _root(crate, manifest, citation, action)
    return json.dumps(crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _entity(crate: ROCrate, identifier: str, kind: str, **properties: Any) -> Entity:
    given = {name: value for name, value in properties.items() if value not in ("", None)}
    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **given}))


def _file(crate: ROCrate, name: str, one: Part) -> Entity:
    properties = {"name": name, "sha256": one.sha256, "contentSize": str(one.bytes)}
    kind = mimetypes.guess_type(name)[0]
    return crate.add_file(dest_path=name, properties=properties | ({"encodingFormat": kind} if kind else {}))


def _root(crate: ROCrate, manifest: Manifest, citation: Citation, action: Entity) -> None:
    crate.name = f"Run {manifest.run_id} of {manifest.experiment}"
    crate.description = (
        f"A {manifest.kind} run recorded by cascada: its record, its code at commit {manifest.code.commit}, and its "
        "input data or their hashes. `cascada reproduce` runs it again and says whether the result comes out again."
    )
    crate.datePublished = manifest.ended or manifest.started
    profile = _entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    crate.root_dataset["conformsTo"] = profile
    crate.root_dataset["mentions"] = [action]
    crate.license = _licence(crate, citation)
    authors = [_author(crate, number, one) for number, one in enumerate(citation.authors, 1)]
    if authors:
        crate.root_dataset["author"] = authors


def _licence(crate: ROCrate, citation: Citation) -> Any:
    if citation.licence:
        return [_entity(crate, f"https://spdx.org/licenses/{n}", "CreativeWork", name=n) for n in citation.licence]
    if citation.licence_file:
        return crate.get(citation.licence_file)
    return "The project states no licence: ask its authors before you use it for more than to reproduce the run."


def _author(crate: ROCrate, number: int, one: Mapping[str, Any]) -> Entity:
    person = "family-names" in one or "given-names" in one
    names = [one[key] for key in ("given-names", "name-particle", "family-names") if one.get(key)]
    return _entity(
        crate, str(one.get("orcid") or one.get("website") or f"#author-{number}"),
        "Person" if person else "Organization", name=" ".join(names) if person else str(one.get("name", "")),
        affiliation=str(one.get("affiliation") or ""),
    )  # fmt: skip


def _action(crate: ROCrate, manifest: Manifest, citation: Citation, state: str) -> Entity:
    finished = state == "finished"
    told = manifest.error or state
    agent = _entity(
        crate, "#agent", "Person", name=citation.committer or "unknown", description="author of the commit that ran"
    )
    return _entity(
        crate, f"#{quote(manifest.run_id)}", "CreateAction",
        name=f"{manifest.kind} {manifest.experiment}",
        description=" ".join(manifest.command) or f"cascada train {manifest.experiment}",
        startTime=manifest.started, endTime=manifest.ended, agent=agent,
        actionStatus={"@id": f"{_STATUS}{'CompletedActionStatus' if finished else 'FailedActionStatus'}"},
        error="" if finished else told,
    )  # fmt: skip


def _software(crate: ROCrate, manifest: Manifest, citation: Citation, files: Mapping[str, Entity]) -> Entity:
    """Describe what ran, and the environment that it needs."""
    python = _entity(
        crate, "#python", "SoftwareApplication", name="Python", url="https://www.python.org/",
        softwareVersion=manifest.software.python, operatingSystem=manifest.software.system,
    )  # fmt: skip
    lock = [files["record/lock.txt"]] if "record/lock.txt" in files else []
    name = manifest.command[0] if manifest.command else manifest.experiment
    return _entity(
        crate, "#software", "SoftwareApplication", name=name, url=citation.url, softwareVersion=manifest.code.commit,
        softwareRequirements=[python, *lock], description="Its code is code/commit.pack and record/code/.",
    )  # fmt: skip


def _inputs(crate: ROCrate, inputs: tuple[Reference, ...], files: Mapping[str, Entity]) -> Iterator[Entity]:
    for number, one in enumerate(inputs, 1):
        facts = {"name": Path(one.path).name, "alternateName": one.path, "sha256": one.sha256}
        facts |= {} if one.bytes is None else {"contentSize": str(one.bytes)}
        facts |= {"isBasedOn": one.origin} if one.origin else {}
        if not one.inside:
            yield _entity(crate, f"#input-{number}", "CreativeWork", **facts)
        elif one.folder:
            held = [file for name, file in files.items() if name.startswith(f"{one.inside}/")]
            yield crate.add_dataset(dest_path=one.inside, properties={**facts, "hasPart": held})
        else:
            file = files[one.inside]
            file["alternateName"] = one.path
            yield file


def _project(crate: ROCrate, folder: str) -> Iterator[Entity]:
    if folder:
        yield _entity(crate, "#project-folder", "PropertyValue", name="project folder", value=folder)


def _parameters(manifest: Manifest) -> dict[str, Any]:
    training = manifest.training
    return {"seed": manifest.randomness.get("root_seed"), **(training.get("parameters") or {})}


def _values(crate: ROCrate, what: str, values: Mapping[str, Any]) -> Iterator[Entity]:
    for name, value in values.items():
        yield _entity(crate, f"#{what}-{quote(name, safe='')}", "PropertyValue", name=name, value=_plain(value))


def _plain(value: Any) -> Any:
    """Give numbers that JSON has as they are, and everything else as text."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)[:_LONGEST]
