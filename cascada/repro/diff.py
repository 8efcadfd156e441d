"""What differs between two runs: code, parameters, data, environment, hardware, metrics."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from pydantic import Field

from cascada.errors import PlatformError
from cascada.repro.causes import TraceDiff
from cascada.repro.compare import FileChange, MetricChange, Numbers, compare_results
from cascada.repro.environment import CodeState
from cascada.repro.manifest import Manifest
from cascada.repro.packages import PackageChange, package_changes
from cascada.repro.results import results_of
from cascada.repro.trees import code_stat
from cascada.repro.verification import ASPECTS, content, leaf_changes


class Change(Numbers):
    """A value that differs between two runs; None where a run lacks it."""

    key: str
    one: Any
    other: Any


class CodeDiff(Numbers):
    """Two states of the code.

    Attributes
    ----------
    stat
        Lines added and removed by file, uncommitted changes and untracked files included, as git shows them.
    why_not
        Why there is no stat.
    """

    one: str
    other: str
    changes: tuple[tuple[str, ...], tuple[str, ...]]
    same: bool
    stat: tuple[str, ...] = ()
    why_not: str = ""


class RunDiff(Numbers):
    """Two runs side by side; what is equal is left out."""

    one: str
    other: str
    code: CodeDiff
    aspects: dict[str, tuple[Change, ...]]
    packages: tuple[PackageChange, ...]
    metrics: tuple[MetricChange, ...]
    files: tuple[FileChange, ...]
    equal: tuple[str, ...] = Field(description="aspects in which the two do not differ")
    trace: TraceDiff | None = Field(None, description="where the trainings part; only when it was asked for")


def diff_runs(one: Manifest, other: Manifest, *, repository: Path, kept: tuple[Path, Path]) -> RunDiff:
    """Put two runs side by side.

    Parameters
    ----------
    repository
        Where git looks for the two commits.
    kept
        Folders with the uncommitted changes and untracked files of each.
    """
    found = compare_results(results_of(one), results_of(other))
    packages = package_changes(one.software.packages, other.software.packages)
    aspects = {aspect: _changes(one, other, aspect) for aspect in ASPECTS if aspect != "assessment"}
    code = _code(one, other, repository, kept)
    changed = {aspect for aspect, changes in aspects.items() if changes} | ({"software"} if packages else set())
    same_results = all(m.equal for m in found.metrics) and all(f.equal for f in found.files)
    return RunDiff(
        one=one.run_id, other=other.run_id, code=code, aspects={a: c for a, c in aspects.items() if c},
        packages=packages, metrics=found.metrics, files=tuple(f for f in found.files if not f.equal),
        equal=tuple(a for a in ASPECTS if a not in changed and (a != "assessment" or same_results)),
    )  # fmt: skip


def _changes(one: Manifest, other: Manifest, aspect: str) -> tuple[Change, ...]:
    left, right = content(one, aspect), content(other, aspect)
    for side in (left, right):
        for key in ("packages", "commit", "changes_sha256"):  # told by their own parts of the page
            side.pop(key, None)
    return tuple(Change(key=key, one=a, other=b) for key, (a, b) in leaf_changes(left, right).items())


def _code(one: Manifest, other: Manifest, repository: Path, kept: tuple[Path, Path]) -> CodeDiff:
    left, right = one.code, other.code
    same = (left.commit, left.changes_sha256) == (right.commit, right.changes_sha256)
    stat, why_not = ((), "") if same else _stat(left, right, repository, kept)
    return CodeDiff(
        one=left.commit, other=right.commit, changes=(left.changes, right.changes), same=same,
        stat=stat, why_not=why_not,
    )  # fmt: skip


def _stat(one: CodeState, other: CodeState, repository: Path, kept: tuple[Path, Path]) -> tuple[tuple[str, ...], str]:
    try:
        return code_stat(one, other, kept=kept, repository=repository), ""
    except (PlatformError, OSError, tarfile.TarError) as error:
        said = error.got if isinstance(error, PlatformError) else str(error)
        return (), f"git cannot compare them here: {said.splitlines()[0] if said else 'unknown commit'}"
