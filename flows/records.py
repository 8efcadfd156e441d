"""What a run of an experiment keeps beside its manifest, so that `cascada verify` can earn it again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from cascada.config import Experiment
from cascada.registry.bundle import Bundle
from cascada.repro.code import capture_code
from cascada.repro.environment import CodeState
from cascada.repro.fingerprint import json_sha256
from cascada.repro.secrecy import own_secrets
from cascada.tracking import runs

_STATE = "state.json"


def keep_code(run_id: str, root: Path) -> None:
    """Keep the commit, the uncommitted changes and the untracked files with a run, as they are when it starts."""
    with tempfile.TemporaryDirectory(prefix="cascada-code-") as scratch:
        folder = Path(scratch) / "code"
        state = capture_code(root, folder, secrets=own_secrets())
        folder.mkdir(exist_ok=True)
        (folder / _STATE).write_text(state.model_dump_json(indent=2), encoding="utf-8")
        runs.log_files(run_id, folder, "code")


def read_code(run_id: str, scratch: Path) -> CodeState:
    """Read the code that a run started from."""
    return CodeState.model_validate_json((runs.fetch_files(run_id, "code", scratch) / _STATE).read_bytes())


def write_experiment(experiment: Experiment, path: Path) -> None:
    """Write an experiment whole: file, overrides, catalogue and defaults resolved."""
    path.write_text(yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def output_hashes(bundle: Bundle) -> dict[str, str]:
    """Hash what a replay must make again: every file of the bundle, and its spec without the run that made it."""
    spec = bundle.spec.model_dump(mode="json", exclude={"lineage"})
    hashes = {f"bundle/{name}": sha256 for name, sha256 in bundle.spec.files.items()}
    return hashes | {"bundle/bundle.json, lineage aside": json_sha256(spec)}
