"""Checks of the code: rules of the lint, by what they protect."""

from __future__ import annotations

from cascada.repro.checks.evidence import Evidence, Outcome, check, failed, without
from cascada.repro.diagnosis import Severity


def _free_of(evidence: Evidence, *rules: str) -> Outcome:
    unread = [one for one in evidence.lint.findings if one.rule == "D001"]
    if unread:
        return failed(f"{unread[0].where} cannot be parsed", "mend the file")
    found = [one for one in evidence.lint.findings if one.rule in rules]
    return without(found, evidence.lint.examined, "cascada doctor says where, cascada doctor --rules says why")


@check
def no_leakage(evidence: Evidence) -> Outcome:
    """Look for transformers that are fitted before the split, or on test rows."""
    return _free_of(evidence, "D501", "D502")


@check
def seeds_settable(evidence: Evidence) -> Outcome:
    """Look for seeds that come from the system, the clock or a salted hash."""
    return _free_of(evidence, "D102", "D104", "D105")


@check
def order_fixed(evidence: Evidence) -> Outcome:
    """Look for orders that a directory, a set or the clock decides."""
    return _free_of(evidence, "D201", "D202", "D203")


@check
def no_machine_names(evidence: Evidence) -> Outcome:
    """Look for absolute paths and numbers of GPUs."""
    return _free_of(evidence, "D401", "D305")


@check
def downloads_pinned(evidence: Evidence) -> Outcome:
    """Look for downloads without a checksum and remote names without a version."""
    return _free_of(evidence, "D402", "D403", "D603")


@check
def no_pickle(evidence: Evidence) -> Outcome:
    """Look for pickles that are read, and for pickles in git."""
    pickles = [name for name in evidence.files if name.endswith((".pkl", ".pickle", ".joblib"))]
    if pickles:
        return failed(f"{pickles[0]} is in git", "keep weights as safetensors, models as ONNX, tables as Parquet")
    return _free_of(evidence, "D404")


@check
def determinism_kept(evidence: Evidence) -> Outcome:
    """Look for determinism that is switched off, and whether the run recorded its flags."""
    outcome = _free_of(evidence, "D301", "D302")
    if outcome.status == "fail" or evidence.manifest is None:
        return outcome
    recorded = evidence.manifest.randomness
    if not (recorded.get("flags") or recorded.get("determinism")):
        return failed("the run recorded no determinism flags", "record it with cascada run, which sets and keeps them")
    return outcome


@check
def environment_as_locked(evidence: Evidence) -> Outcome:
    """Hold the environment against lock and requirements, and the packages against each other."""
    wrong = [one for one in evidence.versions.findings if one.severity is Severity.error]
    return without(wrong, evidence.versions.examined, "cascada doctor lists them; install from the lock")
