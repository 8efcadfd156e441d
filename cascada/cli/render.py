"""What the terminal shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from cascada.evaluation.gates import Verdict
    from cascada.evaluation.metrics import Evaluation
    from cascada.settings import Settings
    from flows.training import Outcome

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, style: str = "bold") -> None:
    """Print a table; columns whose name starts with ">" are set to the right."""
    table = Table(title=title, title_justify="left", title_style=style, box=None, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    stdout.print(table)
    stdout.print()


def show_facts(title: str, facts: Mapping[str, str]) -> None:
    """Print names and values."""
    table = Table(
        title=title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 2, 0, 0)
    )
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, escape(value))
    stdout.print(table)
    stdout.print()


def show_outcome(outcome: Outcome) -> None:
    """Print what was trained on what, the metrics and the verdict."""
    snapshot, code = outcome.ingested.snapshot, outcome.code
    reasons = ", ".join(f"{count} {reason}" for reason, count in snapshot.reasons.items())
    facts = {
        "experiment": outcome.released.identity.name,
        "data": f"{snapshot.rows_kept} of {snapshot.rows_in} showers ({_counts(snapshot.rows_per_primary)})",
        "quarantined": f"{snapshot.rows_quarantined}" + (f": {reasons}" if reasons else ""),
        "data hash": snapshot.content_sha256[:16] + ("" if snapshot.valid else "  INVALID: a suite refused these data"),
        "split": _counts(outcome.ingested.split.rows),
        "code": code.commit[:12] + (f" + {len(code.changes)} uncommitted changes" if code.dirty else ""),
        "run": outcome.run_id,
    }
    show_facts("Trained", facts)
    show_evaluation(outcome.evaluation)
    released = outcome.released
    show_verdict(released.verdict, released.standing, good=released.champion)


def show_verdict(verdict: Verdict | None, standing: str, *, good: bool) -> None:
    """Print what became of a model version, and the checks of its verdict when there is one."""
    style = "bold green" if good else "bold red"
    if verdict is None:
        stdout.print(f"{standing}\n", style=style, markup=False, soft_wrap=True)
        return
    rows = [("ok" if c.passed else "no", c.name, c.required, c.measured) for c in verdict.checks]
    show_table(f"Verdict: {standing}", ("", "check", "required", "measured"), rows, style=style)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def show_evaluation(evaluation: Evaluation) -> None:
    """Print the first metrics with interval and sample size, and the confusion matrix; the report has all of them."""
    rows = [(m.name, f"{m.value:.3f}", f"[{m.low:.3f}, {m.high:.3f}]", str(m.n)) for m in evaluation.headline]
    show_table("Metrics (test partition, 95 % intervals)", ("metric", ">value", "interval", ">n"), rows)
    shares = [[f"{count / max(sum(row), 1):.2f}" for count in row] for row in evaluation.confusion]
    named = [(name, *row) for name, row in zip(evaluation.classes, shares, strict=True)]
    show_table("Confusion (row true, column predicted)", ("", *(f">{name}" for name in evaluation.classes)), named)


def show_prediction(event: Mapping[str, Any], prediction: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Print one prediction with its lineage."""
    shares = ", ".join(f"{name} {share:.3f}" for name, share in prediction["probabilities"].items())
    facts = {
        "event": ", ".join(_brief(name, value) for name, value in event.items() if value is not None),
        "primary": f"{prediction['primary']}  ({shares})",
        "anomaly": f"score {prediction['anomaly_score']:.4g}, p-value {prediction['p_value']:.4g} against hadrons",
        "answered by": f"{model['name']} version {model['version']}, run {model['run_id']}",
        "data": model["data_sha256"],
        "commit": model["git_commit"],
    }
    show_facts("Prediction", facts)


def _brief(name: str, value: Any) -> str:
    return f"{len(value)} {name}" if isinstance(value, list) else f"{name} {value:.4g}"


def pages(outcome: Outcome, settings: Settings) -> dict[str, str]:
    """List the pages of the two UIs that show a run."""
    identity = outcome.released.identity
    return {
        "Prefect": f"{settings.prefect_url}/runs/flow-run/{outcome.flow_run_id}",
        "MLflow": f"{settings.mlflow_url}/#/models/{identity.name}/versions/{identity.version}",
    }
