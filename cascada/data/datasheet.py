"""What a snapshot says of itself to people: ``DATASHEET.md``. Facts only; what nobody told is "not stated".

The sections are those of Gebru et al., Communications of the ACM 64 (2021) 86, arXiv:1803.09010.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cascada.data.documents import NOT_STATED, DataFile, Snapshot, summary, told
from cascada.physics.columns import COLUMNS


def datasheet(
    snapshot: Snapshot,
    files: Sequence[DataFile],
    *,
    repair: str = "none",
    suites: Sequence[str] = (),
    traps: Sequence[str] = (),
) -> str:
    """Write the datasheet of a snapshot, in Markdown.

    Parameters
    ----------
    files
        As `describe_files` gives them.
    repair
        What was done to the rows before they were judged.
    suites
        Names of the expectation suites that judged them.
    traps
        What is known to be wrong or easily misread, as in the catalogue.
    """
    sections = {
        "Motivation": {"Purpose": NOT_STATED, "Creators and funding": NOT_STATED},
        "Composition": _composition(snapshot, files),
        "Collection process": _collection(snapshot),
        "Preprocessing, cleaning, labelling": _preprocessing(snapshot, repair, suites),
        "Uses": _uses(snapshot, files, traps),
        "Distribution": _distribution(snapshot, files),
        "Maintenance": {
            "Version": f"content sha256 {snapshot.content_sha256}, schema {snapshot.schema_version}",
            "Maintainer, updates, errata": NOT_STATED,
        },
    }
    text = f"# Datasheet: {snapshot.name}\n\n{summary(snapshot)}\n"
    for title, answers in sections.items():
        text += f"\n## {title}\n\n" + "".join(f"- **{question}:** {answer}\n" for question, answer in answers.items())
    return text


def _composition(snapshot: Snapshot, files: Sequence[DataFile]) -> dict[str, str]:
    labels = ", ".join(f"{name or 'no label'} {rows}" for name, rows in snapshot.rows_per_primary.items())
    tables = "; ".join(f"{file.name}: {', '.join(file.columns)}" for file in files if file.columns)
    return {
        "Instances": f"{snapshot.rows_kept} rows kept of {snapshot.rows_in}",
        "Instances by label": labels or "no labels",
        "Tables and columns": tables or NOT_STATED,
        "Units and meaning of the columns": "in croissant.json, field by field",
        "Personal or confidential data": "none in the columns listed",
        "Relations between instances": "rows with the same group_id belong together and are never split",
    }


def _collection(snapshot: Snapshot) -> dict[str, str]:
    hashes = snapshot.origin.get("sha256")
    files = [f"{name} (sha256 {value})" for name, value in hashes.items()] if isinstance(hashes, Mapping) else []
    settings = snapshot.origin.get("settings")
    answers = {"Origin": told(snapshot, "origin"), "Files": "; ".join(files) or NOT_STATED}
    if isinstance(settings, Mapping):
        answers["Settings"] = ", ".join(f"{key} = {value}" for key, value in settings.items())
    return answers | {"Time frame and ethical review": NOT_STATED}


def _preprocessing(snapshot: Snapshot, repair: str, suites: Sequence[str]) -> dict[str, str]:
    reasons = "; ".join(f"{reason}: {rows}" for reason, rows in snapshot.reasons.items())
    return {
        "Repair before judging": repair,
        "Refused rows": f"{snapshot.rows_quarantined} of {snapshot.rows_in}, kept in quarantine.parquet",
        "Reasons (a row with two counts for both)": reasons or "none",
        "Expectation suites": (", ".join(suites) or NOT_STATED) + (": passed" if snapshot.valid else ": NOT passed"),
    }


def _uses(snapshot: Snapshot, files: Sequence[DataFile], traps: Sequence[str]) -> dict[str, str]:
    names = [name for file in files if Path(file.name).stem != "quarantine" for name in file.columns]
    truth = sorted({name for name in names if name in COLUMNS and COLUMNS[name].role == "truth"})
    answers = {"Used for": NOT_STATED}
    if not any(snapshot.rows_per_primary) or "primary" not in names:
        answers["Must not be used for"] = "supervised training or any accuracy: there is no label"
    if truth:
        answers["Never features"] = ", ".join(truth) + " (known to a simulation only)"
    return answers | {f"Known trap {i}": trap for i, trap in enumerate(traps, start=1)}


def _distribution(snapshot: Snapshot, files: Sequence[DataFile]) -> dict[str, str]:
    return {
        "Licence of the origin": told(snapshot, "licence"),
        "Citation": told(snapshot, "citation"),
        "Files": "; ".join(f"{file.name} ({file.bytes} bytes, sha256 {file.sha256})" for file in files) or NOT_STATED,
    }
