"""The page about sharing: its commands, run as they stand there, in three places."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from projects import REPOSITORY
from repositories import git, repository

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs" / "sharing.md").read_text()
SCRIPT = "from pathlib import Path\nPath('sum.txt').write_text(str(sum(map(float, open('data/values.txt')))))\n"


def run(command: str, cwd: Path) -> str:
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    environment.pop("CASCADA_ROOT", None)
    answer = subprocess.run(command.split(), cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"{command}: {answer.stderr}"
    return answer.stdout


def test_the_page_runs(tmp_path: Path) -> None:
    given, again, taken = re.findall(r"```sh\n(.*?)\n```", PAGE, flags=re.DOTALL)
    work = repository(tmp_path / "work", {"add.py": SCRIPT, ".gitignore": "data/\n.cascada/\n"})
    (work / "data").mkdir()
    (work / "data" / "values.txt").write_text("1\n2\n")
    run("cascada run --data data/values.txt --out sum.txt add.py", work)
    (recorded,) = json.loads(run("cascada runs --json", work))
    run(given.replace("RUN", recorded["run_id"]), work)
    there = tmp_path / "there"
    there.mkdir()
    shutil.move(work / "run.zip", there)
    shutil.rmtree(work)
    assert run(again, there).startswith("IDENTICAL")
    git(there, "init", "--quiet")
    imported, listed = (run(command, there) for command in taken.splitlines())
    assert "imported" in imported
    assert recorded["run_id"] in listed
