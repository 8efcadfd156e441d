"""`cascada run`: a script or notebook as it is, recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.render import stderr
from cascada.jobs.tracing import DEFAULT_EVERY


def run(
    script: Annotated[Path, typer.Argument(help="script (.py) or notebook (.ipynb)", show_default=False)],
    arguments: Annotated[list[str] | None, typer.Argument(help="its arguments, after --", metavar="-- ARGS")] = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="file or folder that it reads; hashed in full")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="root of all random streams")] = 2020,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="a parameter of its @job: dotted.key=value")
    ] = None,
    params: Annotated[Path | None, typer.Option("--params", help="YAML file of its @job's parameters")] = None,
    name: Annotated[str, typer.Option(help="groups runs; the script's name when omitted")] = "",
    outputs: Annotated[
        list[Path] | None, typer.Option("--out", help="file or folder that it writes; what is new is kept")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="seconds after which it is stopped, with all that it started")
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="trace a training of PyTorch step by step, for `cascada diff --trace`")
    ] = False,
    trace_every: Annotated[
        int | None,
        typer.Option(min=1, help=f"trace, with every so manieth step hashed by parameter; {DEFAULT_EVERY} by --trace"),
    ] = None,
) -> None:
    """Run a script or notebook as it is and record what makes it reproducible; its exit code is this command's."""
    settings = enter()
    from cascada.config.reading import read_yaml
    from cascada.jobs.announce import announce_end
    from cascada.jobs.execute import execute
    from cascada.jobs.mirror import start_mirror
    from cascada.repro.record import new_record

    record = execute(
        script, arguments or [], cwd=Path.cwd(), record_folder=new_record(settings.home).folder, seed=seed,
        data=data or [], outputs=outputs or [], name=name, timeout_s=timeout, overrides=overrides or [],
        parameters=read_yaml(params, "parameter file") if params else {},
        trace_every=trace_every or (DEFAULT_EVERY if trace else 0), terminal=True,
    )  # fmt: skip
    start_mirror(settings.home)
    announce_end(record, settings)
    manifest = record.manifest
    reason = f": {manifest.error}" if manifest.error else ""
    stderr.print(f"run {record.run_id} {manifest.status}{reason}", markup=False, soft_wrap=True)
    if (trace or trace_every) and not manifest.assessment["trace"]["steps"]:
        stderr.print("no trace: no optimizer of PyTorch took a step in the script's process", markup=False)
    sys.exit(manifest.exit_code)
