"""The differences of two runs as one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from cascada.repro.diff import RunDiff

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ d.one }} and {{ d.other }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd }
td { overflow-wrap: anywhere } td:first-child { white-space: nowrap }
.n { text-align: right; font-variant-numeric: tabular-nums }
pre, code { font: 13px/1.4 ui-monospace, monospace } pre { overflow-x: auto }
.equal { color: #666 }
</style>
<h1>Runs <code>{{ d.one }}</code> and <code>{{ d.other }}</code></h1>
<p class="equal">Equal: {{ d.equal | join(", ") or "nothing" }}.</p>
{% if d.trace %}
<h2>First divergence</h2>
<p>{{ d.trace.divergence or d.trace }}.</p>
{% if d.trace.causes %}
<table><tr><th>likely cause<th>evidence</tr>
{% for c in d.trace.causes %}<tr{% if not c.explains %} class="equal"{% endif %}><td>{{ c.name }}<td>{{ c.evidence }}\
{{ "" if c.explains else " (differs, but does not explain it)" }}</tr>
{% endfor %}</table>
{% endif %}
{% endif %}
{% macro listing(title, rows, first="") %}
<h2>{{ title }}</h2>
<table><tr><th>{{ first }}<th><code>{{ d.one[:12] }}</code><th><code>{{ d.other[:12] }}</code></tr>
{% for name, one, other in rows %}<tr><td>{{ name }}<td>{{ "–" if one is none or one == "" else one }}\
<td>{{ "–" if other is none or other == "" else other }}</tr>
{% endfor %}</table>
{% endmacro %}
{% if not d.code.same %}
{{ listing("Code", code) }}
{% if d.code.stat %}<pre>{{ d.code.stat | join("\n") }}</pre>{% endif %}
{% if d.code.why_not %}<p>{{ d.code.why_not }}</p>{% endif %}
{% endif %}
{% for aspect, rows in aspects.items() %}{{ listing(aspect | capitalize, rows) }}{% endfor %}
{% if d.packages %}{{ listing("Packages", packages, "package") }}{% endif %}
{% if d.metrics %}
<h2>Metrics</h2>
<table><tr><th>metric<th class="n"><code>{{ d.one[:12] }}</code><th class="n"><code>{{ d.other[:12] }}</code>\
<th class="n">off by</tr>
{% for m in d.metrics %}<tr{% if m.equal %} class="equal"{% endif %}><td>{{ m.name }}<td class="n">{{ m.original }}\
<td class="n">{{ m.replay }}<td class="n">{{ "equal" if m.equal else m.absolute }}</tr>
{% endfor %}</table>
{% endif %}
{% if d.files %}{{ listing("Files that differ", files, "file") }}{% endif %}
</html>
"""


def write_page(diff: RunDiff, path: Path) -> None:
    """Write the page; every value is escaped."""
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    code = [("commit", diff.code.one, diff.code.other), ("uncommitted", *("; ".join(c) for c in diff.code.changes))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        template.render(
            d=diff,
            code=code,
            aspects={name: [(c.key, c.one, c.other) for c in changes] for name, changes in diff.aspects.items()},
            packages=[(c.name, c.recorded, c.here) for c in diff.packages],
            files=[(f.path, f.original, f.replay) for f in diff.files],
        ),
        encoding="utf-8",
    )
