"""The supervised process: seeds, hooks, then the script as if Python had been called on it.

``python -P -m cascada.jobs.child SCRIPT ARGUMENTS``, with the plan in the environment.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import runpy
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from cascada.errors import CascadaError
from cascada.jobs import active, autolog, seeding, tracing

_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Run the script whose path is the first argument."""
    die_with_supervisor()
    run = active.current()
    if run is None:
        sys.exit("cascada.jobs.child is started by `cascada run`")
    seeding.seed_everything(run.plan.seeds)
    autolog.install()
    tracing.trace_run(run)
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(script).resolve().parent))
    code, error = _run(script)
    run.close(error=error, imported=imported_packages(), threads=used_threads())
    sys.exit(code)


def _run(script: str) -> tuple[int, str]:
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ending:
        return _exit_code(ending)
    except CascadaError as error:  # says itself where it is
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code, str(error)
    except BaseException as error:  # noqa: BLE001 - the boundary of the user's code: reported as Python would
        sys.excepthook(type(error), error.with_traceback(_inside(error.__traceback__, script)), error.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1, f"{type(error).__name__}: {error}"[:2000]
    return 0, ""


def _exit_code(ending: SystemExit) -> tuple[int, str]:
    if ending.code is None or isinstance(ending.code, int):
        code = int(ending.code or 0)
        return code, f"exit code {code}" if code else ""
    sys.stderr.write(f"{ending.code}\n")
    return 1, str(ending.code)[:2000]


def _inside(traceback: TracebackType | None, script: str) -> TracebackType | None:
    """Skip the frames above the script's; all of them stay when the script was never entered."""
    step = traceback
    while step is not None and step.tb_frame.f_code.co_filename != script:
        step = step.tb_next
    return step


def die_with_supervisor() -> None:
    """Have the kernel end this process when its supervisor is gone: nobody would finish the record."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1 and os.getpid() != 1:
            sys.exit("the supervisor is gone")


def imported_packages() -> dict[str, str]:
    """List the distributions whose modules are imported, name to version.

    Of a namespace that several distributions share, all are listed. (`importlib.metadata.packages_distributions`
    takes half a second on 300 distributions.)
    """
    modules = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"__main__"}
    found = {}
    for distribution in importlib.metadata.distributions():
        files = "\n" + (distribution.read_text("RECORD") or distribution.read_text("SOURCES.txt") or "")
        if any(f"\n{module}/" in files or f"\n{module}.py," in files for module in modules):
            found[distribution.name] = distribution.version
    return dict(sorted(found.items()))


def used_threads() -> dict[str, int]:
    """List the threads of the numerical libraries in use."""
    threads: dict[str, int] = {}
    if "torch" in sys.modules:
        threads["torch"] = int(sys.modules["torch"].get_num_threads())
    if "threadpoolctl" in sys.modules:
        pools: list[dict[str, Any]] = sys.modules["threadpoolctl"].threadpool_info()
        threads |= {str(pool["internal_api"]): int(pool["num_threads"]) for pool in pools}
    return threads


if __name__ == "__main__":
    main()
