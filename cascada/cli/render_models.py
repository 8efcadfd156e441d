"""What the terminal shows of registered models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cascada.cli.render import show_facts, show_table, show_verdict, stdout
from cascada.cli.render_runs import show_diff

if TYPE_CHECKING:
    from cascada.evaluation.gates import Check
    from cascada.evaluation.metrics import Metric
    from cascada.registry.deployment import Change
    from cascada.registry.inventory import Compared, Described, Listed


def show_listing(versions: Sequence[Listed]) -> None:
    """Print one line a version."""
    rows = [
        (v.name, str(v.version), ", ".join(v.aliases), v.verdict or "-", v.verification or "-",
         "served" if v.served else "", v.run_id[:12], v.note)
        for v in versions
    ]  # fmt: skip
    show_table("Models", ("model", ">version", "alias", "verdict", "verification", "here", "run", ""), rows)


def show_version(described: Described) -> None:
    """Print a version on a page."""
    listed, score = described.listed, described.score
    facts = {
        "aliases": ", ".join(listed.aliases) or "none",
        "versions": f"{listed.version} of {', '.join(map(str, described.versions))}",
        "run": listed.run_id,
        "data": described.data_sha256 + ("" if described.data_valid else "  INVALID: a suite refused these data"),
        "commit": described.commit,
        "bundle": described.bundle_sha256,
        "manifest": described.manifest_sha256,
        "verification": listed.verification or "none; `cascada verify` makes one",
        "score": f"{score.total} of {3 * len(score.aspects)}, lowest level {score.lowest}",
        "served here": "yes" if listed.served else "no",
    }
    show_facts(f"{listed.name} version {listed.version}", facts | ({"note": listed.note} if listed.note else {}))
    show_verdict(described.verdict, listed.verdict or "not judged", good=listed.verdict == "passed")
    show_history(described.history)


def show_history(history: Sequence[Change]) -> None:
    """Print how the version that is served came to be."""
    rows = [(c.time[:19], "-" if c.before is None else str(c.before), str(c.after), c.reason) for c in history]
    if rows:
        show_table("Served here", ("time (UTC)", ">from", ">to", "reason"), rows)


def show_comparison(compared: Compared) -> None:
    """Print two versions side by side."""
    names = tuple(f"{v.name}@{v.version}" for v in (compared.one, compared.other))
    if compared.checks:
        rows = [(pair.name, _check(pair.one), _check(pair.other)) for pair in compared.checks]
        show_table("Verdicts", ("check", *names), rows)
    where = "the same test showers" if compared.same_showers else "each on its own test showers: they differ"
    metrics = [(pair.name, _metric(pair.one), _metric(pair.other)) for pair in compared.headline]
    show_table(f"Metrics ({where})", ("metric", *names), metrics)
    if compared.spec:
        rows = [(change.key, str(change.one)[:60], str(change.other)[:60]) for change in compared.spec]
        show_table("Bundles", ("", *names), rows)
    else:
        stdout.print("The specs of the bundles are equal.\n")
    show_diff(compared.runs.model_copy(update={"metrics": ()}))


def _check(check: Check | None) -> str:
    return "-" if check is None else f"{'ok' if check.passed else 'FAIL'}  {check.measured}"


def _metric(metric: Metric | None) -> str:
    return "-" if metric is None else f"{metric} n={metric.n}"
