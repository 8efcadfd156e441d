"""The kernel of a recorded notebook: IPython's, seeded and watched.

``python -P -m cascada.jobs.kernel CONNECTION_FILE NOTEBOOK ARGUMENTS``
"""

from __future__ import annotations

import atexit
import logging
import sys

from cascada.jobs import active, autolog, seeding
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
    app = IPKernelApp.instance(log_level=logging.ERROR)
    app.initialize(["-f", connection])
    sys.path.insert(0, "")
    seeding.seed_everything(run.plan.seeds)  # after the kernel's own imports, so that they take no numbers
    atexit.register(lambda: run.close(imported=imported_packages(), threads=used_threads()))
    app.start()


if __name__ == "__main__":
    main()
