"""Checks of the project: what lies in its repository for others."""

from __future__ import annotations

import re

import yaml

from cascada.errors import CascadaError
from cascada.repro.checks.evidence import Evidence, Outcome, check, failed, passed, without
from cascada.repro.commit import LICENCE_FILE
from cascada.repro.diagnosis import Severity
from cascada.repro.environment import run_git, software
from cascada.repro.preflight import check_repository
from cascada.repro.requirements import choose_lock, read_needs

_README = re.compile(r"^readme(\.\w+)?$", re.IGNORECASE)
_TEST = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.(py|R|jl|ipynb)$")
_CI = re.compile(
    r"^(\.github/workflows/.*\.ya?ml|\.gitlab-ci\.yml|azure-pipelines\.yml|Jenkinsfile|\.circleci/config\.yml)$"
)
_ONE_COMMAND = re.compile(
    r"^(Makefile|(workflow/)?Snakefile|dvc\.yaml|justfile|main\.nf|(scripts/)?reproduce[\w-]*(\.\w+)?)$"
)
_BLOCK = re.compile(r"^(?:```|~~~)[^\n]*\n(.*?)^(?:```|~~~)", re.DOTALL | re.MULTILINE)
_PROGRAMS = "python3?|make|cascada|bash|sh|docker|podman|uv|snakemake|dvc|jupyter|papermill|just|nextflow|Rscript"
_COMMAND = re.compile(rf"^\s*[$>]?\s*((?:\S*/)?(?:{_PROGRAMS}) \S|\./\S)", re.MULTILINE)
_IDENTIFIER = re.compile(
    r"10\.5281/zenodo\.\d+|10\.17605/osf\.io/\w+|10\.6084/m9\.figshare\.\d+|swh:1:\w+:[0-9a-f]{40}"
)


@check
def git_commit(evidence: Evidence) -> Outcome:
    """Look for a commit."""
    try:
        commit = run_git(evidence.root, "rev-parse", "HEAD").decode().strip()
    except CascadaError as error:
        return failed(error.got.partition("\n")[0], "git init && git add -A && git commit -m start")
    return passed(f"commit {commit[:12]}")


@check
def tree_complete(evidence: Evidence) -> Outcome:
    """Look for uncommitted changes, submodules and pointers in the place of data."""
    section = check_repository(evidence.root)
    wrong = [one for one in section.findings if one.severity >= Severity.warning and one.rule != "P305"]
    return without(wrong, section.examined, wrong[0].fix if wrong else "")


@check
def licence(evidence: Evidence) -> Outcome:
    """Look for a licence file at the top."""
    found = [name for name in evidence.files if LICENCE_FILE.match(name) and evidence.text(name).strip()]
    return passed(found[0]) if found else failed("no LICENSE file", "choose one (choosealicense.com) and commit it")


@check
def citation(evidence: Evidence) -> Outcome:
    """Look for a CITATION.cff that names title, authors and message."""
    if "CITATION.cff" not in evidence.files:
        return failed("no CITATION.cff", "write one: citation-file-format.github.io")
    content = _citation(evidence)
    missing = [key for key in ("cff-version", "message", "title", "authors") if not content.get(key)]
    if missing:
        return failed(f"CITATION.cff lacks {', '.join(missing)}", "complete it: citation-file-format.github.io")
    return passed("CITATION.cff")


def _citation(evidence: Evidence) -> dict[str, object]:
    try:
        content = yaml.safe_load(evidence.text("CITATION.cff"))
    except (ValueError, yaml.YAMLError):  # a date that does not exist is a ValueError
        return {}
    return content if isinstance(content, dict) else {}


@check
def readme_command(evidence: Evidence) -> Outcome:
    """Look for a README with a command in a block of code."""
    found = [name for name in evidence.files if _README.match(name)]
    if not found:
        return failed("no README", "write one: what it is, how to install, the commands that make the results")
    commands = [line for block in _BLOCK.findall(evidence.text(found[0])) for line in _COMMAND.findall(block)]
    if not commands:
        return failed(f"{found[0]} has no command in a block of code", "write down the commands that make the results")
    return passed(f"{found[0]}, {len(commands)} commands")


@check
def one_command(evidence: Evidence) -> Outcome:
    """Look for a file that makes all results at once."""
    found = [name for name in evidence.files if _ONE_COMMAND.match(name)]
    return passed(found[0]) if found else failed("none", "write reproduce.sh, a Makefile, a Snakefile or dvc.yaml")


@check
def tests_present(evidence: Evidence) -> Outcome:
    """Look for files of tests."""
    found = [name for name in evidence.files if _TEST.search(name)]
    return passed(f"{len(found)} files") if found else failed("none", "write tests/test_*.py and run them with pytest")


@check
def ci_present(evidence: Evidence) -> Outcome:
    """Look for the file of a server that runs tests."""
    found = [name for name in evidence.files if _CI.match(name)]
    return passed(found[0]) if found else failed("none", "let a server run them: .github/workflows, .gitlab-ci.yml")


@check
def lock_file(evidence: Evidence) -> Outcome:
    """Look for a lock that git tracks."""
    try:
        locks = [one for one in read_needs(evidence.root) if one.is_lock and one.file in evidence.files]
    except CascadaError as error:
        return failed(f"{error.what}: {error.got}", "mend the file")
    if not locks:
        step = "uv pip compile --generate-hashes pyproject.toml -o requirements.txt"
        return failed("no file in git names exact versions", step)
    best = choose_lock(locks, software().packages) or locks[0]
    return passed(f"{best.file}, {len(best.requirements)} packages{', with hashes' * best.hashed}")


@check
def commit_pushed(evidence: Evidence) -> Outcome:
    """Look for a branch of a remote that has the commit."""
    try:
        branches = run_git(evidence.root, "branch", "--remotes", "--contains", "HEAD", "--format=%(refname:short)")
    except CascadaError:
        branches = b""
    named = branches.decode().split()
    return passed(named[0]) if named else failed("no branch of a remote has this commit", "git push")


@check
def archived(evidence: Evidence) -> Outcome:
    """Look for the identifier of an archive in CITATION.cff, codemeta.json or README."""
    places = [name for name in evidence.files if name in {"CITATION.cff", "codemeta.json"} or _README.match(name)]
    for name in places:
        if match := _IDENTIFIER.search(evidence.text(name)):
            return passed(f"{match[0]} in {name}")
    doi = _citation(evidence).get("doi") if "CITATION.cff" in places else None
    if doi:
        return passed(f"{doi} in CITATION.cff")
    step = "archive a release (zenodo.org, softwareheritage.org) and write its DOI or SWHID into CITATION.cff"
    return failed("no DOI of an archive, no SWHID", step)
