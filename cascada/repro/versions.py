"""Installed versions against what the project asks for, what packages ask of each other, and known breaks."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from cascada.errors import ConfigError
from cascada.repro.diagnosis import Finding, Section, Severity, finding
from cascada.repro.environment import software
from cascada.repro.packages import normalised, package_changes, tell_changes
from cascada.repro.record import list_records
from cascada.repro.requirements import Needs, choose_lock, read_needs

# Parsing the whole metadata of 300 distributions takes a second. Extras are left out: nobody knows who asked for them.
_REQUIRES = re.compile(r"^Requires-Dist: (?!.*\bextra\s*==)(.*)$", re.MULTILINE)
# The stem of the library's file, and who makes it.
_RUNTIMES = {"libgomp": "GNU", "libiomp5": "Intel", "libomp": "LLVM"}


def installed_packages() -> dict[str, str]:
    """List what is installed in this environment: normalised name to version."""
    return {normalised(name): version for name, version in software().packages.items()}


def check_versions(root: Path, home: Path) -> Section:
    """Hold what is installed against the project's lock and requirements, against itself, and against known breaks.

    Parameters
    ----------
    home
        The project's state folder: packages are also compared with those of its newest run.
    """
    installed = installed_packages()
    compared, found = against_project(root, installed)
    found += [*conflicts(installed), *known_breaks(installed), *openmp_runtimes(Path(sysconfig.get_path("purelib")))]
    found += _since_last_run(home, installed)
    against = ", ".join(compared) or "no requirements"
    examined = f"Python {platform.python_version()}, {len(installed)} packages, {against}"
    return Section(title="Versions", examined=examined, findings=tuple(found))


def against_project(root: Path, installed: Mapping[str, str]) -> tuple[list[str], list[Finding]]:
    """Tell which files ask for something, and what of it is not met; of several locks the one that fits counts."""
    try:
        needs = read_needs(root)
    except ConfigError as error:
        fix = "mend the file, so that pip reads it"
        return [], [
            finding("P100", "unreadable requirements", Severity.error, f"{error.what}: {error.got}", fix, error.where)
        ]
    lock = choose_lock(needs, installed)
    compared = [one for one in needs if not one.is_lock] + ([lock] if lock else [])
    found = [wrong for one in compared for wrong in unmet_needs(one, installed)]
    return [one.file for one in compared], found if lock else [*found, _no_lock()]


def _no_lock() -> Finding:
    return finding(
        "P104", "no lock", Severity.warning, "no file of the project names exact versions",
        "uv pip compile --generate-hashes pyproject.toml -o requirements.txt, or pip freeze > requirements.txt",
    )  # fmt: skip


def unmet_needs(needs: Needs, installed: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which requirements of a file the environment does not meet."""
    wrong = Severity.error
    if needs.requires_python and not SpecifierSet(needs.requires_python).contains(platform.python_version()):
        message = f"Python {platform.python_version()}, the project asks for {needs.requires_python}"
        yield finding("P101", "other Python", wrong, message, "make an environment with that Python", needs.file)
    for requirement, version in needs.unmet(installed):
        asked = f"{requirement.name}{requirement.specifier}"
        if version:
            message = f"{requirement.name} {version} is installed, {asked} is asked for"
            yield finding("P102", "other version", wrong, message, f"pip install '{asked}'", needs.file)
        else:
            message = f"{asked} is not installed"
            yield finding("P103", "missing package", wrong, message, f"pip install '{asked}'", needs.file)


def conflicts(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Tell what installed packages ask of each other and do not get, as `pip check` does."""
    for distribution in importlib.metadata.distributions():
        header = (distribution.read_text("METADATA") or "").partition("\n\n")[0]
        asked = Needs("", tuple(_parsed(_REQUIRES.findall(header))), is_lock=False)
        for requirement, version in asked.unmet(installed):
            wanted = f"{requirement.name}{requirement.specifier}"
            message = (
                f"{distribution.name} {distribution.version} asks for {wanted}, {version or 'nothing'} is installed"
            )
            yield finding("P105", "packages in conflict", Severity.error, message, f"pip install '{wanted}'")


def _parsed(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        try:
            yield Requirement(text)
        except InvalidRequirement:  # of an old package; pip passes over it, too
            continue


def known_breaks(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which combinations of `combinations.yaml` are installed."""
    for one in combinations():
        versions = {name: installed.get(name, "") for name in one["when"]}
        if all(version and SpecifierSet(one["when"][name]).contains(version) for name, version in versions.items()):
            named = ", ".join(f"{name} {version}" for name, version in versions.items())
            severity = Severity[one.get("severity", "error")]
            yield finding("P106", "known bad combination", severity, f"{named}: {one['what']}", one["fix"])


def combinations() -> list[dict[str, Any]]:
    """Read the combinations of versions that are known not to work: ``when``, ``what``, ``fix``, ``source``."""
    text = Path(__file__).with_name("combinations.yaml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = yaml.safe_load(text)
    return found


def openmp_runtimes(packages: Path) -> Iterator[Finding]:
    """Look for OpenMP libraries that packages bring: different makes in one process may hang, or crash.

    Several copies of one make are usual (threadpoolctl, "Multiple OpenMP libraries").
    """
    found: dict[str, set[str]] = {}
    for pattern in ("*.libs/lib*omp*", "*/lib/lib*omp*", "*/.dylibs/lib*omp*"):
        for path in packages.glob(pattern):
            if make := _RUNTIMES.get(path.name.split("-")[0].split(".")[0]):
                found.setdefault(make, set()).add(path.relative_to(packages).parts[0])
    if len(found) > 1:
        named = "; ".join(f"{make}: {', '.join(sorted(owners))}" for make, owners in sorted(found.items()))
        fix = "take these packages from one builder: all from PyPI, or all from conda-forge"
        yield finding("P107", "several OpenMP runtimes", Severity.warning, named, fix)


def _since_last_run(home: Path, installed: Mapping[str, str]) -> Iterator[Finding]:
    for record in list_records(home)[:1]:
        changes = package_changes(record.manifest.software.packages, installed)
        if changes:
            message = f"since run {record.run_id}: {tell_changes(changes, most=4)}"
            fix = "its results may not come out again here; `cascada verify` makes its environment anew"
            yield finding("P108", "packages changed since the last run", Severity.note, message, fix)
