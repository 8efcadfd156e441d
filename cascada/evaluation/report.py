"""The report of a run: one HTML page that needs nothing else, Markdown for a pull request, and a model card.

The model card has the sections of Mitchell et al., FAT* 2019, arXiv:1810.03993.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cascada.config import Experiment
from cascada.evaluation.gates import Verdict
from cascada.evaluation.metrics import FEWEST, Evaluation
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.tables import (
    Table,
    anomaly_table,
    contest_table,
    fraction_table,
    headline_table,
    mass_table,
    metric_table,
    pair_table,
    score_table,
    shift_table,
    signal_table,
    slice_table,
)
from cascada.evaluation.truth import Truth
from cascada.repro.score import Score

_TEMPLATES = Path(__file__).parent / "templates"

HTML, MARKDOWN, CARD = "report.html", "report.md", "MODEL_CARD.md"

_CAPTIONS = {
    "confusion": "Which primary the model names for each true one.",
    "signal_roc": "Points: efficiency at fixed contamination, with intervals.",
    "ln_mass": "Mean ln A under the probabilities of the nuclei.",
    "merit_factor": "Distance of p and Fe in units of their common width, in bins of energy.",
    "reliability": "On the line, probabilities mean what they say.",
    "anomaly_score": "Reconstruction error of each primary, and dashed of each kind of anomaly.",
    "anomaly_roc": "Anomalies kept against reference showers let through.",
    "anomaly_sic": f"Gain in significance of a cut, of all cuts that leave {FEWEST} and more reference showers.",
    "comparison": "The same showers, judged by this model and by others.",
}


@dataclass(frozen=True)
class Report:
    """All that is told of a run.

    Attributes
    ----------
    experiment
        What was run.
    lineage
        Names and values that say where model and data came from: run, commit, hashes.
    rows
        Showers in each partition.
    evaluation, predictions, truth
        Of the test partition.
    verdict, standing
        Outcome of the gate, and what became of the model in words; None and empty while that is not known.
    score
        How well the run is documented; None while it has no manifest.
    baselines
        Evaluations of other models on the same showers, by name.
    champion
        Evaluation of the champion that it was compared with, on the same showers.
    shifts
        Evaluations on showers of other worlds, each with a label.
    """

    experiment: Experiment
    lineage: Mapping[str, str]
    rows: Mapping[str, int]
    evaluation: Evaluation
    predictions: Predictions
    truth: Truth
    verdict: Verdict | None = None
    standing: str = ""
    score: Score | None = None
    baselines: Mapping[str, Evaluation] = field(default_factory=dict)
    champion: Evaluation | None = None
    shifts: Sequence[tuple[str, Evaluation]] = ()

    @property
    def others(self) -> dict[str, Evaluation]:
        """The models to compare with, the champion first."""
        champion = {} if self.champion is None else {"champion": self.champion}
        return champion | dict(self.baselines)


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the page, the Markdown and the model card into a folder, and return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {HTML: render_html(report), MARKDOWN: render_markdown(report), CARD: render_card(report)}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def render_html(report: Report) -> str:
    """Render the page: figures inside, nothing fetched, light or dark as the reader has it."""
    from cascada.evaluation.drawing import to_svg
    from cascada.evaluation.figures import draw_figures

    drawn = draw_figures(report.evaluation, report.predictions, report.truth, report.others)
    figures = {name: (to_svg(figure, name.replace("_", " ")), _CAPTIONS[name]) for name, figure in drawn.items()}
    return _render("report.html.j2", report, figures=figures, everything=metric_table(report.evaluation))


def render_markdown(report: Report) -> str:
    """Render what a reviewer of a pull request needs: verdict, metrics beside those of others, pairs."""
    return _render("report.md.j2", report)


def render_card(report: Report) -> str:
    """Render the model card."""
    return _render("model_card.md.j2", report)


def _render(template: str, report: Report, **more: object) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template(template).render(report=report, tables=_tables(report), **more)


def _tables(report: Report) -> dict[str, Table]:
    evaluation = report.evaluation
    tables = {
        "headline": headline_table({"this model": evaluation} | report.others),
        "pairs": pair_table(evaluation, report.experiment.features),
        "signal": signal_table(evaluation),
        "mass": mass_table(evaluation),
        "fractions": fraction_table(evaluation),
        "anomalies": anomaly_table(evaluation),
        "slices": slice_table(evaluation),
    }
    if report.shifts:
        tables["shifts"] = shift_table(evaluation, report.shifts)
    if report.verdict is not None and report.verdict.contest is not None:
        tables["contest"] = contest_table(report.verdict.contest)
    if report.score is not None:
        tables["score"] = score_table(report.score)
    return {name: table for name, table in tables.items() if table.rows}
