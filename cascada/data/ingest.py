"""Taking a snapshot: from a source through validation and quarantine to a data set on disk, in bounded memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from cascada.config import Dataset
from cascada.data.datasheet import datasheet
from cascada.data.documents import croissant, describe_files
from cascada.data.etl import Sieved, difference_running_sums, physics_of, reasons_of, sieve
from cascada.data.repeats import repeated_rows
from cascada.data.report import render_validation
from cascada.data.snapshots import (
    QUARANTINE,
    SHOWERS,
    SnapshotRef,
    digest_table,
    further_table_sha256,
    publish,
    staging,
    write_card,
)
from cascada.data.sources import read_source
from cascada.data.sources.table import SourceTable
from cascada.data.validation import Suite, ValidationReport, enforce, load_suite, validate
from cascada.errors import SourceError
from cascada.physics.columns import SCHEMA_VERSION

Progress = Callable[[str, int, int | None], None]
"""Called with a stage in words, the rows done and, where known, all rows."""


def ignore_progress(stage: str, rows: int, total: int | None) -> None:
    """Show nothing."""


def ignore_report(report: ValidationReport) -> None:
    """Show nothing; what the suites found stands in the snapshot's page."""


@dataclass(frozen=True)
class Intake:
    """How a snapshot is taken.

    Attributes
    ----------
    dataset
        Source, repair, suites.
    name
        Name of the snapshot.
    seed, threads
        For sources that draw their showers.
    directory
        Folder of the input files, for sources that read files.
    suites
        Folder of the expectation suites.
    data
        Parent folder of the snapshots.
    allow_invalid
        Go on although a suite refused the data, and mark the snapshot.
    facts
        What else is known of the origin of the data, for the card of the snapshot.
    """

    dataset: Dataset
    name: str
    seed: int
    threads: int
    directory: Path | None
    suites: Path
    data: Path
    allow_invalid: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)


def take_snapshot(
    intake: Intake,
    *,
    on_report: Callable[[ValidationReport], None] = ignore_report,
    on_progress: Progress = ignore_progress,
) -> SnapshotRef:
    """Read, repair, validate, sieve, validate again and write; the snapshot appears whole or not at all.

    Parameters
    ----------
    on_report
        Called with the outcome of each suite, before it is enforced.

    Raises
    ------
    SourceError
        If the input is missing or unreadable, no row is left, or the disk is full.
    InvalidDataError
        If a suite refuses the data and that is not allowed.
    """
    expectations = intake.dataset.expectations
    raw_suite, training_suite = (load_suite(intake.suites, n) for n in (expectations.raw, expectations.training))
    with staging(intake.data, intake.name) as staged:
        table = _open(intake, staged, on_progress)
        judge = _Judge(intake.allow_invalid, table.files, training_suite, on_report, on_progress)
        repeated = repeated_rows(table.frame, physics_of(table.frame.collect_schema().names()))
        judge(table.frame, raw_suite, repeated=repeated.size)
        sieved = sieve(table.frame, training_suite.limits, repeated)
        rows = _write_sieved(sieved, staged, table, on_progress)
        kept = pl.scan_parquet(staged / SHOWERS)
        judge(kept, training_suite)
        for name, frame in table.tables.items():
            frame.sink_parquet(staged / f"{name}.parquet", compression="zstd")
        (staged / _RAW).unlink(missing_ok=True)
        ref = _describe(intake, table, staged, rows_in=rows, valid=judge.passed)
        _document(staged, ref, judge.reports)
        publish(staged, ref)
    return ref


def check_source(intake: Intake, *, on_progress: Progress = ignore_progress) -> ValidationReport:
    """Read and repair a source and judge it by its first suite; nothing is kept.

    Raises
    ------
    SourceError
        If the input is missing or unreadable.
    """
    expectations = intake.dataset.expectations
    raw_suite, training_suite = (load_suite(intake.suites, n) for n in (expectations.raw, expectations.training))
    reports: list[ValidationReport] = []
    with tempfile.TemporaryDirectory(prefix="cascada-check-") as scratch:
        table = _open(intake, Path(scratch), on_progress)
        _Judge(True, table.files, training_suite, reports.append, on_progress)(table.frame, raw_suite)
    return reports[0]


_RAW = ".raw.parquet"


def _open(intake: Intake, staged: Path, on_progress: Progress) -> SourceTable:
    """Open the source so that its rows can be read again and again: unless they already lie in Parquet, spool them."""
    dataset = intake.dataset
    table = read_source(dataset.source, directory=intake.directory, seed=intake.seed, threads=intake.threads)
    repaired = difference_running_sums(table.frame) if dataset.repair == "difference_running_sums" else table.frame
    origin = {**table.origin, "repair": dataset.repair, **intake.facts}
    if dataset.source.kind in ("parquet", "snapshot") and dataset.repair == "none":
        return SourceTable(table.frame, table.files, origin, table.tables)
    total = dataset.source.showers if dataset.source.kind == "simulator" else None
    _watched(repaired, "reading", total, on_progress).sink_parquet(staged / _RAW, compression="lz4")
    return SourceTable(pl.scan_parquet(staged / _RAW), table.files, origin, table.tables)


