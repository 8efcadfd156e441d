"""The kernel of a recorded notebook: IPython's, seeded and watched.

``python -P -m cascada.jobs.kernel CONNECTION_FILE NOTEBOOK ARGUMENTS``
"""

from __future__ import annotations

import atexit
import logging
import random
import sys
from collections.abc import Mapping
from typing import Any

from cascada.jobs import active, autolog, seeding, tracing
from cascada.jobs.child import die_with_supervisor, imported_packages, used_threads


def main() -> None:
    """Serve the connection file that is the first argument until Jupyter shuts the kernel down."""
    die_with_supervisor()
    run = active.current()
    if run is None:
        sys.exit("cascada.jobs.kernel is started by cascada.jobs.notebook")
    from ipykernel.kernelapp import IPKernelApp

    connection, *sys.argv = sys.argv[1:]
    autolog.install()
    tracing.trace_run(run)
    app = IPKernelApp.instance(log_level=logging.ERROR)
    app.initialize(["-f", connection])
    sys.path.insert(0, "")
    _keep_random_numbers_for_cells(app.shell.events, run.plan.seeds)
    atexit.register(lambda: run.close(imported=imported_packages(), threads=used_threads()))
    app.start()


def _keep_random_numbers_for_cells(events: Any, seeds: Mapping[str, int]) -> None:
    """Seed before the first cell, and take back what the kernel itself drew from `random` between two cells."""
    state: Any = None

    def before(*_: Any) -> None:
        if state is None:
            seeding.seed_everything(seeds)
        else:
            random.setstate(state)

    def after(*_: Any) -> None:
        nonlocal state
        state = random.getstate()

    events.register("pre_run_cell", before)
    events.register("post_run_cell", after)


if __name__ == "__main__":
    main()
