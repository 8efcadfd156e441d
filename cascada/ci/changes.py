"""What of a push matters for training, by `git diff`: code, suites, packages, experiments, data."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment, SnapshotSource, load_experiment
from cascada.config.reading import read_yaml
from cascada.errors import ConfigError, PlatformError, nearest
from cascada.repro.environment import run_git

EXPERIMENTS = Path("flows") / "experiments"

CATALOG = "data/catalog.yaml"

_EVERYTHING = (
    r"cascada/(?!ci/|cli/).+",
    r"(models|expectations)/.+",
    r"flows/[^/]+\.py",
    r"requirements/dev\.txt",
    r"pyproject\.toml",
)
"""Paths that every experiment is trained by."""

_NOBODY = re.compile("0*")
"""What a forge calls the commit before the first push of a branch."""


class Changes(BaseModel):
    """What a push changed that training depends on.

    Attributes
    ----------
    base, head
        The commits between which git looked; `base` is empty when everything is new.
    matter
        Changed paths that some experiment depends on.
    experiments
        Files of the experiments that are touched.
    """

    model_config = ConfigDict(frozen=True)

    base: str
    head: str
    matter: tuple[str, ...]
    experiments: tuple[Path, ...]


def find_changes(root: Path, base: str, head: str = "HEAD", *, among: tuple[str, ...] = ("*",)) -> Changes:
    """Find the experiments that the commits since `base` touch.

    Parameters
    ----------
    base
        Commit before the push, or the target of a pull request; zeros when a branch is new: then all is new.
    among
        Patterns of experiment names; others are never touched.

    Raises
    ------
    PlatformError
        If git does not know a commit.
    ConfigError
        If an experiment that may be touched cannot be read, or no experiment matches `among`.
    """
    end = _commit(root, head)
    start = "" if _NOBODY.fullmatch(base) else _fork(root, _commit(root, base), end)
    files = [path for path in _experiments(root) if any(fnmatch(path.stem, pattern) for pattern in among)]
    if not files:
        names = [path.stem for path in _experiments(root)]
        raise ConfigError(f"no experiment is named {', '.join(among)}", hint=nearest(among[0], names))
    if not start:
        return Changes(base="", head=end, matter=tuple(str(path) for path in files), experiments=tuple(files))
    changed = run_git(root, "diff", "--name-only", "--no-renames", "-z", start, end).decode().split("\0")[:-1]
    causes = {path: [name for name in changed if _touches(root, name, path)] for path in files}
    return Changes(
        base=start, head=end, matter=tuple(sorted({name for names in causes.values() for name in names})),
        experiments=tuple(path for path, names in causes.items() if names),
    )  # fmt: skip


def _commit(root: Path, name: str) -> str:
    try:
        return run_git(root, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    except PlatformError as error:
        raise PlatformError(
            f"git knows no commit {name!r} here", where=str(root), hint="fetch the whole history (fetch-depth: 0)"
        ) from error


def _fork(root: Path, base: str, head: str) -> str:
    """Find where the branch of a pull request left its target; the base itself where histories share nothing."""
    try:
        return run_git(root, "merge-base", base, head).decode().strip()
    except PlatformError:
        return base


def _experiments(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in (root / EXPERIMENTS).glob("*.yaml"))


def _touches(root: Path, changed: str, path: Path) -> bool:
    if any(re.fullmatch(pattern, changed) for pattern in _EVERYTHING) or changed == path.as_posix():
        return True
    if not changed.startswith("data/"):
        return False
    if changed == CATALOG:
        return "dataset" in read_yaml(root / path, "experiment file")
    return changed in _pointers(load_experiment(root / path, catalog=root / CATALOG))


def _pointers(experiment: Experiment) -> set[str]:
    source = experiment.source
    read = {source.name} if isinstance(source, SnapshotSource) else set()
    return {f"data/{name}.dvc" for name in read | {experiment.name}}


def is_ancestor(root: Path) -> Callable[[str, str], bool]:
    """Make a test of whether one commit lies in the history of another, as far as this clone knows both."""

    def test(older: str, newer: str) -> bool:
        try:
            run_git(root, "merge-base", "--is-ancestor", older, newer)
        except PlatformError:
            return False
        return older != newer

    return test
