"""The one comment of a pull request, rendered anew after every push."""

from __future__ import annotations

from collections.abc import Sequence

from cascada.ci.evidence import Evidence, Rival
from cascada.ci.markdown import fit, folded, plain, quoted, table
from cascada.evaluation.flips import Flip
from cascada.evaluation.metrics import ALL, Evaluation, Metric

MARKER = "<!-- cascada-report -->"
"""First line of the comment: by it the next push finds the one to replace."""

_NONE = "–"
_MOST = 20
"""Rows of a listing."""


def render_comment(evidence: Sequence[Evidence], *, failures: Sequence[str] = (), artifact: str = "") -> str:
    """Render the comment.

    Parameters
    ----------
    failures
        Trainings that did not come to their end, in words.
    artifact
        Where the whole reports are: an address, or words.

    Returns
    -------
    str
        Markdown below GitHub's limit. What came from users (names, reasons, values) can form no markup.
    """
    failed = [f"### {quoted('not trained')}\n\n{quoted(failure)}" for failure in failures]
    heads = [_head(one) for one in evidence]
    details = [part for one in evidence for part in _details(one)]
    return fit([MARKER, *failed, *heads, *details], f"Whole reports: {_place(artifact)}.")


def _place(artifact: str) -> str:
    return plain(artifact) if artifact else "folder <code>report</code> of each run in MLflow"


def _head(evidence: Evidence) -> str:
    """Tell what decides: standing, metrics beside those of the champion, score, duration, cost."""
    manifest, rival = evidence.manifest, evidence.rival
    lines = [f"### {quoted(manifest.experiment)}", plain(evidence.standing) or "not registered"]
    if evidence.reasons:
        lines.append(f"Against it: {plain(evidence.reasons, longest=2000)}")
    lines += [_metrics(evidence.evaluation, rival), _facts(evidence)]
    return "\n\n".join(lines)


def _metrics(evaluation: Evaluation, rival: Rival | None) -> str:
    rows = [
        (plain(metric.name), str(metric), _beside(rival, metric), f"{metric.n:,}") for metric in evaluation.headline
    ]
    title = "champion" if rival is None else plain(rival.name)
    said = table(("metric", "this run", title, "n"), rows)
    if rival is not None and rival.flips is None:
        said += "\n\nThe two were tested on different showers: compare with care."
    return said


def _beside(rival: Rival | None, metric: Metric) -> str:
    other = None if rival is None else rival.evaluation.find(metric.name, metric.region)
    return _NONE if other is None else str(other)


def _facts(evidence: Evidence) -> str:
    duration, score = evidence.duration_s, evidence.score
    facts = [f"Reproducibility {score.total} of 24, lowest level {score.lowest}"]
    if duration is not None:
        facts.append(f"duration {duration:,.0f} s")
    facts += [f"{plain(key)} {plain(value)}" for key, value in evidence.cost.items()]
    facts.append(f"run {quoted(evidence.manifest.run_id)}, commit {quoted(evidence.manifest.code.commit[:12])}")
    return " · ".join(facts)


def _details(evidence: Evidence) -> list[str]:
    name, rival = quoted(evidence.manifest.experiment), evidence.rival
    parts = [folded(f"{name}: bins of energy and zenith", _slices(evidence.evaluation, rival))]
    if rival is None:
        return parts
    if rival.flips is not None:
        parts.append(folded(f"{name}: {len(rival.flips):,} flipped events", _flips(rival.flips, evidence.evaluation)))
    parts.append(folded(f"{name}: what differs", _diff(rival)))
    return parts


def _slices(evaluation: Evaluation, rival: Rival | None) -> str:
    rows = [
        (plain(m.region), plain(m.name), str(m), _beside(rival, m), f"{m.n:,}")
        for m in evaluation.metrics
        if m.region != ALL
    ]
    return table(("showers", "metric", "this run", "champion", "n"), rows) if rows else "None."


def _flips(flips: Sequence[Flip], evaluation: Evaluation) -> str:
    names = evaluation.classes
    counts = [
        (
            plain(name),
            f"{sum(flip.mended for flip in flips if flip.label == index):,}",
            f"{sum(flip.broken for flip in flips if flip.label == index):,}",
        )
        for index, name in enumerate(names)
    ]
    rows = [
        (
            str(flip.shower_id),
            *(plain(names[i]) for i in (flip.label, flip.before, flip.after)),
            f"{flip.probability:.3f}",
        )
        for flip in flips[:_MOST]
    ]
    surest = table(("shower", "true", "champion", "this run", "probability"), rows)
    return f"{table(('true primary', 'now right', 'now wrong'), counts)}\n\nThe surest:\n\n{surest}"


def _diff(rival: Rival) -> str:
    diff = rival.diff
    parts = [f"Equal: {plain(', '.join(diff.equal)) or 'nothing'}."]
    if not diff.code.same:
        stat = "<br>".join(quoted(line) for line in diff.code.stat[:_MOST]) or plain(diff.code.why_not)
        parts.append(f"**Code** {quoted(diff.code.one[:12])} → {quoted(diff.code.other[:12])}<br>{stat}")
    for aspect, changes in diff.aspects.items():
        rows = [(quoted(c.key), quoted(_text(c.one)), quoted(_text(c.other))) for c in changes[:_MOST]]
        more = f"\n\nand {len(changes) - _MOST} more" if len(changes) > _MOST else ""
        parts.append(f"**{plain(aspect.capitalize())}**\n\n{table(('', 'champion', 'this run'), rows)}{more}")
    if diff.packages:
        rows = [(quoted(p.name), quoted(p.recorded or _NONE), quoted(p.here or _NONE)) for p in diff.packages[:_MOST]]
        parts.append(f"**Packages**, {len(diff.packages)}\n\n{table(('', 'champion', 'this run'), rows)}")
    return "\n\n".join(parts)


def _text(value: object) -> str:
    return _NONE if value is None else str(value)
