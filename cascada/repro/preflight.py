"""The machine and the repository before a run: hash seed, GPU flags, language, commit, pointers, clock."""

from __future__ import annotations

import locale
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from cascada.errors import PlatformError
from cascada.repro.diagnosis import Finding, Section, Severity, finding
from cascada.repro.environment import code_state, hardware, run_git

_SKEW_S = 300  # a commit may come from a machine whose clock is ahead by minutes
_LFS = b"version https://git-lfs"
_POINTER_BYTES = 1024  # a pointer is smaller (git-lfs specification)


def check_machine() -> Section:
    """Look at what changes results from outside of the program: hash seed, GPU flags, language, clock."""
    gpus = hardware().gpus
    found = [*variables(os.environ, gpus), *_language()]
    examined = f"{len(gpus)} GPUs, variables, language, clock"
    return Section(title="Machine", examined=examined, findings=tuple(found))


def variables(environment: Mapping[str, str], gpus: tuple[str, ...]) -> Iterator[Finding]:
    """Tell which variables are missing that libraries read when they start."""
    hint = "`cascada run` sets it; elsewhere export"
    if environment.get("PYTHONHASHSEED", "random") == "random":
        message = "PYTHONHASHSEED is not set, so sets of text have another order in each process"
        yield finding("P201", "hash seed not set", Severity.note, message, f"{hint} PYTHONHASHSEED=0")
    if gpus and "CUBLAS_WORKSPACE_CONFIG" not in environment:
        message = "CUBLAS_WORKSPACE_CONFIG is not set, so cuBLAS may add in any order"
        yield finding(
            "P202", "cuBLAS not deterministic", Severity.note, message, f"{hint} CUBLAS_WORKSPACE_CONFIG=:4096:8"
        )


def _language() -> Iterator[Finding]:
    encoding = locale.getpreferredencoding(False)
    if encoding.lower() not in {"utf-8", "utf8"}:
        message = f"text files are read as {encoding}"
        yield finding("P203", "text is not UTF-8", Severity.warning, message, "export PYTHONUTF8=1")


def check_repository(root: Path) -> Section:
    """Look at git: is there a commit, is everything in it, are files really here, is the clock right."""
    try:
        state = code_state(root)
    except PlatformError as error:
        missing = finding(
            "P301", "no commit", Severity.error, f"{error.got or error.what}",
            "git init && git add -A && git commit -m start",
        )  # fmt: skip
        return Section(title="Repository", examined="git", findings=(missing,))
    found: list[Finding] = []
    if state.dirty:
        message = (
            f"{len(state.changes)} uncommitted changes: {', '.join(change.strip() for change in state.changes[:3])}"
        )
        fix = "commit them; `cascada run` keeps them as a difference"
        found.append(finding("P302", "work tree not committed", Severity.warning, message, fix))
    found += [*_submodules(root), *_pointers(root), *_clock(root)]
    return Section(title="Repository", examined=f"commit {state.commit[:12]}", findings=tuple(found))


def _submodules(root: Path) -> Iterator[Finding]:
    modules = [line.split("\t")[1] for line in _index(root) if line.startswith("160000")]
    if modules:
        message = f"submodules: {', '.join(modules[:3])}"
        fix = "a record does not keep them: install them as packages, or name their commit"
        yield finding("P303", "submodules", Severity.warning, message, fix)


def _pointers(root: Path) -> Iterator[Finding]:
    """Find files that git LFS has not fetched: a few lines of text in the place of data."""
    for name in (line.split("\t")[1] for line in _index(root)):
        path = root / name
        if path.is_file() and path.stat().st_size < _POINTER_BYTES and path.read_bytes().startswith(_LFS):
            yield finding(
                "P304", "pointer instead of data", Severity.error, "git LFS has not fetched it", "git lfs pull", name
            )


def _index(root: Path) -> list[str]:
    return [line for line in os.fsdecode(run_git(root, "ls-files", "--stage", "-z")).split("\0") if line]


def _clock(root: Path) -> Iterator[Finding]:
    committed = int(run_git(root, "log", "-1", "--format=%ct"))
    if committed > time.time() + _SKEW_S:
        message = f"the clock is {(committed - time.time()) / 3600:.1f} h behind the last commit"
        yield finding("P305", "clock is behind", Severity.warning, message, "set the clock: times in records would lie")
