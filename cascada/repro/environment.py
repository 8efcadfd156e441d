"""The state of code, software and hardware that a run happened in."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from cascada.errors import PlatformError
from cascada.repro.fingerprint import file_sha256, json_sha256
from cascada.repro.secrecy import hide

# Prefixes of variables that change results or speed: interpreter, threads, BLAS, GPU libraries, frameworks, language
# (the order of sorted text), clusters.
_RELEVANT = (
    *("PYTHON", "OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "VECLIB_", "KMP_", "BLIS_", "CUDA_", "CUBLAS_", "CUDNN_"),
    *("NVIDIA_", "NCCL_", "TF_", "TORCH_", "PYTORCH_", "XLA_", "KERAS_", "JAX_", "POLARS_", "LANG", "LC_", "TZ"),
    *("SLURM_JOB", "SLURM_CPUS", "SLURM_NTASKS"),
)

_PODMAN = Path("/run/.containerenv")


class Record(BaseModel):
    """A recorded fact: immutable and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CodeState(Record):
    """The commit of a work tree and what differs from it.

    Attributes
    ----------
    dirty
        Whether tracked files differ from the commit or untracked files exist (ignored ones do not count).
    changes
        Status lines of git, at most 50.
    changes_sha256
        Hash of the whole difference, untracked contents included; empty when clean.
    diff_sha256
        Hash of the kept difference of tracked files; empty when there is none or none was kept.
    untracked
        Kept untracked files, path from the root to SHA-256.
    omitted
        Untracked files that were not kept, path to the reason.
    """

    commit: str
    dirty: bool
    changes: tuple[str, ...]
    changes_sha256: str
    diff_sha256: str = ""
    untracked: dict[str, str] = {}
    omitted: dict[str, str] = {}


class Software(Record):
    """Python, operating system and every installed distribution.

    Attributes
    ----------
    imported
        The distributions that the run imported, name to version; empty when nobody looked.
    lock_sha256
        Hash of the listing ``name==version`` of all installed distributions; empty when none was kept.
    environment
        Environment variables that change what libraries compute.
    container
        The engine whose container the run was in: docker or podman; empty outside of one.
    image
        Digest or name of the container's image: what ``CASCADA_IMAGE`` says, else what podman left in the container.
        Docker tells nothing from inside.
    """

    python: str
    system: str
    packages: dict[str, str]
    imported: dict[str, str] = {}
    lock_sha256: str = ""
    environment: dict[str, str] = {}
    container: str = ""
    image: str = ""


class Hardware(Record):
    """The machine.

    Attributes
    ----------
    gpus
        Name and driver version of each.
    flags
        Instruction sets that the processor says it has.
    usable_cores
        Cores that this process may run on; 0 when the system does not say.
    threads
        Threads of the numerical libraries that the run used, by library.
    """

    machine: str
    processor: str
    cores: int
    memory_gib: float
    gpus: tuple[str, ...]
    flags: tuple[str, ...] = ()
    usable_cores: int = 0
    threads: dict[str, int] = {}


def run_git(root: Path, *arguments: str, given: bytes | None = None) -> bytes:
    """Run git in a folder and return what it prints.

    Parameters
    ----------
    given
        What it reads from standard input.

    Raises
    ------
    PlatformError
        If git refuses.
    """
    answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False, input=given)
    if answer.returncode != 0:
        raise PlatformError(
            f"git {arguments[0]} failed",
            where=str(root),
            got=answer.stderr.decode(errors="replace").strip(),
            hint="a run records its commit: make one with `git add -A && git commit -m start`",
        )
    return answer.stdout


