"""Ingest: from a source to a validated, versioned snapshot and its split."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel, ConfigDict

from cascada.config import Experiment, FileSource
from cascada.data.etl import difference_running_sums, sieve
from cascada.data.snapshots import SnapshotRef, ensure, read_showers, track, write_snapshot
from cascada.data.sources import read_source
from cascada.data.sources.files import find_files, hash_files
from cascada.data.sources.table import SourceTable
from cascada.data.splits import SplitRef, assign, write_split
from cascada.data.validation import ValidationReport, enforce, load_suite, validate
from cascada.settings import load_settings
from flows.policies import CACHED, RETRIED, by_content


class Ingested(BaseModel):
    """References to what ingest made."""

    model_config = ConfigDict(frozen=True)

    snapshot: SnapshotRef
    split: SplitRef


def data_folder(experiment: Experiment, data_dir: Path | None) -> Path | None:
    """Find the folder of the input files: given, or named in the experiment relative to the project."""
    if data_dir is not None or not isinstance(experiment.source, FileSource) or experiment.source.directory is None:
        return data_dir
    return load_settings().root / experiment.source.directory


def hash_inputs(experiment: Experiment, folder: Path | None) -> dict[str, str]:
    """Hash the input files, so that a changed file is never answered from the cache."""
    if not isinstance(experiment.source, FileSource) or folder is None:
        return {}
    return hash_files(find_files(experiment.source, folder))


@task(cache_key_fn=by_content("experiment", "inputs", "allow_invalid_data"), **CACHED, **RETRIED)
def take_snapshot(
    experiment: Experiment,
    folder: Path | None,
    inputs: dict[str, str],  # noqa: ARG001  # hashes of the files: part of the cache key
    allow_invalid_data: bool,
) -> SnapshotRef:
    """Read, repair, validate, sieve, validate again, write and version."""
    table = read_source(experiment.source, directory=folder, seed=experiment.seed, threads=experiment.training.threads)
    if experiment.repair == "difference_running_sums":
        table = SourceTable(difference_running_sums(table.frame.collect()).lazy(), table.files, table.origin)
    reports = [_judge(table, experiment.expectations.raw, allow_invalid_data)]
    sieved = sieve(table.frame.collect())
    kept = SourceTable(sieved.kept.lazy(), table.files, table.origin)
    reports.append(_judge(kept, experiment.expectations.training, allow_invalid_data))
    settings = load_settings()
    ref = write_snapshot(
        experiment.name,
        sieved,
        folder=settings.root / "data",
        origin=dict(table.origin) | {"repair": experiment.repair},
        valid=all(report.passed for report in reports),
    )
    return track(ref, settings.root)


def _judge(table: SourceTable, suite_name: str, allow_invalid_data: bool) -> ValidationReport:
    suite = load_suite(load_settings().root / "expectations", suite_name)
    report = validate(table.frame.collect(), suite, table.files)
    create_markdown_artifact(report.to_markdown(), key=f"validation-{suite_name.replace('_', '-')}")
    if allow_invalid_data:
        for failure in report.failures:
            get_run_logger().warning(
                "allowed although %s on %s: %s", failure.expectation, failure.subject, failure.measured
            )
    else:
        enforce(report)
    return report


@task(cache_key_fn=by_content("experiment", "snapshot"), **CACHED)
def make_split(experiment: Experiment, snapshot: SnapshotRef) -> SplitRef:
    """Assign whole groups to partitions and save the manifest."""
    settings = load_settings()
    manifest = assign(read_showers(snapshot, settings.root), experiment.split, experiment.seed)
    return write_split(manifest, settings.home / "splits")


@flow(name="ingest", flow_run_name="{experiment.name}")
def ingest(experiment: Experiment, data_dir: Path | None, allow_invalid_data: bool, refresh: bool) -> Ingested:
    """Make the snapshot and the split of an experiment."""
    folder = data_folder(experiment, data_dir)
    inputs = hash_inputs(experiment, folder)
    taken = take_snapshot.with_options(refresh_cache=refresh)(experiment, folder, inputs, allow_invalid_data)
    snapshot = ensure(taken, load_settings().root)
    split = make_split.with_options(refresh_cache=refresh)(experiment, snapshot)
    get_run_logger().info("%d showers kept, %d quarantined", snapshot.rows_kept, snapshot.rows_quarantined)
    return Ingested(snapshot=snapshot, split=split)
