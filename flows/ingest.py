"""Ingest: from a source to a validated, versioned snapshot and its split."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel, ConfigDict

from cascada.config import Dataset, Experiment, FileSource, SimulatorSource, SnapshotSource, Split
from cascada.data.ingest import Intake, take_snapshot
from cascada.data.leaks import summarise_split
from cascada.data.snapshots import SnapshotRef, digest_table
from cascada.data.sources import read_source
from cascada.data.sources.files import find_files, hash_files
from cascada.data.splits import SplitRef, assign, read_split, write_split
from cascada.data.validation import ValidationReport, enforce, load_suite, validate_summary
from cascada.data.versions import ensure, read_showers, scan_table, track
from cascada.physics.anomalies import NONE
from cascada.physics.observables import required_columns
from cascada.settings import load_settings
from flows.policies import CACHED, RETRIED, by_content


class Ingested(BaseModel):
    """References to what ingest made."""

    model_config = ConfigDict(frozen=True)

    snapshot: SnapshotRef
    split: SplitRef


def data_folder(experiment: Experiment, data_dir: Path | None) -> Path | None:
    """Find the folder of the input: given, that of the snapshots, or named in the experiment."""
    source, root = experiment.source, load_settings().root
    if data_dir is not None:
        return data_dir
    if isinstance(source, SnapshotSource):
        return root / "data"
    return root / source.directory if isinstance(source, FileSource) and source.directory else None


def hash_inputs(experiment: Experiment, folder: Path | None) -> dict[str, str]:
    """Hash what will be read, so that a changed file is never answered from the cache."""
    source = experiment.source
    if folder is None or isinstance(source, SimulatorSource):
        return {}
    if isinstance(source, SnapshotSource):
        return {source.name: digest_table(read_source(source, directory=folder, seed=0, threads=1).frame).ordered}
    return hash_files(find_files(source, folder))


@task(cache_key_fn=by_content("dataset", "name", "seed", "inputs", "allow_invalid_data"), **CACHED, **RETRIED)
def snapshot_source(
    dataset: Dataset,
    name: str,
    seed: int,
    threads: int,
    folder: Path | None,
    inputs: dict[str, str],  # noqa: ARG001  # hashes of the files: part of the cache key
    allow_invalid_data: bool,
) -> SnapshotRef:
    """Take the snapshot of a source and version it."""
    settings = load_settings()
    intake = Intake(
        dataset, name=name, seed=seed, threads=threads, directory=folder,
        suites=settings.root / "expectations", data=settings.root / "data", allow_invalid=allow_invalid_data,
    )  # fmt: skip
    return track(take_snapshot(intake, on_report=_publish), settings.root)


def _publish(report: ValidationReport) -> None:
    create_markdown_artifact(report.to_markdown(), key=f"validation-{report.suite.replace('_', '-')}")
    for failure in report.failures:
        get_run_logger().warning("%s on %s: %s", failure.expectation, failure.subject, failure.measured)


@task(cache_key_fn=by_content("split", "seed", "features", "suite", "snapshot"), **CACHED)
def make_split(split: Split, seed: int, features: tuple[str, ...], suite: str, snapshot: SnapshotRef) -> SplitRef:
    """Assign whole groups to partitions, look for leaks, and save the manifest."""
    settings = load_settings()
    showers = read_showers(snapshot, settings.root)
    manifest = assign(showers, split, seed)
    leaks = summarise_split(showers, manifest, required_columns(features))
    rules = load_suite(settings.root / "expectations", suite)
    report = validate_summary(leaks, rules, {"": str(snapshot.path)})
    _publish(report)
    if snapshot.valid:
        enforce(report)
    return write_split(manifest, settings.home / "splits")


def open_truth(ingested: Ingested) -> pl.DataFrame | None:
    """Read what the simulation alone knows of the showers; None where the snapshot has no such table."""
    if "truth" not in ingested.snapshot.tables:
        return None
    return scan_table(ingested.snapshot, "truth", load_settings().root).collect()


def open_partitions(ingested: Ingested) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read showers and split, row by row the same; showers of an anomalous kind stand in the test partition alone.

    What is to be found must not be learnt as normal, nor calibrate what normal is.
    """
    showers, manifest = read_showers(ingested.snapshot, load_settings().root), read_split(ingested.split)
    truth = open_truth(ingested)
    if truth is None:
        return showers, manifest
    told = truth.select("shower_id", "anomaly")
    kinds = showers.select("shower_id").join(told, on="shower_id", how="left", maintain_order="left")["anomaly"]
    kept = (kinds.fill_null(NONE) == NONE) | (manifest["partition"] == "test")
    return showers.filter(kept), manifest.filter(kept)


@flow(name="ingest", flow_run_name="{experiment.name}")
def ingest(experiment: Experiment, data_dir: Path | None, allow_invalid_data: bool, refresh: bool) -> Ingested:
    """Make the snapshot and the split of an experiment."""
    folder = data_folder(experiment, data_dir)
    inputs = hash_inputs(experiment, folder)
    dataset = Dataset(source=experiment.source, repair=experiment.repair, expectations=experiment.expectations)
    taken = snapshot_source.with_options(refresh_cache=refresh)(
        dataset, experiment.name, experiment.seed, experiment.training.threads, folder, inputs, allow_invalid_data
    )
    snapshot = ensure(taken, load_settings().root)
    split = make_split.with_options(refresh_cache=refresh)(
        experiment.split, experiment.seed, experiment.features, experiment.expectations.partitions, snapshot
    )
    get_run_logger().info("%d showers kept, %d quarantined", snapshot.rows_kept, snapshot.rows_quarantined)
    return Ingested(snapshot=snapshot, split=split)
