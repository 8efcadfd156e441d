"""What the stages of a flow read of a snapshot: unusual showers are tested on, neither learnt nor calibrated with."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from projects import REPOSITORY

from cascada.config import Dataset, Experiment, Split
from cascada.data.ingest import Intake, take_snapshot
from cascada.data.splits import assign, write_split
from cascada.data.versions import read_showers, scan_table
from flows.comparison import compare_baselines
from flows.ingest import Ingested, open_partitions

SOURCE = {
    "kind": "simulator", "showers": 600, "level": "detector", "primaries": ["p", "Fe"],
    "lg_energy_ev_min": 19.0, "lg_energy_ev_max": 19.6, "anomalies": {"deep_exotic": 0.2, "clock_shift": 0.2},
}  # fmt: skip


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    folder = tmp_path_factory.mktemp("partitions")
    expectations = {"raw": "raw_detector", "training": "training_detector"}
    dataset = Dataset.model_validate({"source": SOURCE, "expectations": expectations})
    suites = REPOSITORY / "expectations"
    taken = take_snapshot(
        Intake(
            dataset, name="events", seed=3, threads=1, directory=None, suites=suites, data=folder, allow_invalid=True
        )
    )
    split = write_split(assign(read_showers(taken, folder), Split(), seed=1), folder / "splits")
    return Ingested(snapshot=taken, split=split)


def test_unusual_showers_are_tested_on_alone(ingested: Ingested, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ingested.snapshot.path.parent
    monkeypatch.setenv("CASCADA_ROOT", str(root))
    showers, manifest = open_partitions(ingested)
    assert showers["shower_id"].to_list() == manifest["shower_id"].to_list()
    truth = scan_table(ingested.snapshot, "truth", root).select("shower_id", "anomaly").collect()
    kinds = showers.join(truth, on="shower_id", how="left", maintain_order="left")["anomaly"]
    tested = manifest["partition"] == "test"
    assert set(kinds.filter(~tested)) == {"none"}
    assert set(kinds.filter(tested)) == {"none", "deep_exotic", "clock_shift"}


def test_no_other_shower_is_lost(ingested: Ingested, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ingested.snapshot.path.parent
    monkeypatch.setenv("CASCADA_ROOT", str(root))
    truth = scan_table(ingested.snapshot, "truth", root).filter(pl.col("anomaly") == "none").collect()
    ordinary = set(truth["shower_id"]) & set(read_showers(ingested.snapshot, root)["shower_id"])
    assert ordinary <= set(open_partitions(ingested)[0]["shower_id"])


def test_rivals_are_told_of_unusual_showers_as_the_model_is(
    ingested: Ingested, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADA_ROOT", str(ingested.snapshot.path.parent))
    experiment = Experiment.model_validate({
        "name": "events", "seed": 1, "source": SOURCE, "features": ["lg_s38", "lg_peak_width"], "reference": ["p"],
        "model": {"kind": "deep"}, "baselines": {"supervised": ["logistic"], "anomaly": ["pca"]},
        "gate": {"min_accuracy": 0, "min_anomaly_auc": 0},
    })  # fmt: skip
    for evaluation in compare_baselines.fn(experiment, ingested).values():
        names = {metric.name for metric in evaluation.metrics}
        assert {"anomaly_clock_shift_auc", "anomaly_deep_exotic_auc"} <= names, sorted(names)


def test_without_a_truth_every_shower_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASCADA_ROOT", str(tmp_path))
    dataset = Dataset.model_validate({"source": {"kind": "simulator", "showers": 1500}})
    suites = REPOSITORY / "expectations"
    taken = take_snapshot(
        Intake(dataset, name="showers", seed=3, threads=1, directory=None, suites=suites, data=tmp_path)
    )
    split = write_split(assign(read_showers(taken, tmp_path), Split(), seed=1), tmp_path / "splits")
    showers, _ = open_partitions(Ingested(snapshot=taken, split=split))
    assert showers.height == taken.rows_kept
