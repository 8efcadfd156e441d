"""Verification: whether what a run rests on is still there, and whether its result comes out again."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from cascada.errors import CascadaError, InvalidDataError, PlatformError, SourceError
from cascada.jobs.environments import build_environment
from cascada.jobs.execute import now
from cascada.jobs.preconditions import Findings, examine, locate_inputs, restore
from cascada.jobs.replay import plan_replay, replay, replay_environment
from cascada.jobs.retrain import input_folder, is_simulated, retrain
from cascada.jobs.supervise import TIMED_OUT
from cascada.repro.causes import both_traced
from cascada.repro.compare import Comparison, Tolerance, Verdict, compare_results, settle, spread_of
from cascada.repro.environment import Record
from cascada.repro.fingerprint import file_sha256
from cascada.repro.manifest import Manifest
from cascada.repro.packages import tell_changes
from cascada.repro.record import RunRecord
from cascada.repro.results import results_of, results_of_record
from cascada.repro.seeds import integer_seed
from cascada.repro.verification import AspectCheck, Level, Verification, compare_aspects
from cascada.settings import Settings

_PATIENCE = 10.0  # times the duration of the recorded run
_LEAST_PATIENCE_S = 60.0
_NO_DATA = frozenset({InvalidDataError.exit_code, SourceError.exit_code})

Report = Callable[[str], None]


class Request(Record):
    """What to verify and how.

    Attributes
    ----------
    seeds
        How many runs with other seeds decide whether a metric that is off is consistent; 0 asks for none.
    ignore
        Shell patterns of metrics and output files that differ from run to run and say nothing: durations, dates.
    data
        Where the input data are now.
    project
        Where the project was when it ran; where it is, when omitted.
    timeout_s
        Limit of a replay; ten times the recorded duration, and at least a minute, when omitted.
    allow_environment_change
        Replay here although packages differ; the best verdict is then EQUIVALENT.
    """

    level: Level = "replay"
    tolerance: Tolerance = Tolerance()
    seeds: int = Field(0, ge=0)
    ignore: tuple[str, ...] = ()
    data: Path | None = None
    project: Path | None = None
    timeout_s: float | None = None
    allow_environment_change: bool = False


@dataclass(frozen=True)
class _Bench:
    """All that looking and replaying share.

    Attributes
    ----------
    checkout
        Where the recorded code is; it lies in `scratch`.
    python
        Interpreter of the recorded environment, or of one that may stand for it.
    """

    record: RunRecord
    manifest: Manifest
    request: Request
    settings: Settings
    report: Report
    scratch: Path
    checkout: Path
    python: Path = Path(sys.executable)

    def run(self, name: str, seed: int | None = None) -> RunRecord:
        """Run once more; with the recorded seed when none is given."""
        if self.manifest.kind == "experiment":
            folder = input_folder(self.record, self.settings.root, self.request.data)
            return retrain(
                self.record, self.checkout, settings=self.settings, python=self.python, data=folder, seed=seed,
                timeout_s=self.timeout_s, log=self.log(name),
            )  # fmt: skip
        plan = plan_replay(
            self.manifest, self.checkout, root=self.recorded_root, inputs=self.inputs, folder=self.scratch / name,
            seed=self.manifest.randomness["root_seed"] if seed is None else seed, timeout_s=self.timeout_s,
        )  # fmt: skip
        environment = replay_environment(self.manifest, self.recorded_root, self.checkout)
        return replay(plan, python=self.python, environment=environment)

    def anew(self, number: int) -> _Bench:
        """The same with a checkout in which nothing ran yet: a script may go on from files that it finds."""
        checkout = self.scratch / f"checkout-{number}" / self.checkout.name
        restore(self.record, checkout, root=self.settings.root, inputs=self.inputs)
        return replace(self, checkout=checkout)

    @property
    def recorded_root(self) -> Path:
        """Where paths of the project that the record holds begin."""
        return self.request.project or self.settings.root

    @property
    def inputs(self) -> dict[str, Path]:
        return locate_inputs(self.manifest, self.settings.root, self.request.data, self.checkout)

    @property
    def timeout_s(self) -> float | None:
        took = _duration_s(self.manifest)
        if self.request.timeout_s is not None or took is None:
            return self.request.timeout_s
        return max(_PATIENCE * took, _LEAST_PATIENCE_S)

    def log(self, name: str) -> Path:
        """Where the training of an experiment prints to; a script's replay has its own log."""
        return self.scratch / f"{name}.log"

    def tail(self, made: RunRecord, name: str) -> str:
        """The last lines that a replay printed."""
        logs = [log for log in (made.log, self.log(name)) if log.exists()]
        lines = logs[0].read_text(encoding="utf-8", errors="replace").splitlines() if logs else []
        return " | ".join(line.strip() for line in lines[-3:])


