"""A bare repository whose post-receive hook stands in for GitHub: a push runs the workflows that it triggers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from actions import Event, Forge, to_json

SUPPORT = Path(__file__).parent
ZERO = "0" * 40


def make_bare(folder: Path, settings: dict[str, Any]) -> Path:
    """Make a bare repository with the hook.

    Parameters
    ----------
    settings
        Of `actions.Forge`, with ``approved`` environments, and the path ``venv`` that checkouts have ready.
    """
    bare = folder / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(bare)], check=True)
    (bare / "forge.json").write_text(json.dumps(settings | {"home": str(folder / "forge")}))
    hook = bare / "hooks" / "post-receive"
    hook.write_text(f"#!/bin/sh\nunset GIT_DIR\nexec '{sys.executable}' '{Path(__file__)}' \"$PWD\"\n")
    hook.chmod(0o755)
    return bare


def open_forge(bare: Path) -> Forge:
    """Open what stands behind a bare repository."""
    told = json.loads((bare / "forge.json").read_text())
    approved, venv = told.pop("approved", []), told.pop("venv", "")
    home = Path(told.pop("home"))
    home.mkdir(exist_ok=True)
    return Forge(
        bare, home, **told, approve=lambda place: place in approved, say=say,
        prepare=lambda workspace: have_ready(Path(venv), workspace) if venv else None,
    )  # fmt: skip


def say(text: str) -> None:
    """Tell whoever pushes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def have_ready(venv: Path, workspace: Path) -> None:
    """Put the environment of the lock into a checkout, as a cache does: `make setup` finds it complete."""
    target = workspace / ".venv"
    target.mkdir()
    for entry in venv.iterdir():
        if entry.name != ".locked":
            (target / entry.name).symlink_to(entry)
    parts = [workspace / "pyproject.toml", *sorted((workspace / "requirements").glob("*.txt"))]
    content = b"".join(path.read_bytes() for path in [*parts, workspace / "infra" / "setup.sh"])
    (target / ".locked").write_text(f"{hashlib.sha256(content).hexdigest()}  -\n")


def received(bare: Path, lines: Iterator[str]) -> None:
    """Handle a push: of main a push, of any other branch a pull request to main."""
    forge, runs = open_forge(bare), []
    for line in lines:
        before, after, ref = line.split()
        if after == ZERO:
            continue
        event = Event("push", after, ref, before=before)
        if ref != "refs/heads/main":
            event = pull_request(forge, ref.removeprefix("refs/heads/"), after)
        runs += forge.trigger(event)
    results = bare / "results"
    results.mkdir(exist_ok=True)
    (results / f"{len(list(results.iterdir())):03}.json").write_text(to_json(runs))


def pull_request(forge: Forge, branch: str, sha: str, *, repository: str = "", action: str = "opened") -> Event:
    """Make the event of a pull request to main; of a fork when another repository is named."""
    base = forge.git("merge-base", "refs/heads/main", sha).strip()
    pull = {
        "number": 7,
        "head": {"sha": sha, "ref": branch, "repo": {"full_name": repository or forge.name}},
        "base": {"sha": base, "ref": "main"},
        "labels": [],
    }
    return Event("pull_request", sha, "refs/pull/7/merge", {"pull_request": pull, "action": action}, before=base)


def results(bare: Path) -> list[dict[str, Any]]:
    """Read how the workflows of the last push ended."""
    last = max((bare / "results").iterdir())
    found: list[dict[str, Any]] = json.loads(last.read_text())
    return found


def copy_repository(source: Path, target: Path) -> None:
    """Copy the files of a work tree that git tracks, or would."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=source, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, target / name)


@contextlib.contextmanager
def comments_api(pulls: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Answer as GitHub does where comments are made: the address, and the comments as they are."""
    comments: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, value: Any) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def _body(self) -> dict[str, Any]:
            body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            return body

        def do_GET(self) -> None:
            listing = comments if self.path.endswith("&page=1") else []
            self._answer(pulls if "/pulls?" in self.path else listing)

        def do_POST(self) -> None:
            user = {"login": "github-actions[bot]"} if "Bearer" in self.headers["Authorization"] else {}
            comments.append({"id": len(comments) + 1, "user": user, "path": self.path, **self._body()})
            self._answer(comments[-1])

        def do_PATCH(self) -> None:
            number = int(self.path.rpartition("/")[2])
            comments[number - 1] |= self._body() | {"edited": True}
            self._answer(comments[number - 1])

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", comments
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    received(Path(sys.argv[1]), iter(sys.stdin))
