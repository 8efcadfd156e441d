"""What `cascada verify` says of one run after each of a number of planted changes, and how long it takes to say it.

    python -m benchmarks.bench_verify

prints a Markdown table and exits with 1 when any verdict is not the expected one. Every case has a repository of its
own with one recorded run of a script that reads ignored data, draws numbers, logs two metrics and writes a table.
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measures import markdown_table

_SCRIPT = """
import json, sys, time
from pathlib import Path
import numpy as np
from cascada import log_metrics
beside = json.loads((Path(sys.argv[1])).read_text())
if beside.get("hang"):
    time.sleep(600)
if beside.get("crash"):
    raise MemoryError("less memory than then")
values = np.loadtxt("data/values.txt")
noise = np.random.default_rng().normal(10, 1) + beside.get("offset", 0)
log_metrics({"mean": values.mean(), "noise": noise})
Path("table.csv").write_text(f"mean,noise\\n{values.mean()},{noise}\\n")
"""


@dataclass(frozen=True)
class Case:
    """A planted change, the options of `cascada verify`, and the verdict that is right."""

    name: str
    expected: str
    plant: Callable[[Path], object]
    options: tuple[str, ...] = ()


def _git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def _nothing(_: Path) -> None:
    pass


def _beside(**values: float) -> Callable[[Path], object]:
    return lambda root: _beside_of(root).write_text(json.dumps(values))


def _beside_of(root: Path) -> Path:
    """Find the file outside of all repositories that the script looks at: what another machine would have otherwise."""
    return root.parents[1] / "beside.json"


def _edit(name: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text(text)


def _edit_and_commit(root: Path) -> None:
    (root / "fit.py").write_text("raise SystemExit('a later state')\n")
    _git(root, "commit", "--all", "--message", "later")


def _rewrite_history(root: Path) -> None:
    _git(root, "commit", "--amend", "--message", "another past")
    _git(root, "reflog", "expire", "--expire=now", "--all")
    _git(root, "gc", "--quiet", "--prune=now")


def _record(root: Path) -> Path:
    (found,) = (root / ".cascada" / "runs").glob("*/manifest.json")
    return found.parent


def _alter_metric(root: Path) -> None:
    path = _record(root) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["assessment"]["metrics"]["mean"] += 0.5
    path.write_text(json.dumps(manifest))


def _other_package(root: Path) -> None:
    """Make this environment another one: a package appears that the run did not have."""
    folder = root.parent / "more" / "planted-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")


_OTHER_VALUES = "1\n2\n3.6\n"
CASES = (
    Case("nothing", "IDENTICAL", _nothing),
    Case("nothing; hashes only", "IDENTICAL", _nothing, ("--level", "hashes")),
    Case("script edited and committed since", "IDENTICAL", _edit_and_commit),
    Case("script edited since, not committed", "IDENTICAL", _edit("fit.py", "raise SystemExit('now')\n")),
    Case("a result in the last digits", "DIVERGED", _beside(offset=1e-9)),
    Case("a result in the last digits, tolerance 1e-6", "EQUIVALENT", _beside(offset=1e-9), ("--tolerance", "1e-6")),
    Case("a result within the spread of 3 seeds", "CONSISTENT", _beside(offset=0.1), ("--seeds", "3")),
    Case("a result far outside of it", "DIVERGED", _beside(offset=1e4), ("--seeds", "3")),
    Case("a byte of the data", "UNVERIFIABLE", _edit("data/values.txt", _OTHER_VALUES)),
    Case("a byte of the data; hashes only", "DIVERGED", _edit("data/values.txt", _OTHER_VALUES), ("--level", "hashes")),
    Case("data gone", "UNVERIFIABLE", lambda root: shutil.rmtree(root / "data")),
    Case("history rewritten, commit gone", "UNVERIFIABLE", _rewrite_history),
    Case("a package more", "UNVERIFIABLE", _other_package),
    Case("a package more, allowed", "EQUIVALENT", _other_package, ("--allow-environment-change",)),
    Case("crash", "DIVERGED", _beside(crash=1)),
    Case("no end", "UNVERIFIABLE", _beside(hang=1), ("--timeout", "5")),
    Case("a metric of the record", "DIVERGED", _alter_metric),
    Case("a kept change of the record", "UNVERIFIABLE", lambda root: (_record(root) / "lock.txt").write_text("x==1\n")),
)


def main() -> None:
    """Plant, verify, print."""
    with tempfile.TemporaryDirectory() as folder:
        whole = _recorded(Path(folder) / "recorded")
        rows = [_row(case, whole, Path(folder) / f"case-{number}") for number, case in enumerate(CASES)]
    print(markdown_table(("planted after the run", "verdict", "right", "exit code", "seconds"), rows))
    wrong = sum(row[2] != "yes" for row in rows)
    print(f"\n{len(rows) - wrong} of {len(rows)} verdicts are right.")
    sys.exit(int(wrong > 0))


def _recorded(folder: Path) -> Path:
    root = folder / "work"
    (root / "data").mkdir(parents=True)
    (root / "data" / "values.txt").write_text("1\n2\n3.5\n")
    (root / "fit.py").write_text(_SCRIPT)
    (root / ".gitignore").write_text("data/\n.cascada/\n")
    _beside_of(root).write_text("{}")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "start")):
        _git(root, *command)
    run = ("cascada", "run", "--data", "data/values.txt", "--out", "table.csv", "fit.py", "--", str(_beside_of(root)))
    answer = _call(run, root)
    if answer.returncode != 0:
        sys.exit(answer.stderr)
    return folder


def _row(case: Case, whole: Path, folder: Path) -> tuple[str, ...]:
    root = Path(shutil.copytree(whole, folder)) / "work"
    _beside_of(root).write_text("{}")
    case.plant(root)
    start = time.perf_counter()
    answer = _call(("cascada", "verify", _record(root).name, "--json", *case.options), root)
    seconds = time.perf_counter() - start
    verdict = json.loads(answer.stdout)["comparison"]["verdict"] if answer.stdout else answer.stderr.strip()
    return case.name, verdict, "yes" if verdict == case.expected else "NO", str(answer.returncode), f"{seconds:.1f}"


def _call(command: tuple[str, ...], root: Path) -> subprocess.CompletedProcess[str]:
    # No index is asked: an environment that differs cannot be built. No MLflow either: the record is what counts.
    apart = {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_NO_CACHE": "1", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    paths = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    more = {"PYTHONPATH": str(root.parent / "more")}
    return subprocess.run(
        command, cwd=root, env=os.environ | apart | paths | more, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    main()