def _duration_s(manifest: Manifest) -> float | None:
    if not (manifest.started and manifest.ended):
        return None
    started, ended = (datetime.fromisoformat(text) for text in (manifest.started, manifest.ended))
    return (ended - started).total_seconds()


def _nobody(_: str) -> None:
    pass


def verify(
    record: RunRecord, request: Request, settings: Settings, *, registered_sha256: str = "", report: Report = _nobody
) -> Verification:
    """Verify a run.

    Parameters
    ----------
    registered_sha256
        Hash of the manifest as a registry of models has it; empty where none has.
    settings
        Of the project; its repository has the commit, and built environments are kept in its state folder.
    report
        Told what is being done, for a terminal.

    Returns
    -------
    Verification
        With a verdict in every case: what stands in the way of a replay makes it UNVERIFIABLE.

    Raises
    ------
    ArtifactError
        If the record holds no manifest.
    """
    started, manifest = now(), record.manifest
    manifest_sha256 = file_sha256(record.folder / "manifest.json")
    with tempfile.TemporaryDirectory(prefix="cascada-verify-") as scratch:
        folder = Path(scratch)
        bench = _Bench(record, manifest, request, settings, report, folder, folder / settings.root.name)
        report("looking at record, code, data and environment")
        found = examine(record, bench.checkout, root=settings.root, data=request.data)
        if registered_sha256 and registered_sha256 != manifest_sha256:
            told = "the record was altered: its manifest is not the one that the registry of models names"
            found = found.model_copy(update={"altered": (told, *found.altered)})
        answer = Answer(judge_hashes(found), found.checks) if request.level == "hashes" else _earn_again(bench, found)
    return Verification(
        run_id=manifest.run_id, manifest_sha256=manifest_sha256, level=request.level,
        started=started, ended=now(), comparison=answer.comparison, aspects=answer.checks,
        environment=answer.environment,
    )  # fmt: skip


class Answer(NamedTuple):
    """What a verification found, before it becomes a record."""

    comparison: Comparison
    checks: tuple[AspectCheck, ...]
    environment: str = ""


def judge_hashes(found: Findings) -> Comparison:
    """Judge without running: IDENTICAL when all that the run rests on is unchanged."""
    packages = (f"packages differ: {tell_changes(found.packages)}",) if found.packages else ()
    reasons = (*found.altered, *found.obstacles, *packages, *found.notes)
    if found.altered or found.changed or (packages and not found.obstacles):
        return Comparison(verdict=Verdict.DIVERGED, reasons=reasons)
    if found.obstacles:
        return _unverifiable(reasons)
    same = ", ".join(check.aspect for check in found.checks if check.outcome == "same")
    open_ = [f"not judged: {check.aspect} ({check.detail})" for check in found.checks if check.outcome == "unknown"]
    unchanged = f"the record agrees with itself, and {same} are as recorded; nothing was run"
    return Comparison(verdict=Verdict.IDENTICAL, reasons=(unchanged, *open_, *found.notes))


def _unverifiable(reasons: Sequence[str]) -> Comparison:
    return Comparison(verdict=Verdict.UNVERIFIABLE, reasons=tuple(reasons))


def _earn_again(bench: _Bench, found: Findings) -> Answer:
    if found.obstacles:
        return Answer(_unverifiable(found.obstacles + found.altered + found.notes), found.checks)
    try:
        bench, environment = _with_interpreter(bench, found)
        comparison, checks = _replay(bench, found)
    except CascadaError as error:
        reason = ": ".join(part for part in (error.what, error.got, error.hint) if part)
        return Answer(_unverifiable((reason, *found.altered, *found.notes)), found.checks)
    here = bench.python == Path(sys.executable)
    return Answer(_with_circumstances(comparison, found, here=here), checks, environment)


def _with_interpreter(bench: _Bench, found: Findings) -> tuple[_Bench, str]:
    if not found.packages:
        return bench, "this one: identical"
    differing = tell_changes(found.packages)
    if bench.request.allow_environment_change:
        return bench, f"this one, although packages differ: {differing}"
    bench.report(f"building the recorded environment ({len(found.packages)} packages differ here)")
    software = bench.manifest.software
    try:
        python = build_environment(software.python, software.packages, bench.settings.home / "environments")
    except PlatformError as error:
        raise PlatformError(
            f"packages differ ({differing}), and the recorded environment cannot be built", got=error.got or error.what,
            hint="--allow-environment-change replays with the packages that are here",
        ) from error  # fmt: skip
    return replace(bench, python=python), f"built from the lock: {python}"


