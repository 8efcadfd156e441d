"""What the terminal shows of scores, verifications and differences of runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cascada.cli.render import show_facts, show_table, stdout

if TYPE_CHECKING:
    from cascada.repro.causes import TraceDiff
    from cascada.repro.compare import FileChange, MetricChange
    from cascada.repro.diff import RunDiff
    from cascada.repro.score import Score
    from cascada.repro.verification import Verification

_STYLE = {"DIVERGED": "bold red", "UNVERIFIABLE": "bold yellow"}


def show_score(score: Score) -> None:
    """Print the level of each aspect, why, and what would raise it."""
    rows = [(one.aspect, f"{one.level} {one.meaning}", one.reason, one.next_step) for one in score.aspects]
    title = f"Run {score.run_id}: {score.total} of {3 * len(score.aspects)}"
    show_table(title, ("aspect", "level", "reason", "next step"), rows)


def show_verification(verification: Verification) -> None:
    """Print the verdict, the reasons, and what differs."""
    found = verification.comparison
    facts = {f"{number}.": reason for number, reason in enumerate(found.reasons, 1)}
    style = _STYLE.get(found.verdict, "bold green")
    stdout.print(f"[{style}]{found.verdict}[/]  run {verification.run_id}, level {verification.level}\n")
    show_facts("Reasons", facts)
    if verification.environment:
        show_facts("Environment", {"replayed with": verification.environment})
    if verification.aspects:
        rows = [(check.aspect, check.outcome, check.detail) for check in verification.aspects]
        show_table("Aspects", ("aspect", "then and now", ""), rows)
    _show_results(found.metrics, found.files, ("recorded", "replayed"))


def _show_results(
    metrics: Iterable[MetricChange], files: Iterable[FileChange], names: tuple[str, str], *, most: int = 40
) -> None:
    listed = sorted(metrics, key=lambda metric: metric.equal)
    rows = [(m.name, _number(m.original), _number(m.replay), _off(m)) for m in listed[:most]]
    if rows:
        more = f", {most} of {len(listed)}" if len(listed) > most else ""
        show_table(f"Metrics{more}", ("metric", f">{names[0]}", f">{names[1]}", ">off by"), rows)
    changed = [(f.path, f.original[:12] or "-", f.replay[:12] or "-") for f in files if not f.equal]
    if changed:
        show_table("Files that differ", ("file", *names), changed[:most])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"


def _off(metric: MetricChange) -> str:
    return "equal" if metric.equal else "-" if metric.absolute is None else f"{metric.absolute:.3g}"


def show_diff(diff: RunDiff) -> None:
    """Print what differs between two runs, on a page."""
    names = (diff.one[:12], diff.other[:12])
    show_facts("Runs", {"one": diff.one, "other": diff.other, "equal": ", ".join(diff.equal) or "nothing"})
    if diff.trace is not None:
        _show_trace(diff.trace)
    code = diff.code
    if not code.same:
        facts = {
            f"{which} {commit[:12]}": f"{len(changes)} uncommitted changes" + "".join(f"\n{c}" for c in changes[:8])
            for which, commit, changes in zip(("one:", "other:"), (code.one, code.other), code.changes, strict=True)
        }
        show_facts("Code", facts | ({"between": code.why_not} if code.why_not else {}))
        if code.stat:
            stdout.print("\n".join(code.stat) + "\n", markup=False, soft_wrap=True)
    for aspect, changes in diff.aspects.items():
        rows = [(change.key, _text(change.one), _text(change.other)) for change in changes]
        show_table(aspect.capitalize(), ("", *names), rows)
    if diff.packages:
        rows = [(change.name, change.recorded or "-", change.here or "-") for change in diff.packages]
        show_table("Packages", ("package", *names), rows)
    _show_results(diff.metrics, diff.files, names)


def _show_trace(found: TraceDiff) -> None:
    show_facts("First divergence", {"where": str(found.divergence or found)})
    if found.causes:
        rows = [(c.name, c.evidence, "yes" if c.explains else "no") for c in found.causes]
        show_table("Likely cause, the likeliest first", ("cause", "evidence", "explains it"), rows)


def _text(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