def code_state(root: Path, *, aside: Collection[str] = ()) -> CodeState:
    """Read the commit and the uncommitted changes of a work tree.

    Parameters
    ----------
    aside
        Files and folders, paths from the root, whose untracked files are no part of the code: data and outputs.

    Raises
    ------
    PlatformError
        If the folder is in no git repository or the repository has no commit.
    """
    commit = run_git(root, "rev-parse", "HEAD").decode().strip()
    changed = run_git(root, "status", "--porcelain", "--untracked-files=no").decode().splitlines()
    untracked = untracked_files(root, aside=aside)
    status = [*changed, *(f"?? {readable(name)}" for name in untracked)]
    return CodeState(
        commit=commit, dirty=bool(status), changes=tuple(status[:50]),
        changes_sha256=_changes_sha256(root, untracked) if status else "",
    )  # fmt: skip


def diff_head(root: Path) -> bytes:
    """Make the difference between the work tree and its commit; nobody's git configuration changes how it reads."""
    plain = ("--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv")
    return run_git(root, "diff", "HEAD", *plain, "--src-prefix=a/", "--dst-prefix=b/")


def untracked_files(root: Path, *, aside: Collection[str] = ()) -> list[str]:
    """List the files that git neither tracks nor ignores, paths from the root; see `code_state`."""
    listed = os.fsdecode(run_git(root, "ls-files", "--others", "--exclude-standard", "-z")).split("\0")
    below = tuple(f"{name}/" for name in aside)
    code = (name for name in listed if name not in aside and not name.startswith(below))
    return sorted(name for name in code if name and (root / name).is_file())


def readable(name: str) -> str:
    """Spell the bytes of a file's name that are no text, so that the name can be written down."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _changes_sha256(root: Path, names: Iterable[str]) -> str:
    untracked = {readable(name): file_sha256(root / name) for name in names}
    return json_sha256([hashlib.sha256(diff_head(root)).hexdigest(), untracked])


def software() -> Software:
    """List Python, the system and every installed distribution with its version."""
    packages = dict(sorted(filter(None, map(_name_and_version, importlib.metadata.distributions()))))
    return Software(
        python=platform.python_version(),
        system=platform.platform(),
        packages=packages,
        environment=_relevant_environment(),
        container=_container(),
        image=os.environ.get("CASCADA_IMAGE", "") or _image(_PODMAN),
    )


def _name_and_version(distribution: importlib.metadata.Distribution) -> tuple[str, str] | None:
    """Read two header lines: parsing the whole metadata of 300 distributions takes half a second."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    header = dict(line.split(": ", 1) for line in text.split("\n\n", 1)[0].splitlines() if ": " in line)
    return (header["Name"], header["Version"]) if {"Name", "Version"} <= header.keys() else None


def _relevant_environment() -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if name.startswith(_RELEVANT)}
    return {name: hide(value) for name, value in sorted(found.items())}


def _container() -> str:
    """Name the engine by the file that it leaves in each container."""
    marks = {"docker": Path("/.dockerenv"), "podman": _PODMAN}
    return next((engine for engine, mark in marks.items() if mark.exists()), "")


def _image(mark: Path) -> str:
    """Read the image's id, or else its name, from podman's file of lines ``key="value"``."""
    lines = mark.read_text(encoding="utf-8").splitlines() if mark.exists() else []
    found = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    return found.get("imageid") or found.get("image", "")


def hardware() -> Hardware:
    """Describe the machine; GPUs by the names that their driver gives."""
    processor, flags = _processor()
    return Hardware(
        machine=platform.machine(),
        processor=processor,
        cores=os.cpu_count() or 0,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        gpus=_gpus(),
        flags=flags,
        usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
    )


def _processor() -> tuple[str, tuple[str, ...]]:
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return platform.processor(), ()
    pairs = (line.partition(":")[::2] for line in listing.read_text().split("\n\n")[0].splitlines())
    found = {name.strip(): value.strip() for name, value in pairs}
    flags = found.get("flags", found.get("Features", ""))  # the latter on ARM
    return found.get("model name", platform.processor()), tuple(sorted(flags.split()))


def _gpus() -> tuple[str, ...]:
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ()
    return tuple(answer.stdout.splitlines()) if answer.returncode == 0 else ()
