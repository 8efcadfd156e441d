"""The supervised process of a notebook: executes it in a seeded, watched kernel and keeps it as it came out.

``python -P -m cascada.jobs.notebook NOTEBOOK ARGUMENTS``, with the plan in the environment.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from cascada.jobs import active
from cascada.jobs.child import die_with_supervisor
from cascada.repro.secrecy import hide, own_secrets

_KERNEL = "cascada"


def main() -> None:
    """Execute the notebook whose path is the first argument; its arguments are ``sys.argv`` in there."""
    die_with_supervisor()
    run = active.current()
    if run is None:
        sys.exit("cascada.jobs.notebook is started by `cascada run`")
    error = execute_notebook(Path(sys.argv[1]), sys.argv[2:], run.folder / "outputs" / Path(sys.argv[1]).name)
    run.close(error=error)
    sys.exit(1 if error else 0)


def execute_notebook(notebook: Path, arguments: list[str], kept: Path) -> str:
    """Execute a notebook in its own folder and write it with its outputs, also when a cell fails.

    Returns
    -------
    str
        What the failing cell raised; empty when all went well.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    content = nbformat.read(notebook, as_version=4)
    place = {"metadata": {"path": str(notebook.resolve().parent)}}
    with tempfile.TemporaryDirectory() as folder:
        _write_kernel(Path(folder), [str(notebook), *arguments])
        client = NotebookClient(
            content, timeout=None, kernel_name=_KERNEL, resources=place, record_timing=False, on_cell_executed=_show
        )
        error = ""
        try:
            client.execute()
        except CellExecutionError as failure:
            sys.stderr.write(f"{failure}\n")
            error = f"{failure.ename}: {failure.evalue}"
        except DeadKernelError as failure:
            error = str(failure)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(hide(nbformat.writes(content), own_secrets()), encoding="utf-8")
    return error


def _write_kernel(folder: Path, argv: list[str]) -> None:
    """Describe our kernel where Jupyter looks for kernels."""
    place = folder / "kernels" / _KERNEL
    place.mkdir(parents=True)
    command = [sys.executable, "-P", "-m", "cascada.jobs.kernel", "{connection_file}", *argv]
    spec = {"argv": command, "display_name": "cascada", "language": "python"}
    (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(folder), *filter(None, [os.environ.get("JUPYTER_PATH")])])


def _show(*, cell: Any, **_: Any) -> None:
    """Print what a cell printed."""
    for output in cell.get("outputs", ()):
        if output["output_type"] == "stream":
            (sys.stdout if output["name"] == "stdout" else sys.stderr).write(output["text"])


if __name__ == "__main__":
    main()
