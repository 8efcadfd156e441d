"""The comment: what it tells, that nothing in it can form markup, and that it fits."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from projects import REPOSITORY

from cascada.ci.comment import MARKER, render_comment
from cascada.ci.evidence import Evidence, Rival, _cost
from cascada.ci.markdown import LIMIT, fit, plain, quoted
from cascada.evaluation.flips import Flip
from cascada.evaluation.metrics import Evaluation, Metric, wilson
from cascada.repro.diff import Change, CodeDiff, RunDiff
from cascada.repro.environment import code_state, hardware, software
from cascada.repro.manifest import Manifest
from cascada.repro.packages import PackageChange
from cascada.repro.score import score_run

EVIL = (
    "x|</details><script>alert(1)</script> ![a](http://e.org) @maintainer #1 `b` **c** <!-- cascada-report -->\n# head"
)


def evaluation(right: int) -> Evaluation:
    bins = (wilson("accuracy", right // 2, 60).model_copy(update={"region": "zenith_deg 30 to 45"}),)
    return Evaluation(classes=("p", "Fe"), metrics=(wilson("accuracy", right, 100), *bins), confusion=())


def evidence(text: str = "demo") -> Evidence:
    manifest = Manifest(
        run_id="a" * 32, experiment=text, started="2026-01-01T00:00:00+00:00", ended="2026-01-01T00:02:05+00:00",
        dataset={}, preprocessing={}, partitions={}, training={}, code=code_state(REPOSITORY),
        assessment={}, randomness={}, software=software(), hardware=hardware(),
    )  # fmt: skip
    code = CodeDiff(one="d" * 40, other=text, changes=((), ()), same=False, stat=(f"{text} | 3 +++",))
    diff = RunDiff(
        one="1", other="2", code=code, aspects={"training": (Change(key="epochs", one=4, other=text),)},
        packages=(PackageChange(name=text, recorded="1.0", here="2.0"),), metrics=(), files=(), equal=("dataset",),
    )  # fmt: skip
    flips = [
        Flip(shower_id=11, label=0, before=1, after=0, probability=0.9),
        Flip(shower_id=12, label=1, before=1, after=0, probability=0.8),
    ]
    return Evidence(
        manifest=manifest, evaluation=evaluation(80), score=score_run(manifest), reasons=text,
        standing=f"{text} version 2, challenger", cost={"money": text},
        rival=Rival("champion, version 1", evaluation(70), diff, flips),
    )  # fmt: skip


def test_the_comment_tells_all_that_decides() -> None:
    said = render_comment([evidence()], artifact="artifact report")
    assert said.startswith(MARKER)
    assert "| accuracy | 0.800 [0.711, 0.867] | 0.700 [0.604, 0.781] | 100 |" in said
    assert "| zenith&#95;deg 30 to 45 | accuracy | 0.667" in said
    assert "2 flipped events" in said
    assert "| p | 1 | 0 |" in said
    assert "| Fe | 0 | 1 |" in said
    assert "| 11 | p | Fe | p | 0.900 |" in said
    assert "<code>epochs</code> | <code>4</code>" in said
    assert "duration 125 s" in said
    assert "Reproducibility" in said
    assert said.rstrip().endswith("Whole reports: artifact report.")


def test_without_a_champion_nothing_is_compared() -> None:
    said = render_comment([replace(evidence(), rival=None)])
    assert "| accuracy | 0.800 [0.711, 0.867] | – | 100 |" in said
    assert "flipped" not in said


def test_other_showers_are_told() -> None:
    one = evidence()
    assert one.rival is not None
    said = render_comment([replace(one, rival=replace(one.rival, flips=None))])
    assert "tested on different showers" in said


def test_what_users_wrote_forms_no_markup() -> None:
    said = render_comment([evidence(EVIL)], failures=[EVIL])
    assert said.count("<!--") == said.count(MARKER) == 1
    assert "<script" not in said
    assert "](" not in said
    assert "**c**" not in said
    assert "@maintainer" not in said
    assert len(re.findall(r"</?details>", said)) == 2 * said.count("<summary>")
    assert all(line.count("|") in (0, 4, 5, 6) for line in said.splitlines() if line.startswith("|"))


@settings(max_examples=50)
@given(st.text())
def test_text_comes_back_as_it_was_and_has_nothing_special(text: str) -> None:
    said = plain(text)
    assert not re.search(r"[<>|`*_\[\]!@~\n\\]", said)
    line = " ".join(text.split())
    if len(line) <= 160:
        assert html.unescape(said) == html.unescape(
            "".join(f"&#{ord(one)};" if not one.isalnum() else one for one in line)
        )


def test_numbers_stay_readable_and_mentions_lie_in_code() -> None:
    assert plain("0.12") == "0.12"
    assert quoted("@all") == "<code>&#64;all</code>"


def test_a_comment_fits_and_keeps_what_comes_first_whole() -> None:
    metrics = tuple(
        Metric(name=f"m{i}", value=0.5, low=0.4, high=0.6, n=9, interval="wilson", region=f"bin {i}")
        for i in range(4000)
    )
    one = evidence()
    big = replace(one, evaluation=one.evaluation.model_copy(update={"metrics": (*one.evaluation.metrics, *metrics)}))
    said = render_comment([big], artifact="artifact report")
    assert len(said.encode()) <= LIMIT
    assert "| accuracy | 0.800" in said
    assert "what differs" in said, "a smaller part after one that did not fit"
    assert "Left out, there was no room: 1 part." in said
    assert said.count("<details>") == said.count("</details>")


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_parts_are_whole_or_absent(size: int) -> None:
    said = fit(["a" * 50, "b" * 500, "é" * 20], "end", limit=size + 200)
    assert len(said.encode()) <= size + 200
    for part in ("a" * 50, "b" * 500, "é" * 20):
        assert part in said or part[0] * 5 not in said


def test_the_marker_of_the_poster_is_that_of_the_comment() -> None:
    poster = (REPOSITORY / ".github" / "post_comment.py").read_text()
    assert f'MARKER = "{MARKER}"' in poster
    assert Path(REPOSITORY / ".github" / "workflows" / "comment.yml").exists()


def test_cost_is_what_bills_tag() -> None:
    tags = {"money": "0.0123", "currency": "EUR", "energy_kwh": "0.0004", "energy_cpu": "estimated", "wall_s": "3.5"}
    assert _cost(tags) == {"money": "0.0123 EUR", "energy": "0.0004 kWh"}
    assert _cost({"energy_cpu": "estimated"}) == {}
