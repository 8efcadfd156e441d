"""The report: it stands alone, says what was measured and what was not, and escapes what it is given."""

from __future__ import annotations

import functools
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cascada.config import Experiment
from cascada.evaluation.assessment import evaluate
from cascada.evaluation.contest import Contest, Noise
from cascada.evaluation.drawing import to_svg
from cascada.evaluation.figures import draw_figures
from cascada.evaluation.gates import Check, Verdict
from cascada.evaluation.metrics import Evaluation, Metric
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.report import Report, render_card, render_html, render_markdown, write_report
from cascada.evaluation.truth import Truth
from cascada.repro.score import AspectScore, Score

CLASSES = ("photon", "p", "He", "N", "Fe")
EXPERIMENT = Experiment.model_validate_json("""{
    "name": "toy", "seed": 11, "features": ["lg_energy", "sec_zenith", "muon_residual", "xmax_residual"],
    "source": {"kind": "simulator", "showers": 600}, "model": {"kind": "deep"},
    "gate": {"min_accuracy": 0.5, "min_anomaly_auc": 0.5}
}""")
LINEAGE = {"run_id": "4f1c2b7d9e8a4c53b1d0a6e7f8c9d0e1", "git_commit": "3c" * 20, "data_sha256": "1a" * 32}
ROWS = {"train": 1400, "validation": 200, "calibration": 200, "test": 600}
SCORE = Score(
    run_id="toy", aspects=(AspectScore(aspect="software", level=2, reason="a lock", next_step="run it again"),)
)
GAIN = Metric(name="accuracy_gain", value=0.02, low=0.01, high=0.03, n=600, interval="bootstrap")
SLICE = GAIN.model_copy(update={"value": -0.125, "region": "zenith_deg 30 to 45", "n": 171})
LOSS = Metric(name="anomaly_auc_gain", value=-0.0123, low=-0.02, high=0.0, n=590, interval="bootstrap")
CONTEST = Contest(
    rival=1, gain=GAIN, slices=(SLICE,), anomalies=LOSS, noise=Noise(accuracies=(0.71, 0.725), bound=0.067)
)
VERDICT = Verdict(
    contest=CONTEST,
    checks=(
        Check(name="accuracy", passed=False, required="lower end >= 0.9", measured="0.7 <script>alert(1)</script>"),
    ),
)


def told(seed: int = 0, classes: tuple[str, ...] = CLASSES, *, kinds: bool = True) -> tuple[Predictions, Truth]:
    rng = np.random.default_rng(seed)
    labels = np.arange(600) % len(classes)
    odds = rng.standard_normal((600, len(classes))) + 2.0 * np.eye(len(classes))[labels]
    share = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    kind = np.where(np.arange(600) % 13 == 1, "muon_rich", "none") if kinds else None
    truth = Truth(labels, np.arange(600), 10 ** rng.uniform(0, 1, 600), rng.uniform(0, 60, 600), kind)
    return Predictions(share, rng.exponential(1.0 + 4.0 * (labels == 0)), rng.uniform(0, 1, 600)), truth


@functools.cache
def judged(seed: int = 0, classes: tuple[str, ...] = CLASSES) -> Evaluation:
    predictions, truth = told(seed, classes)
    rng = np.random.default_rng(1)
    return evaluate(predictions, truth, classes=classes, reference=classes[1:], rng=rng)


@pytest.fixture(scope="module")
def full() -> Report:
    predictions, truth = told()
    return Report(
        EXPERIMENT, LINEAGE, ROWS, judged(), predictions, truth,
        verdict=VERDICT, standing="toy version 2 is challenger", score=SCORE,
        baselines={"gradient boosting": judged(1)}, champion=judged(2), shifts=[("Sibyll2.3d", judged(3))],
    )  # fmt: skip


@pytest.fixture(scope="module")
def bare() -> Report:
    predictions, truth = told()
    return Report(EXPERIMENT, LINEAGE, ROWS, judged(), predictions, truth)


