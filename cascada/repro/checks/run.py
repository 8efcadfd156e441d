"""Checks of a run: what its manifest holds, and whether it was repeated."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from cascada.errors import CascadaError
from cascada.repro.checks.evidence import Evidence, Outcome, failed, of_run, passed
from cascada.repro.code import require_commit
from cascada.repro.manifest import Manifest

_CAPTURED = 2
_SEEDS = 3


# These ask no more than the score does: that the aspect is captured with a hash.
_BY_SCORE = {
    "inputs_hashed": "dataset",
    "parameters_hashed": "training",
    "seeds_recorded": "randomness",
    "packages_recorded": "software",
    "hardware_recorded": "hardware",
}


def _captured(evidence: Evidence, aspect: str) -> Outcome:
    level, reason, step = evidence.levels[aspect]
    return passed(reason) if level >= _CAPTURED else failed(reason, step)


for _name, _aspect in _BY_SCORE.items():
    of_run(functools.partial(_captured, aspect=_aspect), _name)


@of_run
def inputs_unchanged(evidence: Evidence) -> Outcome:
    """Look for inputs that changed while the run read them."""
    changed = evidence.run.dataset.get("changed_during_run") or []
    if changed:
        return failed(f"{', '.join(changed[:3])} changed during the run", "run again on data that nothing writes to")
    return passed("no input changed during the run")


@of_run
def preprocessing_code(evidence: Evidence) -> Outcome:
    """Look for the hash of the code that prepares the data: its own, or that of the script which does all."""
    sha256 = evidence.run.preprocessing.get("code_sha256") or evidence.run.training.get("code_sha256")
    if not sha256:
        return failed("no hash of the code", "record the run with `cascada run`, which hashes the script")
    return passed(f"code {sha256[:12]}")


@of_run
def code_kept(evidence: Evidence) -> Outcome:
    """Look for the commit in the repository, and for changes that were not kept."""
    code = evidence.run.code
    try:
        require_commit(evidence.root, code.commit)
    except CascadaError:
        return failed(f"commit {code.commit[:12]} is not in the repository", "git fetch --all, or record anew")
    if code.omitted:
        return failed(f"{next(iter(code.omitted))} was not kept", "commit it, or name it as data with --data")
    changes = f", {len(code.changes)} changes kept" if code.dirty else ""
    return passed(f"commit {code.commit[:12]}{changes}")


@of_run
def runtime_recorded(evidence: Evidence) -> Outcome:
    """Look for begin and end."""
    manifest = evidence.run
    if manifest.started and manifest.ended:
        return passed(f"{manifest.started[:19]} to {manifest.ended[:19]}")
    return failed(f"the run is {manifest.status} and has no end", "record a run that ends")


@of_run
def results_hashed(evidence: Evidence) -> Outcome:
    """Hold the results against level 2 of the score, of a run that did not fail."""
    if evidence.run.status != "finished":
        return failed(f"the run is {evidence.run.status}", "record a run that succeeds")
    return _captured(evidence, "assessment")


@of_run
def uncertainty_told(evidence: Evidence) -> Outcome:
    """Look for an interval of every metric, or for runs with other seeds that give their spread."""
    metrics = evidence.run.assessment.get("metrics") or ()
    if not metrics:
        return failed("no metric", "log metrics, each with an interval")
    bare = _without_interval(metrics)
    if not bare:
        return passed(f"{len(metrics)} metrics with intervals")
    seeds = _seeds(evidence)
    if len(seeds) >= _SEEDS:
        return passed(f"spread of {len(seeds)} seeds")
    step = f"log {bare[0]}_low and {bare[0]}_high, or run with {_SEEDS} seeds: cascada run --seed N"
    return failed(f"{len(bare)} of {len(metrics)} metrics without an interval", step)


def _without_interval(metrics: Any) -> list[str]:
    """Name the metrics that have no interval; ends of intervals and sample sizes are no metrics of their own."""
    if not isinstance(metrics, Mapping):
        return [str(one.get("name")) for one in metrics if one.get("low") is None or one.get("high") is None]
    ends = ("_low", "_high", "_n", "_std", "_sem")
    plain = [name for name in metrics if not name.endswith(ends)]
    told = {name for name in plain if {f"{name}_low", f"{name}_high"} <= metrics.keys() or f"{name}_std" in metrics}
    return [name for name in plain if name not in told]


def _seeds(evidence: Evidence) -> set[int]:
    same = (one for one in evidence.siblings if one.status == "finished" and _alike(one, evidence.run))
    return {seed for one in same if (seed := one.randomness.get("root_seed")) is not None}


def _alike(one: Manifest, other: Manifest) -> bool:
    """Tell whether two runs are of the same command and code, whatever their seeds."""
    code = [(m.code.commit, m.code.changes_sha256) for m in (one, other)]
    return (one.experiment, one.command) == (other.experiment, other.command) and code[0] == code[1]


@of_run
def several_seeds(evidence: Evidence) -> Outcome:
    """Count the seeds of finished runs with this command and code."""
    seeds = _seeds(evidence)
    told = f"{len(seeds)} of {_SEEDS} seeds with this command and code"
    return passed(told) if len(seeds) >= _SEEDS else failed(told, "cascada run --seed N, with three values of N")


@of_run
def container_recorded(evidence: Evidence) -> Outcome:
    """Look for the image that the run happened in."""
    software = evidence.run.software
    if software.image:
        return passed(software.image)
    found = f"{software.container} without an image" if software.container else "no container"
    return failed(found, "run in a container and tell its digest: CASCADA_IMAGE=name@sha256:...")


@of_run
def run_verified(evidence: Evidence) -> Outcome:
    """Look for a replay that passed."""
    replays = [one for one in evidence.verifications if one.level == "replay"]
    good = [one for one in replays if one.verdict.passed]
    if good:
        return passed(f"{good[-1].verdict} on {good[-1].started[:10]}")
    found = f"last verdict {replays[-1].verdict}" if replays else "never repeated"
    return failed(found, f"cascada verify {evidence.run.run_id}")
