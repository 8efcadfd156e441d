"""Environments built from a lock, from wheels that are made here: no index is asked."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import zipfile
from pathlib import Path

import pytest
from repositories import repository

from cascada.errors import PlatformError
from cascada.jobs.environments import build_environment, environment_changes, local_packages
from cascada.jobs.replay import Plan, replay
from cascada.jobs.verify import Request, verify
from cascada.repro.compare import Verdict
from cascada.repro.environment import software
from cascada.settings import Settings

pytestmark = pytest.mark.slow

NEEDED = (
    *("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection"),
    *("psutil", "wrapt", "numpy"),
)
"""What the recorder itself imports."""


def wheel_of(name: str, folder: Path) -> None:
    """Pack what is installed of a distribution into a wheel again."""
    found = importlib.metadata.distribution(name)
    described = found.read_text("WHEEL") or ""
    tag = next(line.removeprefix("Tag: ") for line in described.splitlines() if line.startswith("Tag: "))
    spelled = found.metadata["Name"].replace("-", "_")
    with zipfile.ZipFile(folder / f"{spelled}-{found.version}-{tag}.whl", "w") as wheel:
        for file in found.files or ():
            if not file.parts[0].startswith("..") and file.suffix != ".pyc":
                wheel.write(str(found.locate_file(file)), str(file))


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Packages that can be had, name to version, and nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in NEEDED:
        wheel_of(name, folder)
    for name, value in (("UV_NO_INDEX", "1"), ("UV_OFFLINE", "1"), ("UV_FIND_LINKS", str(folder))):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return {importlib.metadata.metadata(name)["Name"]: importlib.metadata.version(name) for name in NEEDED}


def test_this_environment_is_itself() -> None:
    here = software()
    assert environment_changes(here.python, here.packages) == ()
    assert [str(c) for c in environment_changes("3.9.1", here.packages)] == [f"python 3.9.1 → {here.python}"]
    assert "cascada" in local_packages()


def test_a_run_of_another_environment_is_replayed_in_its_own(wheels: dict[str, str], tmp_path: Path) -> None:
    told = "import importlib.metadata as m; print(sorted(d.name for d in m.distributions()))\n"
    root = repository(tmp_path / "work", {"list.py": told})
    python = build_environment(platform.python_version(), wheels, tmp_path / "first")
    plan = Plan(
        script="list.py", arguments=(), cwd=root, record_folder=root / ".cascada" / "runs" / "one", seed=1, data=(),
        outputs=(), name="list", timeout_s=60, parameters={}, overrides=(),
    )  # fmt: skip
    record = replay(plan, python=python, environment=os.environ)
    assert record.manifest.status == "finished", record.log.read_text()
    assert record.manifest.software.packages == dict(sorted(wheels.items()))
    found = verify(record, Request(), Settings(root=root))
    assert found.verdict is Verdict.IDENTICAL, found.comparison.reasons
    assert "built from the lock" in found.environment
    assert {c.aspect: c.outcome for c in found.aspects}["software"] == "same"
    built = list((root / ".cascada" / "environments").iterdir())
    again = build_environment(platform.python_version(), wheels, root / ".cascada" / "environments")
    assert [path.parents[1] for path in (again,)] == built, "kept for the next verification"


def test_a_lock_that_no_longer_resolves(wheels: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="could not build") as caught:
        build_environment(platform.python_version(), wheels | {"withdrawn": "9.9"}, tmp_path / "built")
    assert "withdrawn" in caught.value.got
    assert not list((tmp_path / "built").glob("*/complete"))
