"""`cascada doctor` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from repositories import repository
from typer.testing import CliRunner, Result

from cascada.cli.main import app
from cascada.errors import ConfigError

SEED = "import time\nseed = int(time.time())\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a lock and a script that has an error and a warning."""
    import numpy as np

    files = {"requirements.txt": f"numpy=={np.__version__}\n", "train.py": SEED, "clean.py": "x = 1\n"}
    root = repository(tmp_path / "work", files | {"list.py": "import os\nx = list(os.listdir('.'))\n"})
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "100")
    return root


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_the_whole_project(project: Path) -> None:
    answer = doctor()
    assert answer.exit_code == 1, answer.output
    assert "train.py:2  the seed comes from time.time()" in answer.output
    assert "1 error, 1 warning" in answer.output
    assert not (project / ".cascada").exists()


def test_one_script_and_strictness(project: Path) -> None:
    assert doctor("list.py").exit_code == 0
    assert doctor("list.py", "--strict").exit_code == 1


def test_json(project: Path) -> None:
    answer = doctor("train.py", "--json")
    code, *others = json.loads(answer.stdout)["sections"]
    assert [section["title"] for section in others] == ["Versions", "Machine", "Repository"]
    (finding,) = code["findings"]
    assert (finding["rule"], finding["severity"], finding["path"], finding["line"]) == ("D104", "error", "train.py", 2)


def test_another_project_by_its_path(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    code = json.loads(doctor(str(project), "--json").stdout)["sections"][0]
    assert [finding["path"] for finding in code["findings"]] == ["list.py", "train.py"]


def test_outside_of_git_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("x = 1\n")
    answer = doctor()
    assert answer.exit_code == 1
    assert "P301" in answer.output


def test_a_wrong_path_is_refused(project: Path) -> None:
    from cascada.errors import SourceError

    answer = doctor("trian.py")
    assert isinstance(answer.exception, SourceError)
    assert "did you mean train.py" in str(answer.exception)


def test_the_rules_are_told(project: Path) -> None:
    answer = doctor("--rules")
    assert answer.exit_code == 0
    assert "D103" in answer.output
    assert "random_state" in answer.output


LOOP = """
import os, sys, torch
torch.set_num_threads(1)
if sys.argv[1:] == ["--wild"]:
    torch.manual_seed(int.from_bytes(os.urandom(4), "big"))
layer = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
for _ in range(40):
    loss = layer(torch.randn(8, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_a_probe_runs_twice_and_names_the_first_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository(tmp_path / "work", {"loop.py": LOOP}))
    good = json.loads(doctor("loop.py", "--probe", "--json").stdout)["sections"][-1]
    assert good["findings"] == []
    assert good["examined"].startswith("20 steps of training, twice")
    answer = doctor("loop.py", "--probe", "--args", "--wild", "--json")
    (found,) = json.loads(answer.stdout)["sections"][-1]["findings"]
    assert answer.exit_code == 1
    assert (found["rule"], found["severity"]) == ("P400", "error")
    assert "step 0" in found["message"]
    assert not (tmp_path / "work" / ".cascada").exists()


def test_a_probe_wants_one_script(project: Path) -> None:
    for arguments, told in (
        (["--probe"], "--probe runs one script"),
        (["train.py", "--probe", "--args", "'x"], "cannot be read as a shell reads it"),
        (["train.py", "--args", "x"], "are of a probe"),
    ):
        refused = doctor(*arguments).exception
        assert isinstance(refused, ConfigError), arguments
        assert told in refused.what


def test_the_rules_as_json() -> None:
    assert {"D101", "D603"} <= {one["rule"] for one in json.loads(doctor("--rules", "--json").stdout)}
