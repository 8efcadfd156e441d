"""What holds for the repository as a whole: names, lock, wheel, layers."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from projects import REPOSITORY

LOCKS = sorted((REPOSITORY / "requirements").glob("*.txt"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.*?))? \\$")


@pytest.mark.parametrize("name", ["cascada", "flows", "models", "serving"])
def test_generic_names_are_ours(name: str) -> None:
    assert Path(str(importlib.import_module(name).__file__)).is_relative_to(REPOSITORY)
    claims = importlib.metadata.packages_distributions().get(name, [])
    assert set(claims) <= {"cascada"}


def test_no_package_marker_under_tests() -> None:
    assert list((REPOSITORY / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_holds_hashes_and_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?://|file://|index-url|find-links", text)
    pins = re.findall(r"^[A-Za-z0-9._-]+==", text, flags=re.MULTILINE)
    blocks = re.split(r"^(?=[A-Za-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(pins) == len(blocks) > 0
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_lock_leaves_torch_to_the_machine() -> None:
    names = {match[1] for line in (REPOSITORY / "requirements" / "dev.txt").open() if (match := PIN.match(line))}
    assert not {name for name in names if name in ("torch", "triton") or name.startswith(("nvidia-c", "cuda-"))}


def test_what_is_installed_is_what_the_lock_says() -> None:
    from packaging.markers import Marker

    for line in (REPOSITORY / "requirements" / "dev.txt").open():
        if (match := PIN.match(line)) and (match[3] is None or Marker(match[3]).evaluate()):
            assert importlib.metadata.version(match[1]) == match[2], match[1]


def test_every_file_of_the_lock_is_one_that_make_lock_writes() -> None:
    written = re.findall(r"requirements/(\w+\.txt)", (REPOSITORY / "infra" / "lock.sh").read_text())
    assert {path.name for path in LOCKS} == set(written)


def test_the_wheel_holds_cascada_only(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()} == {"cascada", "cascada-0.1.0.dist-info"}


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("cascada/physics/primaries.py", "import cascada.data.etl", "Layers"),
        ("cascada/repro/seeds.py", "import cascada.physics.columns", "knows no air showers"),
        ("cascada/training/scaling.py", "import mlflow", "One door to MLflow"),
        ("cascada/cli/demo.py", "import prefect", "One door to Prefect"),
        ("cascada/new.py", "", "has its layer"),
    ],
)
def test_a_broken_layer_or_door_is_found(tmp_path: Path, file: str, line: str, broken: str) -> None:
    for name in ("cascada", "flows", "models", "serving"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a") as module:
        module.write(f"\n{line}\n")
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    answer = subprocess.run(lint, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 1, answer.stdout
    assert re.search(rf"{broken}.* BROKEN", answer.stdout), answer.stdout


def test_the_workflow_runs_what_ci_runs_on_every_python() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    ran = {line for job in jobs.values() for step in job["steps"] for line in str(step.get("run", "")).splitlines()}
    local = re.findall(r"^make .*$", (REPOSITORY / ".ci" / "run").read_text(), flags=re.MULTILINE)
    assert set(local) <= {line.partition(" TESTS=")[0] for line in ran}
    pythons = jobs["test"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert [f"Programming Language :: Python :: {version}" in project["classifiers"] for version in pythons] == [
        True
    ] * 3
