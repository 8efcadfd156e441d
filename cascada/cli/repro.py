"""`cascada verify`, `score` and `diff`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascada.cli.context import enter
from cascada.cli.options import Json
from cascada.cli.render import stderr, stdout
from cascada.cli.render_runs import show_diff, show_score, show_verification
from cascada.cli.train import ensure_prefect
from cascada.errors import ConfigError

if TYPE_CHECKING:
    from cascada.jobs.verify import Request
    from cascada.repro.verification import Verification

RUN = typer.Argument(metavar="RUN", help="id of a run (or a beginning of it), MLflow run id, or MODEL@ALIAS")

# The options of `verify` and `reproduce`.
LevelOf = Annotated[str, typer.Option("--level", help="hashes: look, run nothing; replay: run again and compare")]
Relative = Annotated[
    float, typer.Option("--tolerance", min=0, help="relative deviation of a metric that is equivalent")
]
Absolute = Annotated[float, typer.Option("--absolute-tolerance", min=0, help="the same, absolute")]
Seeds = Annotated[int, typer.Option("--seeds", min=0, help="runs with other seeds that decide on a metric that is off")]
Ignored = Annotated[
    list[str] | None, typer.Option("--ignore", help="pattern of metrics or files to leave out, such as '*_seconds'")
]
DataAt = Annotated[Path | None, typer.Option("--data", help="where the input data are now", show_default=False)]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0.1, help="limit of a replay in s; ten times the recorded duration by default"),
]
OtherPackages = Annotated[bool, typer.Option("--allow-environment-change", help="replay here although packages differ")]
JUnit = Annotated[Path | None, typer.Option("--junit", help="write JUnit XML", show_default=False)]


def score(
    run: Annotated[str, RUN],
    as_json: Json = False,
    require: Annotated[
        int | None, typer.Option("--require", min=0, max=3, help="exit with 1 when any aspect is below this level")
    ] = None,
) -> None:
    """Score how well a run is documented: 0 missing, 1 declared, 2 captured with hash, 3 verified by re-run."""
    settings = enter()
    from cascada.jobs.locate import locate
    from cascada.repro.score import score_run

    with tempfile.TemporaryDirectory(prefix="cascada-score-") as scratch:
        found = locate(run, settings, Path(scratch))
        scored = score_run(found.record.manifest, found.verifications(settings))
    if as_json:
        stdout.print_json(scored.model_dump_json())
    else:
        show_score(scored)
    if require is not None and scored.lowest < require:
        low = ", ".join(one.aspect for one in scored.aspects if one.level < require)
        stderr.print(f"below level {require}: {low}")
        sys.exit(1)


def verify(
    run: Annotated[str, RUN],
    level: LevelOf = "replay",
    tolerance: Relative = 0.0,
    absolute: Absolute = 0.0,
    seeds: Seeds = 0,
    ignore: Ignored = None,
    data: DataAt = None,
    timeout: Timeout = None,
    allow_environment_change: OtherPackages = False,
    junit: JUnit = None,
    as_json: Json = False,
) -> None:
    """Run a recorded run again, from its commit, data, packages and seed, and compare what comes out.

    Exit code 0: identical, equivalent or consistent; 1: diverged; 2: unverifiable.
    """
    settings = enter()
    from cascada.jobs.locate import keep_verification, locate
    from cascada.jobs.verify import verify as verify_run

    request = ask(
        level, (tolerance, absolute), seeds=seeds, ignore=ignore, data=data, timeout_s=timeout,
        allow_environment_change=allow_environment_change,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="cascada-record-") as scratch:
        found = locate(run, settings, Path(scratch))
        if level == "replay" and found.record.manifest.kind == "experiment":
            ensure_prefect(settings)
        verification = verify_run(
            found.record, request, settings, registered_sha256=found.registered_sha256, report=report
        )
        keep_verification(found, verification, settings)
        if found.mlflow_id and found.record.manifest.kind == "experiment":
            from flows.deployment import renew_deployment

            renew_deployment(found.mlflow_id)
    tell(verification, junit=junit, as_json=as_json)
    sys.exit(verification.verdict.exit_code)


def ask(
    level: str, tolerance: tuple[float, float], *, seeds: int, ignore: list[str] | None, data: Path | None,
    timeout_s: float | None, allow_environment_change: bool,
) -> Request:  # fmt: skip
    """Turn options into a request.

    Parameters
    ----------
    tolerance
        Relative and absolute.

    Raises
    ------
    ConfigError
        If there is no such level, or too few seeds for a spread.
    """
    from cascada.jobs.verify import Request
    from cascada.repro.compare import MIN_SEEDS, Tolerance

    if level not in {"hashes", "replay"}:
        raise ConfigError("--level is hashes or replay", got=level)
    if 0 < seeds < MIN_SEEDS:
        raise ConfigError(f"--seeds needs at least {MIN_SEEDS} runs for a spread", got=str(seeds))
    relative, absolute = tolerance
    return Request(
        level="hashes" if level == "hashes" else "replay", tolerance=Tolerance(relative=relative, absolute=absolute),
        seeds=seeds, ignore=tuple(ignore or ()), data=data.resolve() if data else None, timeout_s=timeout_s,
        allow_environment_change=allow_environment_change,
    )  # fmt: skip


def report(what: str) -> None:
    """Tell what is being done."""
    stderr.print(what, markup=False)


def tell(verification: Verification, *, junit: Path | None, as_json: bool) -> None:
    """Print a verification, and write it for a CI server."""
    from cascada.repro.junit import write_junit

    if junit:
        write_junit(verification, junit)
    if as_json:
        stdout.print_json(verification.model_dump_json())
    else:
        show_verification(verification)


def diff(
    one: Annotated[str, RUN],
    other: Annotated[str, RUN],
    as_json: Json = False,
    html: Annotated[Path | None, typer.Option("--html", help="write a page", show_default=False)] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="find the first step at which two traced trainings part, and why")
    ] = False,
) -> None:
    """Tell what differs between two runs: code, parameters, data, environment, hardware and results."""
    settings = enter()
    from cascada.jobs.locate import locate
    from cascada.repro.causes import diff_traces
    from cascada.repro.diff import diff_runs
    from cascada.repro.diff_page import write_page

    with tempfile.TemporaryDirectory(prefix="cascada-diff-") as scratch:
        records = [locate(run, settings, Path(scratch) / side).record for run, side in ((one, "one"), (other, "other"))]
        manifests = records[0].manifest, records[1].manifest
        found = diff_runs(*manifests, repository=settings.root, kept=(records[0].code, records[1].code))
        if trace:
            traced = diff_traces(records[0].folder, records[1].folder, manifests)
            found = found.model_copy(update={"trace": traced})
    if html:
        write_page(found, html)
    if as_json:
        stdout.print_json(found.model_dump_json())
    else:
        show_diff(found)
