"""The script that posts the comment, run as the workflow runs it, against a server that answers as GitHub does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from forge import comments_api
from projects import REPOSITORY

MARKER = "<!-- cascada-report -->"


def post(api: str, report: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "GITHUB_API_URL": api, "GITHUB_REPOSITORY": "owner/cascada", "GITHUB_TOKEN": "t", "HEAD_OWNER": "owner",
        "HEAD_REPOSITORY": "owner/cascada", "HEAD_BRANCH": "topic", "HEAD_SHA": "s1",
    }  # fmt: skip
    script = str(REPOSITORY / ".github" / "post_comment.py")
    environment = os.environ | variables | changed
    return subprocess.run(
        [sys.executable, script, str(report)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "comment.md"
    path.write_text(f"{MARKER}\nfirst\n")
    return path


PULLS: list[dict[str, Any]] = [{"number": 3, "head": {"sha": "old"}}, {"number": 7, "head": {"sha": "s1"}}]


def test_the_first_push_posts_and_the_next_replaces(report: Path) -> None:
    with comments_api(PULLS) as (api, comments):
        comments.append({"id": 1, "user": {"login": "somebody"}, "body": f"{MARKER} not ours", "path": ""})
        assert post(api, report).stdout == "posted under #7\n"
        report.write_text(f"{MARKER}\nsecond\n")
        assert post(api, report).stdout == "replaced under #7\n"
    assert [comment["body"] for comment in comments] == [f"{MARKER} not ours", f"{MARKER}\nsecond\n"]
    assert comments[1]["path"] == "/repos/owner/cascada/issues/7/comments"


def test_a_fork_gets_a_sentence_of_ours_whatever_its_run_left(report: Path) -> None:
    with comments_api(PULLS) as (api, comments):
        report.write_text(f"{MARKER}\n**champion!**\n")
        assert post(api, report, HEAD_REPOSITORY="stranger/cascada", HEAD_OWNER="stranger").returncode == 0
    assert "forks train nothing" in comments[0]["body"]
    assert "champion" not in comments[0]["body"]


@pytest.mark.parametrize("text", ["no marker", MARKER + "x" * 65_536])
def test_what_is_no_report_is_refused(report: Path, text: str) -> None:
    with comments_api(PULLS) as (api, comments):
        report.write_text(text)
        answer = post(api, report)
    assert (answer.returncode, comments) == (1, [])
    assert "not a report of cascada" in answer.stderr


def test_a_newer_push_and_nothing_trained_are_no_errors(report: Path) -> None:
    with comments_api(PULLS) as (api, comments):
        assert "no open pull request" in post(api, report, HEAD_SHA="s0").stdout
        assert "nothing was trained" in post(api, report.with_name("absent.md")).stdout
    assert comments == []
