"""What the checks look at, and what a check answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from cascada.errors import ArtifactError, CascadaError
from cascada.repro.diagnosis import Finding, Section
from cascada.repro.environment import run_git
from cascada.repro.lint.check import lint_paths
from cascada.repro.manifest import Manifest
from cascada.repro.score import score_run
from cascada.repro.verification import Verification
from cascada.repro.versions import check_versions

Status = Literal["pass", "fail", "not applicable", "by hand"]


class Outcome(NamedTuple):
    """What a check found.

    Attributes
    ----------
    next_step
        What makes it pass; empty when it does.
    """

    status: Status
    detail: str
    next_step: str = ""


@dataclass(frozen=True)
class Evidence:
    """A project and one of its runs.

    Attributes
    ----------
    manifest
        Of the run; None when the project has no recorded run.
    verifications
        Of that very manifest.
    siblings
        Manifests of all recorded runs, that one among them.
    """

    root: Path
    manifest: Manifest | None = None
    verifications: tuple[Verification, ...] = ()
    siblings: tuple[Manifest, ...] = ()

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The files that git tracks, paths from the root; none outside of a repository."""
        try:
            listed = run_git(self.root, "ls-files", "-z")
        except CascadaError:
            return ()
        return tuple(name for name in os.fsdecode(listed).split("\0") if name and (self.root / name).is_file())

    @property
    def run(self) -> Manifest:
        """The manifest of the run, for checks that `of_run` guards."""
        if self.manifest is None:
            raise ArtifactError("no run is recorded", where=str(self.root), hint="cascada run SCRIPT")
        return self.manifest

    def text(self, name: str) -> str:
        """Read a file of the project; what is no text is left out."""
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    @cached_property
    def lint(self) -> Section:
        return lint_paths([self.root], self.root)

    @cached_property
    def versions(self) -> Section:
        return check_versions(self.root, self.root / ".cascada")

    @cached_property
    def levels(self) -> dict[str, tuple[int, str, str]]:
        """Level, reason and next step of each of the eight aspects of the run."""
        if self.manifest is None:
            return {}
        scored = score_run(self.manifest, self.verifications)
        return {one.aspect: (one.level, one.reason, one.next_step) for one in scored.aspects}


Check = Callable[[Evidence], Outcome]

CHECKS: dict[str, Check] = {}

_NO_RUN = Outcome("fail", "no run is recorded", "cascada run --data PATH SCRIPT")


def check(function: Check) -> Check:
    """Register a check under its name."""
    CHECKS[function.__name__] = function
    return function


def of_run(function: Check, name: str = "") -> Check:
    """Register a check that needs a run; without one it fails."""

    def checked(evidence: Evidence) -> Outcome:
        return _NO_RUN if evidence.manifest is None else function(evidence)

    CHECKS[name or function.__name__] = checked
    return checked


def passed(detail: str) -> Outcome:
    """Say that a requirement is met, and by what."""
    return Outcome("pass", detail)


def failed(detail: str, next_step: str) -> Outcome:
    """Say that a requirement is not met, and what to do."""
    return Outcome("fail", detail, next_step)


def without(findings: list[Finding], examined: str, next_step: str) -> Outcome:
    """Pass when there is no finding; else name the first."""
    if not findings:
        return passed(examined)
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    first = findings[0]
    return failed(f"{first.rule} {first.where or first.message}{more}", next_step)
