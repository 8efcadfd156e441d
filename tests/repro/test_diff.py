"""What differs between two runs, and pages and reports of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from repositories import git, repository

from cascada.repro.code import capture_code
from cascada.repro.compare import Comparison, Results, Verdict, compare_results
from cascada.repro.diff import RunDiff, diff_runs
from cascada.repro.diff_page import write_page
from cascada.repro.environment import CodeState, Hardware, Software
from cascada.repro.junit import write_junit
from cascada.repro.manifest import Manifest
from cascada.repro.packages import package_changes, tell_changes
from cascada.repro.results import metrics_sha256, results_of
from cascada.repro.verification import AspectCheck, Verification, compare_aspects


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A repository with two commits that differ by a line."""
    root = tmp_path_factory.mktemp("work")
    git(root, "init", "--quiet")
    found = []
    for text in ("rate = 0.1\n", "rate = 0.2\n"):
        (root / "train.py").write_text(text)
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "x")
        found.append(git(root, "rev-parse", "HEAD").strip())
    return root, found[0], found[1]


def manifest(run_id: str, commit: str, **changes: Any) -> Manifest:
    content: dict[str, Any] = {
        "dataset": {"inputs": [{"path": f"/home/{run_id}/x.csv", "sha256": "a" * 64, "bytes": 1, "files": 1}]},
        "preprocessing": {},
        "partitions": {},
        "training": {"parameters": {"rate": 0.1, "layers": [8, 4]}},
        "assessment": {"metrics": {"loss": 0.5}, "outputs": {"model": "a" * 64}},
        "randomness": {"root_seed": 1},
        "software": Software(python="3.11.7", system="Linux", packages={"NumPy": "2.2", "scipy": "1.15"}),
        "hardware": Hardware(machine="x86_64", processor="Cray-1", cores=1, memory_gib=0.1, gpus=()),
    }
    code = CodeState(commit=commit, dirty=False, changes=(), changes_sha256="")
    return Manifest(run_id=run_id, experiment="x", kind="script", code=code, **(content | changes))


def differing(root: Path, first: str, second: str) -> RunDiff:
    other = manifest(
        "two", second,
        training={"parameters": {"rate": 0.2, "layers": [8, 4]}},
        assessment={"metrics": {"loss": 0.25}, "outputs": {"model": "b" * 64}},
        software=Software(python="3.11.7", system="Linux", packages={"numpy": "2.3", "torch": "<b>"}),
        hardware=Hardware(machine="x86_64", processor="Cray-2", cores=1, memory_gib=0.2, gpus=()),
    )  # fmt: skip
    return diff_runs(manifest("one", first), other, repository=root, kept=(root, root))


def test_equal_runs(commits: tuple[Path, str, str]) -> None:
    root, first, _ = commits
    found = diff_runs(manifest("one", first), manifest("two", first), repository=root, kept=(root, root))
    assert (found.aspects, found.packages, found.files, found.code.same) == ({}, (), (), True), "paths do not count"
    assert len(found.equal) == 8


def test_each_difference_in_its_place(commits: tuple[Path, str, str]) -> None:
    found = differing(*commits)
    assert [(c.key, c.one, c.other) for c in found.aspects["training"]] == [("parameters.rate", 0.1, 0.2)]
    assert [(c.key, c.one, c.other) for c in found.aspects["hardware"]] == [("processor", "Cray-1", "Cray-2")]
    assert set(found.aspects) == {"training", "hardware"}
    assert [str(change) for change in found.packages] == [
        "numpy 2.2 → 2.3", "scipy 1.15 → not installed", "torch not installed → <b>",
    ]  # fmt: skip
    assert [(m.name, m.absolute) for m in found.metrics] == [("loss", 0.25)]
    assert [f.path for f in found.files] == ["model"]
    assert found.equal == ("dataset", "preprocessing", "partitions", "randomness")
    assert "train.py" in found.code.stat[0]
    assert "1 insertion(+), 1 deletion(-)" in found.code.stat[-1]


def test_a_commit_that_git_does_not_know(commits: tuple[Path, str, str]) -> None:
    found = differing(commits[0], commits[1], "f" * 40)
    assert found.code.stat == ()
    assert "git cannot compare them here" in found.code.why_not


