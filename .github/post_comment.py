"""Put a report under its pull request: one comment, replaced after every push. Needs the standard library alone."""

from __future__ import annotations

import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

MARKER = "<!-- cascada-report -->"
LIMIT = 65_536
FORK = f"{MARKER}\nPull requests of forks train nothing: a maintainer may push the branch here.\n"
AUTHOR = "github-actions[bot]"


def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Call GitHub's API for this repository."""
    request = urllib.request.Request(  # noqa: S310 - the address is GitHub's own variable
        f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def find_pull_request() -> int | None:
    """Find the open pull request whose head is the commit of the run; the artifact has no say in it."""
    head = urllib.parse.quote(f"{os.environ['HEAD_OWNER']}:{os.environ['HEAD_BRANCH']}", safe="")
    found = ask("GET", f"pulls?state=open&head={head}")
    return next((int(pull["number"]) for pull in found if pull["head"]["sha"] == os.environ["HEAD_SHA"]), None)


def find_comment(number: int) -> int | None:
    """Find the comment that this workflow made before."""
    page = 1
    while comments := ask("GET", f"issues/{number}/comments?per_page=100&page={page}"):
        for comment in comments:
            if comment["user"]["login"] == AUTHOR and comment["body"].startswith(MARKER):
                return int(comment["id"])
        page += 1
    return None


def read_report(path: Path) -> str:
    """Read the text to post; of a fork a sentence of our own, for what its run left is anybody's."""
    if os.environ["HEAD_REPOSITORY"] != os.environ["GITHUB_REPOSITORY"]:
        return FORK
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(path: Path) -> None:
    """Post or replace the comment; nothing to say is no error."""
    text = read_report(path)
    if not text:
        print("no report: nothing was trained")  # noqa: T201
        return
    if not text.startswith(MARKER) or len(text) > LIMIT:
        sys.exit(f"not a report of cascada, or too long for GitHub: {len(text)} characters")
    number = find_pull_request()
    if number is None:
        print("no open pull request has this commit as its head: a newer push, or closed")  # noqa: T201
        return
    known = find_comment(number)
    where = f"issues/{number}/comments" if known is None else f"issues/comments/{known}"
    ask("POST" if known is None else "PATCH", where, {"body": text})
    print(f"{'posted' if known is None else 'replaced'} under #{number}")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