def _watched(frame: pl.LazyFrame, stage: str, total: int | None, on_progress: Progress) -> pl.LazyFrame:
    """Report progress while a table flows through."""
    rows = 0

    def count(chunk: pl.DataFrame) -> pl.DataFrame:
        nonlocal rows
        rows += chunk.height
        on_progress(stage, rows, total)
        return chunk

    if on_progress is ignore_progress:
        return frame
    return frame.map_batches(count, streamable=True, schema=frame.collect_schema(), validate_output_schema=False)


class _Judge:
    """Judges tables by suites, one after the other, and remembers what was found."""

    def __init__(
        self,
        allow_invalid: bool,
        files: Mapping[str, str],
        training: Suite,
        on_report: Callable[[ValidationReport], None],
        on_progress: Progress,
    ) -> None:
        self.reports: list[ValidationReport] = []
        self._allow_invalid, self._files, self._limits = allow_invalid, files, training.limits
        self._on_report, self._on_progress = on_report, on_progress

    @property
    def passed(self) -> bool:
        return all(report.passed for report in self.reports)

    def __call__(self, frame: pl.LazyFrame, suite: Suite, *, repeated: int | None = None) -> None:
        total = int(frame.select(pl.len()).collect().item())
        report = validate(
            frame,
            suite,
            self._files,
            limits=self._limits,
            repeated=repeated,
            on_progress=lambda rows: self._on_progress(f"validating by {suite.name}", rows, total),
        )
        self.reports.append(report)
        self._on_report(report)
        if not self._allow_invalid:
            enforce(report)


def _write_sieved(sieved: Sieved, staged: Path, table: SourceTable, on_progress: Progress) -> int:
    rows_in = int(table.frame.select(pl.len()).collect().item())
    kept = _watched(sieved.kept, "writing", rows_in, on_progress)
    pl.collect_all(
        [
            kept.sink_parquet(staged / SHOWERS, compression="zstd", lazy=True),
            sieved.quarantined.sink_parquet(staged / QUARANTINE, compression="zstd", lazy=True),
        ],
        engine="streaming",
    )
    rows = {name: _count(staged / name) for name in (SHOWERS, QUARANTINE)}
    if sum(rows.values()) != rows_in:
        raise SourceError("rows were lost", expected=str(rows_in), got=str(rows), where=str(staged))
    if not rows[SHOWERS]:
        reasons = reasons_of(pl.scan_parquet(staged / QUARANTINE))
        raise SourceError(
            "no row is left after the quality cuts", where=", ".join(table.files.values()), got=str(reasons)
        )
    return rows_in


def _count(file: Path) -> int:
    return int(pl.scan_parquet(file).select(pl.len()).collect().item())


def _describe(intake: Intake, table: SourceTable, staged: Path, *, rows_in: int, valid: bool) -> SnapshotRef:
    kept, expectations = pl.scan_parquet(staged / SHOWERS), intake.dataset.expectations
    columns = kept.collect_schema().names()
    digest = digest_table(kept)
    per_primary = {}
    if "primary" in columns:
        counts = kept.group_by("primary").len().sort("primary").collect(engine="streaming")
        per_primary = dict(counts.iter_rows())
    return SnapshotRef(
        name=intake.name, path=intake.data / intake.name, content_sha256=digest.ordered,
        unordered_sha256=digest.unordered, schema_version=SCHEMA_VERSION, columns=tuple(columns),
        tables=tuple(table.tables),
        table_sha256={n: further_table_sha256(pl.scan_parquet(staged / f"{n}.parquet")) for n in table.tables},
        rows_in=rows_in, rows_kept=digest.rows, rows_quarantined=rows_in - digest.rows,
        rows_per_primary=per_primary, reasons=reasons_of(pl.scan_parquet(staged / QUARANTINE)),
        origin=dict(table.origin), suites=(expectations.raw, expectations.training),
        valid=valid and table.origin.get("snapshot_valid") is not False,
    )  # fmt: skip


def _document(staged: Path, ref: SnapshotRef, reports: Sequence[ValidationReport]) -> None:
    """Write the card and what people and machines read about the snapshot."""
    write_card(staged, ref)
    (staged / "validation.html").write_text(render_validation(ref, reports), encoding="utf-8")
    files = describe_files(staged)
    traps = ref.origin.get("traps")
    sheet = datasheet(
        ref, files, repair=str(ref.origin["repair"]), suites=ref.suites, traps=traps if isinstance(traps, list) else ()
    )
    (staged / "DATASHEET.md").write_text(sheet, encoding="utf-8")
    (staged / "croissant.json").write_text(json.dumps(croissant(ref, files), indent=2) + "\n", encoding="utf-8")