def test_uncommitted_and_untracked_code_counts(tmp_path: Path) -> None:
    root = repository(tmp_path / "work", {"train.py": "rate = 0.1\n", "deep/kept.py": "same = 1\n"})
    manifests = []
    for side, extra in (("one", "a\n"), ("two", "a\nb\nc\n")):
        (root / "train.py").write_text(f"rate = '{side}'\n")
        (root / "deep" / "new file.py").write_text(extra)
        state = capture_code(root, tmp_path / side)
        manifests.append(manifest(side, state.commit).model_copy(update={"code": state}))
    before = sorted(root.rglob("*"))
    kept = (tmp_path / "one", tmp_path / "two")
    found = diff_runs(*manifests, repository=root / "deep", kept=kept).code
    assert not found.same
    lines = [line.split("|") for line in found.stat[:-1]]
    assert [(name.strip(), change.strip()) for name, change in lines] == [
        ("deep/new file.py", "2 ++"), ("train.py", "2 +-"),
    ]  # fmt: skip
    assert sorted(root.rglob("*")) == before, "the repository is only read"
    (kept[1] / "changes.diff").unlink()
    assert "git cannot compare them here" in diff_runs(*manifests, repository=root, kept=kept).code.why_not


def test_the_page_shows_and_escapes(commits: tuple[Path, str, str], tmp_path: Path) -> None:
    write_page(differing(*commits), tmp_path / "pages" / "diff.html")
    page = (tmp_path / "pages" / "diff.html").read_text()
    for shown in ("parameters.rate", "Cray-2", "scipy", "train.py", "&lt;b&gt;", "0.25", "Files that differ"):
        assert shown in page
    assert "<b>" not in page
    assert "http" not in page, "the page needs nothing else"


def test_a_difference_survives_json(commits: tuple[Path, str, str]) -> None:
    found = differing(*commits)
    assert RunDiff.model_validate_json(found.model_dump_json()).packages == found.packages


def test_aspects_side_by_side(commits: tuple[Path, str, str]) -> None:
    _, first, second = commits
    found = {c.aspect: c for c in compare_aspects(manifest("one", first), manifest("two", second))}
    assert found["dataset"].outcome == "same"
    assert found["partitions"].outcome == "unknown"
    assert found["training"].outcome == "different"
    assert "commit" in found["training"].detail


def test_package_names_are_compared_as_indexes_do() -> None:
    assert package_changes({"Ruamel.YAML": "1"}, {"ruamel-yaml": "1"}) == ()
    many = package_changes({f"p{n}": "1" for n in range(20)}, {})
    assert tell_changes(many).endswith("and 12 more")


def test_metrics_with_intervals_are_numbers_each() -> None:
    listed = [{"name": "auc", "value": 0.9, "low": 0.8, "high": None, "n": 10, "interval": "Wilson"}]
    found = results_of(manifest("one", "0" * 40, assessment={"metrics": listed})).metrics
    assert {name: repr(value) for name, value in found.items()} == {
        "auc": "0.9", "auc_low": "0.8", "auc_high": "nan", "auc_n": "10.0",
    }  # fmt: skip
    assert metrics_sha256(listed) == metrics_sha256([listed[0] | {"high": float("nan")}]), "JSON turns NaN into null"
    assert metrics_sha256(listed) != metrics_sha256([listed[0] | {"n": 11}])


def junit(comparison: Comparison, path: Path) -> ElementTree.Element:
    checks = (
        AspectCheck(aspect="software", outcome="different", detail="numpy 2.2 → 2.3"),
        AspectCheck(aspect="partitions", outcome="unknown", detail="nothing recorded"),
    )
    write_junit(
        Verification(
            run_id="one", manifest_sha256="", level="replay", started="2026-01-02T03:04:05+00:00", ended="",
            comparison=comparison, aspects=checks,
        ),
        path,
    )  # fmt: skip
    suite = ElementTree.fromstring(path.read_text()).find("testsuite")  # noqa: S314
    assert suite is not None
    return suite


def counts(suite: ElementTree.Element) -> tuple[str | None, ...]:
    return tuple(suite.get(name) for name in ("tests", "failures", "errors", "skipped"))


def test_junit_of_each_verdict(tmp_path: Path) -> None:
    one, other = Results(metrics={"loss": 0.5, "auc": 0.9}), Results(metrics={"loss": 0.6, "auc": 0.9})
    suite = junit(compare_results(one, one), tmp_path / "x.xml")
    assert counts(suite) == ("5", "0", "0", "1")
    suite = junit(compare_results(one, other), tmp_path / "x.xml")
    assert counts(suite) == ("5", "2", "0", "1"), "the verdict and the metric"
    failures = [failure.get("message") for failure in suite.iter("failure")]
    assert failures[1] == "recorded 0.5, replayed 0.6"
    suite = junit(Comparison(verdict=Verdict.UNVERIFIABLE, reasons=("the data are gone",)), tmp_path / "x.xml")
    assert counts(suite) == ("3", "0", "1", "1")
