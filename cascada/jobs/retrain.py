"""A recorded experiment trained again: `cascada train` of its resolved file, in a checkout with a state of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cascada.errors import PlatformError
from cascada.jobs.replay import import_path
from cascada.jobs.supervise import TIMED_OUT, supervise
from cascada.repro.manifest import Manifest
from cascada.repro.record import RunRecord
from cascada.repro.secrecy import own_secrets
from cascada.settings import Settings, process_environment

_TRAIN = "from cascada.cli.main import main; main()"
_SHARED = "PREFECT_API_URL"  # the one server of the project; all other stores are the checkout's own


def input_folder(record: RunRecord, root: Path, data: Path | None) -> Path | None:
    """Find the folder of an experiment's input files: given, that of the snapshots, or the one that it names.

    Raises
    ------
    PlatformError
        If it names none, or there is none.
    """
    source = _source(record)
    if source.get("kind") == "simulator":
        return None
    named = "data" if source.get("kind") == "snapshot" else source.get("directory")
    if data is None and not named:
        raise PlatformError("the experiment does not say where its data are", hint="name their folder with --data")
    folder = data or root / str(named)
    if not folder.is_dir():
        raise PlatformError(
            "the data of the experiment are gone", got=f"no folder {folder}", hint="name it with --data"
        )
    return folder


def is_simulated(record: RunRecord) -> bool:
    """Tell whether an experiment makes its data itself: other data are then another result, not another input."""
    return bool(_source(record).get("kind") == "simulator")


def _source(record: RunRecord) -> dict[str, Any]:
    path = record.folder / "experiment.yaml"
    if not path.exists():
        raise PlatformError(
            "the run did not keep its experiment", where=record.run_id, hint="train it with this version"
        )
    source: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["source"]
    return source


def retrain(
    record: RunRecord, checkout: Path, *, settings: Settings, python: Path, data: Path | None, seed: int | None,
    timeout_s: float | None, log: Path,
) -> RunRecord:  # fmt: skip
    """Train the experiment of a record in a checkout.

    Parameters
    ----------
    data
        Folder of the input files, for sources that read files.
    seed
        Another root seed than the recorded one.
    log
        Gets what the training prints.

    Returns
    -------
    RunRecord
        Of the new run; `manifest.status` tells how it ended.
    """
    manifest = record.manifest
    command = [
        str(python),
        "-c",
        _TRAIN,
        "train",
        str(record.folder.resolve() / "experiment.yaml"),
        "--refresh",
        "--json",
    ]
    command += ["--data", str(data.resolve())] if data is not None else []
    command += ["--set", f"seed={seed}"] if seed is not None else []
    command += ["--allow-invalid-data"] if manifest.dataset.get("valid") is False else []
    before = _runs(checkout)
    ending = supervise(
        command, cwd=checkout, environment=_environment(settings, checkout), log=log, secrets=own_secrets(),
        timeout_s=timeout_s, terminal=False,
    )  # fmt: skip
    made = sorted(_runs(checkout) - before)
    if ending.exit_code == 0 and made:
        return RunRecord(made[0])
    return _failed(manifest, log.parent / "failed", ending.exit_code, ending.error)


def _runs(checkout: Path) -> set[Path]:
    return {path.parent for path in (checkout / ".cascada" / "mlartifacts").glob("*/artifacts/manifest.json")}


def _failed(manifest: Manifest, folder: Path, exit_code: int, error: str) -> RunRecord:
    record = RunRecord(folder)
    status = "killed" if exit_code == TIMED_OUT or exit_code > 128 else "failed"
    record.write(manifest.model_copy(update={"status": status, "exit_code": exit_code, "error": error}))
    return record


def _environment(settings: Settings, checkout: Path) -> Mapping[str, str]:
    own = process_environment(settings).keys() - {_SHARED}
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return kept | {"CASCADA_ROOT": str(checkout), "PYTHONPATH": import_path(settings.root, checkout)}
