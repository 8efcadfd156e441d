"""The page that shows what the suites found on a snapshot: one self-contained HTML file, readable offline.

(Great Expectations' own Data Docs load their style from the network.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from cascada.data.snapshots import SnapshotRef
from cascada.data.validation import ValidationReport

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --ok: #1a7f37; --no: #cf222e; --warn: #9a6700; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } code { font-size: .9em; overflow-wrap: anywhere; }
.ok { color: var(--ok); } .no { color: var(--no); font-weight: 600; } .warn { color: var(--warn); }
.notes { opacity: .75; font-size: .9em; }
"""


def render_validation(ref: SnapshotRef, reports: Sequence[ValidationReport]) -> str:
    """Render the rows, the quarantine and the outcome of every rule of every suite."""
    verdict = "every suite passed" if ref.valid else "a suite refused these data; a model of them is never promoted"
    facts = [
        ("verdict", f'<span class="{"ok" if ref.valid else "no"}">{verdict}</span>'),
        ("rows", f"{ref.rows_in:,} in = {ref.rows_kept:,} kept + {ref.rows_quarantined:,} quarantined"),
        ("content", f"<code>{ref.content_sha256}</code>"),
        ("in any order", f"<code>{ref.unordered_sha256}</code>"),
        ("origin", escape(str(ref.origin.get("origin", "")))),
        ("licence", escape(str(ref.origin.get("licence", "not stated")))),
        ("repair", escape(str(ref.origin.get("repair", "none")))),
    ]
    body = [f"<h1>Snapshot {escape(ref.name)}</h1>", _table((), facts)]
    if ref.rows_per_primary:
        body += ["<h2>Rows per primary</h2>", _table((), ((p, f"{n:,}") for p, n in ref.rows_per_primary.items()))]
    if ref.reasons:
        body += ["<h2>Quarantine</h2>", _table((), ((escape(r), f"{n:,}") for r, n in ref.reasons.items()))]
    for report in reports:
        body += [f"<h2>Suite {escape(report.suite)}</h2>", _outcomes(report)]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(ref.name)}: validation</title>'
        f"<style>{_STYLE}</style><body>{''.join(body)}</body></html>\n"
    )


def _outcomes(report: ValidationReport) -> str:
    marks = {True: '<span class="ok">ok</span>', False: '<span class="no">refused</span>'}
    rows = [
        (
            marks[o.passed] if o.passed or o.severity == "critical" else '<span class="warn">warning</span>',
            f"{escape(o.subject)}<br><span class='notes'>{escape(o.expectation)}</span>",
            escape(o.required),
            escape(o.measured),
            f"<span class='notes'>{escape(o.notes)}</span>",
        )
        for o in report.outcomes
    ]
    return _table(("", "on", "required", "measured", "meaning"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Set a table of cells that are HTML already."""
    first = f"<tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>" if head else ""
    lines = (f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{first}{''.join(lines)}</table>"
