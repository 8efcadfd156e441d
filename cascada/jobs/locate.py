"""Finding a run by any of its names: a record, a run in MLflow, a model's alias."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from cascada.errors import ArtifactError
from cascada.repro.fingerprint import file_sha256
from cascada.repro.record import RunRecord, list_records, open_record
from cascada.repro.signing import signing_key
from cascada.repro.verification import Verification, read_verifications, signature_of, store_verification
from cascada.settings import Settings

logger = logging.getLogger(__name__)

_MLFLOW_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Located:
    """A run's record and its copy in MLflow.

    Attributes
    ----------
    record
        Of an experiment a copy of what MLflow holds, in a scratch folder.
    mlflow_id
        Empty where MLflow has no copy.
    registered_sha256
        Hash of the manifest that a version in the registry of models was registered with; empty where there is none.
    """

    record: RunRecord
    mlflow_id: str
    registered_sha256: str = ""

    def verifications(self, settings: Settings) -> tuple[Verification, ...]:
        """Read what trusted people verified of the manifest as it is now; those of an altered one say nothing."""
        now = file_sha256(self.record.folder / "manifest.json")
        read = read_verifications(self.record.folder, trusted=settings.trusted)
        return tuple(one for one in read if one.manifest_sha256 == now)


def locate(name: str, settings: Settings, scratch: Path) -> Located:
    """Find a run.

    Parameters
    ----------
    name
        Id of a record or a beginning of it, id of a run in MLflow, MODEL@ALIAS or MODEL@VERSION.
    scratch
        Where what MLflow holds is copied to.

    Raises
    ------
    ArtifactError
        If there is none, or several begin with this name.
    """
    if "@" in name:
        from cascada.tracking import models

        return _from_mlflow(models.find_version(name).run_id, scratch)
    try:
        record = open_record(settings.home, name)
    except ArtifactError:
        mirrored = [one for one in list_records(settings.home) if one.mirror()["run_id"] == name]
        if mirrored:
            return Located(mirrored[0], name)
        if _MLFLOW_ID.fullmatch(name) and is_in_mlflow(name):
            return _from_mlflow(name, scratch)
        raise
    return Located(record, record.mirror()["run_id"])


def is_in_mlflow(run_id: str) -> bool:
    """Tell whether MLflow has a run of this id of its own."""
    from cascada.tracking import runs  # here and below: a record of a script needs no MLflow, which imports for seconds

    return runs.has_run(run_id)


def _from_mlflow(run_id: str, scratch: Path) -> Located:
    from cascada.tracking import models, runs

    record = RunRecord(runs.fetch_record(run_id, scratch / run_id))
    registered = {version.tags.get("manifest_sha256", "") for version in models.versions_of_run(run_id)}
    return Located(record, run_id, next(iter(sorted(registered)), ""))


def keep_verification(located: Located, verification: Verification, settings: Settings) -> None:
    """Store a verification, signed, in the record, with the run in MLflow and on the model versions that the run made.

    The record is what counts: when MLflow cannot be had, a warning is logged.
    """
    key = signing_key(settings)
    path = store_verification(verification, located.record.folder, key=key)
    if not located.mlflow_id:
        return
    try:
        _attach(located.mlflow_id, path, verification)
    except Exception as error:  # noqa: BLE001 - whatever a store, a driver or a network raises
        logger.warning("the verification is not in MLflow: %s: %s", type(error).__name__, error)


def _attach(run_id: str, path: Path, verification: Verification) -> None:
    from cascada.tracking import models, runs

    said = {
        "verification": verification.verdict.value,
        "verified": verification.ended,
        "verified_by": verification.level,
    }
    for file in (path, signature_of(path)):
        runs.log_files(run_id, file, "verifications")
    runs.set_tags(run_id, said)
    for version in models.versions_of_run(run_id):
        models.tag_version(version, said)
