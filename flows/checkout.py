"""The pull step of deployments: a worker trains the commit that was pushed, whatever its own checkout holds."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from cascada.errors import ArtifactError, PlatformError
from cascada.repro.code import clone_commit, require_commit
from cascada.repro.environment import run_git

_OURS = ("cascada", "flows", "models", "serving")


def take_commit() -> dict[str, str]:
    """Change to the worker's checkout, or to a clone of it at ``CASCADA_COMMIT``, and import from there.

    The clones lie in `.cascada/commits` and share the state folder of the checkout, `CASCADA_CHECKOUT` (`cascada env`
    sets it): databases, caches, artifacts, keys and DVC's cache are one for all commits.
    """
    if "CASCADA_CHECKOUT" not in os.environ:
        raise PlatformError(
            "this worker does not know its checkout", expected="the variable CASCADA_CHECKOUT",
            hint="start it by `cascada up` or `cascada agent start`, or after `eval \"$(cascada env)\"`",
        )  # fmt: skip
    root = Path(os.environ["CASCADA_CHECKOUT"])
    commit = os.environ.get("CASCADA_COMMIT", "")
    folder = _clone(root, commit) if commit else root
    os.chdir(folder)
    if (folder / "cascada").is_dir():
        _import_from(folder)
    return {"directory": str(folder)}


def _clone(root: Path, commit: str) -> Path:
    folder = root / ".cascada" / "commits" / commit
    if folder.is_dir():
        return folder
    _fetch(root, commit)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{commit[:8]}-", dir=folder.parent))
    clone_commit(root, commit, made)
    (made / ".cascada").symlink_to(root / ".cascada", target_is_directory=True)
    (root / ".dvc" / "cache").mkdir(parents=True, exist_ok=True)
    (made / ".dvc").mkdir(exist_ok=True)
    (made / ".dvc" / "cache").symlink_to(root / ".dvc" / "cache", target_is_directory=True)
    (made / ".git" / "info").mkdir(exist_ok=True)
    (made / ".git" / "info" / "exclude").write_text("/.cascada\n/.dvc/cache\n")  # `.cascada/` ignores no link
    try:
        made.rename(folder)
    except OSError:  # another run of the same commit was faster
        shutil.rmtree(made)
    return folder


def _fetch(root: Path, commit: str) -> None:
    try:
        require_commit(root, commit)
    except ArtifactError:
        try:
            run_git(root, "fetch", "--quiet", "origin", commit)
        except PlatformError as error:
            raise PlatformError(
                "the worker's checkout cannot get the commit that it shall train", where=str(root), got=error.got,
                expected=commit, hint="give it a remote named origin that has every pushed commit",
            ) from error  # fmt: skip


def _import_from(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