def _replay(bench: _Bench, found: Findings) -> tuple[Comparison, tuple[AspectCheck, ...]]:
    bench.report("replaying")
    made = bench.run("replay")
    trouble = _trouble(bench, made)
    if trouble is not None:
        return trouble, found.checks
    checks = compare_aspects(bench.manifest, made.manifest)
    other_data = next((c.detail for c in checks if c.aspect == "dataset" and c.outcome == "different"), "")
    if other_data and bench.manifest.kind == "experiment" and not is_simulated(bench.record):
        return _unverifiable([f"the data are not those of the run: {other_data}"]), checks
    comparison = _compare(bench, made)
    outcome: Literal["same", "different"] = "same" if comparison.verdict.passed else "different"
    return comparison, (*checks, AspectCheck(aspect="assessment", outcome=outcome, detail=comparison.reasons[0]))


def _compare(bench: _Bench, made: RunRecord) -> Comparison:
    original, replayed, ignore = results_of_record(bench.record), results_of_record(made), bench.request.ignore
    one, other = original.without(ignore), replayed.without(ignore)
    kept = (bench.record.outputs, made.outputs)
    comparison = compare_results(one, other, bench.request.tolerance, kept=kept)
    if comparison.verdict is Verdict.DIVERGED and bench.request.seeds:
        comparison = settle(comparison, spread_of(one.metrics, _other_seeds(bench)))
    parted = _first_divergence(bench, made) if comparison.verdict is Verdict.DIVERGED else ()
    left_out = sorted({*original.metrics, *original.outputs} - {*one.metrics, *one.outputs})
    told = (f"left out, as asked: {', '.join(left_out)}",) if left_out else ()
    return comparison.model_copy(update={"reasons": (*comparison.reasons, *parted, *told)})


def _first_divergence(bench: _Bench, made: RunRecord) -> tuple[str, ...]:
    """Say where the trainings part, when the run and its replay both left a trace."""
    traced = both_traced(bench.record.folder, made.folder, (bench.manifest, made.manifest))
    return () if traced is None else (str(traced),)


def _trouble(bench: _Bench, made: RunRecord) -> Comparison | None:
    """Say why a replay gives nothing to compare; None when it ended as the recorded run did."""
    manifest, replayed = bench.manifest, made.manifest
    if replayed.exit_code == TIMED_OUT:
        took = _duration_s(manifest)
        then = "" if took is None else f", and the recorded run took {took:.1f} s"
        limit = f"the replay did not end within {bench.timeout_s:g} s and was stopped{then}"
        return _unverifiable([f"{limit}: --timeout gives it longer"])
    if replayed.status == "killed":
        return _unverifiable([f"the replay was killed: {replayed.error}"])
    if (replayed.status, replayed.exit_code or 0) == (manifest.status, manifest.exit_code or 0):
        return None
    if manifest.kind == "experiment" and replayed.exit_code in _NO_DATA and not is_simulated(bench.record):
        return _unverifiable([f"the data are not those of the run: {bench.tail(made, 'replay')}"])
    told = f"the recorded run {manifest.status}, the replay {replayed.status}: {replayed.error}"
    return Comparison(verdict=Verdict.DIVERGED, reasons=(told.rstrip(": "), bench.tail(made, "replay")))


def _other_seeds(bench: _Bench) -> list[dict[str, float]]:
    root = int(bench.manifest.randomness["root_seed"])
    runs = []
    for number in range(bench.request.seeds):
        bench.report(f"other seed {number + 1} of {bench.request.seeds}")
        made = bench.anew(number).run(f"seed-{number}", seed=integer_seed(root, f"verify {number}"))
        if made.manifest.status != "finished":
            raise PlatformError(f"the run with another seed did not finish: {made.manifest.error}")
        runs.append(results_of(made.manifest).metrics)
    return runs


def _with_circumstances(comparison: Comparison, found: Findings, *, here: bool) -> Comparison:
    """Add what the numbers alone do not say: an altered record, other packages, another machine."""
    verdict, reasons = comparison.verdict, list(comparison.reasons)
    if found.packages and here:
        if verdict is Verdict.IDENTICAL:
            verdict = Verdict.EQUIVALENT
        reasons.append(f"replayed with other packages, as allowed: {tell_changes(found.packages)}")
    if found.altered:
        if verdict.passed:
            verdict = Verdict.DIVERGED
        reasons = [*found.altered, *reasons]
    return comparison.model_copy(update={"verdict": verdict, "reasons": (*reasons, *found.notes)})
