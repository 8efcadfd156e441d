"""The page about recording: its files and commands, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from projects import REPOSITORY
from repositories import repository

PAGE = (REPOSITORY / "docs" / "recording.md").read_text()


def test_the_page_runs(tmp_path: Path) -> None:
    files = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, flags=re.DOTALL))
    commands = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]
    assert len(files) == 2
    assert len(commands) == 4
    table = "".join(f"{x} {2 * x}\n" for x in range(20))
    work = repository(tmp_path / "work", files | {"table.txt": table})
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    environment.pop("CASCADA_ROOT", None)
    for command in (*commands, "cascada runs --json"):
        answer = subprocess.run(
            command.split(), cwd=work, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert answer.returncode == 0, f"{command}: {answer.stderr}"
    supervised, alone, script = json.loads(answer.stdout)
    assert supervised["metrics"] == {"score": 0.02}
    assert alone["metrics"] == {"score": 0.005}
    assert script["metrics"]["r2_score"] > 0.99
    record = Path(script["folder"])
    assert (record / "outputs" / "coefficients.txt").exists()
    assert json.loads((record / "manifest.json").read_text())["training"]["parameters"]["Ridge.alpha"] == 0.5
