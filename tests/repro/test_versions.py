"""Installed versions against locks, requirement files, each other and known breaks."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import pytest
from repositories import write

from cascada.errors import ConfigError
from cascada.repro import versions
from cascada.repro.requirements import choose_lock, read_needs
from cascada.repro.versions import (
    against_project,
    check_versions,
    conflicts,
    installed_packages,
    known_breaks,
    openmp_runtimes,
)

NUMPY = importlib.metadata.version("numpy")
HASH = f"--hash=sha256:{'0' * 64}"
UV_LOCK = (
    f'version = 1\n[[package]]\nname = "numpy"\nversion = "{NUMPY}"\n[[package]]\nname = "elsewhere"\nversion = "1"\n'
)
PYLOCK = 'lock-version = "1.0"\n[[packages]]\nname = "numpy"\nversion = "1.0"\n'


def rules(root: Path) -> list[str]:
    _, findings = against_project(root, {"numpy": NUMPY, "scipy": "1.9"})
    return [one.rule for one in findings]


def test_this_environment_has_no_conflict() -> None:
    assert list(conflicts(installed_packages())) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("requirements.txt", f"numpy=={NUMPY}  # of physics\n", []),
        ("requirements.txt", f"numpy=={NUMPY} \\\n    {HASH}\n    # via here\n", []),
        ("requirements.txt", "numpy==1.0\n", ["P102"]),
        ("requirements.txt", "no-such-package-here==1.0\n", ["P103"]),
        ("requirements.txt", "no-such-package-here==1.0 ; sys_platform == 'win32'\n", []),
        ("requirements.txt", "numpy>=1\n", ["P104"]),
        ("requirements.txt", "numpy<1\n", ["P102", "P104"]),
        ("requirements.txt", "numpy ==== 1\n", ["P100"]),
        ("requirements.txt", "-r other.txt\n--index-url https://example.org\n", ["P104"]),
        ("requirements/dev.txt", "numpy==1.0\n", ["P102"]),
        ("uv.lock", UV_LOCK, []),
        ("uv.lock", UV_LOCK.replace(NUMPY, "1.0"), ["P102"]),
        ("pylock.toml", PYLOCK, ["P102"]),
        ("pylock.toml", "[[packages", ["P100"]),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = ["numpy"]\nrequires-python = "3.11"\n', ["P100"]),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = ["numpy>=1"]\n', ["P104"]),
        ("pyproject.toml", '[project]\ndependencies = ["numpy<1"]\nrequires-python = "<3"\n', ["P101", "P102", "P104"]),
    ],
)
def test_what_the_project_asks_for(tmp_path: Path, name: str, text: str, expected: list[str]) -> None:
    write(tmp_path, name, text)
    assert rules(tmp_path) == expected


def test_a_finding_names_file_and_versions(tmp_path: Path) -> None:
    write(tmp_path, "requirements.txt", "NumPy==1.0\n")
    _, (one,) = against_project(tmp_path, {"numpy": NUMPY})
    assert (one.path, one.message) == ("requirements.txt", f"NumPy {NUMPY} is installed, NumPy==1.0 is asked for")


def test_of_several_locks_the_one_that_fits_is_compared(tmp_path: Path) -> None:
    write(tmp_path, "requirements/gpu.txt", "numpy==1.0\nscipy==1.0\n")
    write(tmp_path, "requirements/cpu.txt", f"numpy=={NUMPY}\nscipy==1.0\n")
    lock = choose_lock(read_needs(tmp_path), installed_packages())
    assert lock is not None
    assert lock.file == "requirements/cpu.txt"
    assert rules(tmp_path) == ["P102"]


def test_a_local_version_is_the_public_one(tmp_path: Path) -> None:
    """The CPU build 2.3.0+cpu meets ==2.3.0."""
    write(tmp_path, "requirements.txt", "torch==2.3.0\n")
    (needs,) = read_needs(tmp_path)
    assert list(needs.unmet({"torch": "2.3.0+cpu"})) == []


def test_a_requirement_that_is_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "requirements.txt", "numpy ==== 1\n")
    with pytest.raises(ConfigError, match="this is not a requirement"):
        read_needs(tmp_path)


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({"numpy": "2.1", "torch": "2.2.2+cpu"}, "built for NumPy 1"),
        ({"scikit-learn": "1.6.0", "xgboost": "2.1.3"}, "__sklearn_tags__"),
        ({"prefect": "3.8.8", "fastapi": "0.155"}, "422"),
        ({"mlflow": "3.1", "fastai": "2.8"}, "no flavour"),
    ],
)
def test_known_bad_combinations(installed: dict[str, str], told: str) -> None:
    (one,) = known_breaks(installed)
    assert told in one.message


@pytest.mark.parametrize(
    "installed", [{"numpy": "1.26", "torch": "2.2.2"}, {"numpy": "2.1", "torch": "2.3.0"}, {"numpy": "2.1"}]
)
def test_good_combinations(installed: dict[str, str]) -> None:
    assert list(known_breaks(installed)) == []


def test_openmp_libraries_of_two_makes(tmp_path: Path) -> None:
    write(tmp_path, "torch/lib/libgomp.so.1", "")
    write(tmp_path, "scikit_learn.libs/libgomp-e985bcbb.so.1.0.0", "")
    assert list(openmp_runtimes(tmp_path)) == []
    write(tmp_path, "mkl/lib/libiomp5.so", "")
    (one,) = openmp_runtimes(tmp_path)
    assert one.message == "GNU: scikit_learn.libs, torch; Intel: mkl"


def test_a_conflict_is_found_as_pip_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "Requires-Dist: numpy<1\nRequires-Dist: gone; extra == 'x'\n"
    metadata = "Metadata-Version: 2.1\nName: old-thing\nVersion: 1.0\n"
    write(tmp_path, "old_thing-1.0.dist-info/METADATA", metadata + asked)
    monkeypatch.syspath_prepend(tmp_path)
    (one,) = conflicts(installed_packages())
    assert one.message == f"old-thing 1.0 asks for numpy<1, {NUMPY} is installed"


def test_the_python_is_told(tmp_path: Path) -> None:
    section = check_versions(tmp_path, tmp_path)
    assert section.examined.startswith(f"Python {platform.python_version()}, ")
    assert section.examined.endswith("no requirements")


def test_combinations_are_sourced() -> None:
    assert all({"when", "what", "fix", "source"} <= one.keys() for one in versions.combinations())
