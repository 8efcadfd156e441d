"""A project with one recorded run that read data which git has not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repositories import git, repository

from cascada.jobs.execute import execute
from cascada.jobs.locate import Located
from cascada.repro.record import RunRecord

SCRIPT = """
import json, random, sys
from pathlib import Path
from cascada.jobs.active import current, log_metrics
settings = json.loads(Path(sys.argv[1]).read_text())
values = [float(line) for line in Path("data/values.txt").read_text().split()]
far = [float(line) for path in sorted(Path(sys.argv[2]).rglob("*.txt")) for line in path.read_text().split()]
current().log_params({"scale": settings["scale"]})
log_metrics({"draw": random.random() * settings["scale"], "sum": sum(values) + sum(far)})
Path("result.txt").write_text(f"{sum(values)}\\n")
if settings.get("fail"):
    raise RuntimeError("as the settings say")
"""
CITATION = """
cff-version: 1.2.0
license: MIT
repository-code: https://example.org/sums
authors:
  - family-names: Curie
    given-names: Marie
    orcid: https://orcid.org/0000-0002-1825-0097
  - name: The sums group
"""


def travelling_project(home: Path, **settings: Any) -> Located:
    """Make a project at ``home/work`` that reads ignored data and a folder beside it, and run its script once."""
    root = repository(
        home / "work",
        {
            "draw.py": SCRIPT, "settings.json": json.dumps({"scale": 2.0, **settings}), "CITATION.cff": CITATION,
            ".gitignore": "data/\n.cascada/\n__pycache__/\n",
        },
    )  # fmt: skip
    git(root, "commit", "--quiet", "--allow-empty", "--message", "history that stays at home")
    (root / "draw.py").write_text(SCRIPT + "print('an uncommitted line')\n")
    for name, text in (("work/data/values.txt", "1\n2\n"), ("far/a/one.txt", "3\n"), ("far/two.txt", "4\n")):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    record = execute(
        "draw.py", [str(root / "settings.json"), str(home / "far")], cwd=root, seed=3,
        record_folder=root / ".cascada" / "runs" / "one", outputs=[Path("result.txt")],
        data=[Path("data/values.txt"), home / "far", Path("settings.json")],
    )  # fmt: skip
    return Located(record, "")


def rewrite(record: RunRecord, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest behind everybody's back."""
    path = record.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