@pytest.fixture(scope="module")
def written(full: Report, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_report(full, tmp_path_factory.mktemp("run") / "report")


@pytest.fixture(scope="module")
def page(written: list[Path]) -> str:
    return written[0].read_text(encoding="utf-8")


class _Tags(HTMLParser):
    """Tags left open, and the attributes seen."""

    EMPTY = ("meta", "path", "use", "rect", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.EMPTY or self.open.pop() == tag


def parsed(page: str) -> _Tags:
    parser = _Tags()
    parser.feed(page)
    return parser


def test_the_page_needs_nothing_else(page: str) -> None:
    found = parsed(page)
    assert found.open == []
    assert found.tags["script"] == found.tags["link"] == found.tags["img"] == found.tags["iframe"] == 0
    links = [value for name, value in found.attributes if name in ("src", "href", "xlink:href")]
    assert links
    assert all(value.startswith("#") for value in links)
    assert "url(http" not in page
    assert "@import" not in page


def test_every_figure_is_named_once_and_in_the_ink_of_the_page(page: str) -> None:
    found = parsed(page)
    assert found.tags["figure"] == found.tags["svg"] == 9
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
    assert referred <= set(ids)
    assert "currentColor" in page
    assert "#1b1b1b" not in page
    labels = [value for name, value in found.attributes if name == "aria-label"]
    assert {"confusion", "signal roc", "reliability", "anomaly sic", "comparison"} <= set(labels)


def test_it_tells_the_verdict_the_others_and_the_lineage(page: str) -> None:
    for words in (
        "toy version 2 is challenger", "lower end &gt;= 0.9", "gradient boosting", "champion", "Sibyll2.3d", "3c" * 20,
        "not measurable: fewer than 5 showers left", "muon rich", "zenith 30° – 45°", "1,400",
        "2 captured", "run it again", "that of version 1 on the same showers", "0.7100, 0.7250", "0.0670", "-0.1250",
        "Anomaly AUC: -0.0123 [-0.0200, +0.0000] on 590 showers",
    ):  # fmt: skip
        assert words in page, words
    assert "&lt;script&gt;" in page, "what it is given is text and never markup"


def test_numbers_are_those_of_the_evaluation(page: str, full: Report) -> None:
    for metric in full.evaluation.metrics:
        assert str(metric) in page, metric.name


def test_without_a_verdict_it_says_so(bare: Report) -> None:
    page = render_html(bare)
    assert "not judged yet" in page
    assert "Against the champion" not in page
    assert "Domain shift" not in page
    assert "Reproducibility" not in page
    assert 'aria-label="comparison"' not in page
    assert "not judged yet" in render_markdown(bare)
    assert "which this run did not vary" in " ".join(render_card(bare).split())


def test_markdown_is_tables_for_a_pull_request(full: Report) -> None:
    text = render_markdown(full)
    assert text.startswith("## toy: toy version 2 is challenger\n")
    assert "| FAIL | accuracy | lower end >= 0.9 |" in text
    assert "| metric | this model | champion | gradient boosting | n |" in text
    assert f"| accuracy | {full.evaluation.find('accuracy')} |" in text
    assert "| Sibyll2.3d |" in text
    assert "Reproducibility: 2 of 24, every aspect at level 2 or above." in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


def test_the_card_has_the_sections_of_mitchell(full: Report) -> None:
    sections = re.findall(r"^## (.*)$", render_card(full), re.MULTILINE)
    assert sections == [
        "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
        "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
    ]  # fmt: skip


def test_the_ceilings_stand_beside_the_pairs(full: Report, page: str) -> None:
    assert "p – He" in page
    assert "<td>0.790</td>" in page, "of p and He from muons and depth"
    unknown = Report(
        EXPERIMENT.model_copy(update={"features": ("lg_energy", "sec_zenith")}),
        *(LINEAGE, ROWS, full.evaluation, full.predictions, full.truth),
    )
    assert "No physics ceiling is known for these inputs" in render_markdown(unknown)


def test_three_files(full: Report, written: list[Path]) -> None:
    assert [path.name for path in written] == ["report.html", "report.md", "MODEL_CARD.md"]
    assert written[1].read_text(encoding="utf-8") == render_markdown(full)
    assert written[2].read_text(encoding="utf-8") == render_card(full)


def test_gammas_and_hadrons_have_a_report_without_masses() -> None:
    classes = ("photon", "hadron")
    predictions, truth = told(0, classes, kinds=False)
    report = Report(EXPERIMENT, LINEAGE, ROWS, judged(0, classes), predictions, truth)
    page = render_html(report)
    assert "ln A" not in page
    assert "photon – hadron" in page
    assert render_card(report)


def test_twenty_seven_primaries_can_be_drawn() -> None:
    from cascada.physics.primaries import PRIMARIES

    classes = tuple(name for name in PRIMARIES if name not in ("electron", "hadron"))
    predictions, truth = told(0, classes)
    blank = Evaluation(classes=classes, reference=classes[1:], metrics=(), confusion=tuple([tuple([1] * 27)] * 27))
    figures = draw_figures(blank, predictions, truth, {})
    assert to_svg(figures["confusion"], "confusion").count(">Fe<") == 1
    assert "currentColor" in to_svg(figures["ln_mass"], "ln A")
