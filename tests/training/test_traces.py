"""The stations of a snapshot's showers, as simulated, for a model of traces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cascada.config import Dataset, DeepAutoencoder, Experiment, TraceAutoencoder
from cascada.data.ingest import Intake, take_snapshot
from cascada.data.snapshots import SnapshotRef
from cascada.data.splits import assign
from cascada.data.versions import read_showers
from cascada.errors import ArtifactError, ConfigError, InvalidDataError
from cascada.physics.footprint import StationShape
from cascada.training import traces
from cascada.training.dataset import check_names, take_partition
from cascada.training.scaling import fit_scaling
from cascada.training.traces import StationTable, open_stations, shape_of, take_stations

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = {
    "kind": "simulator", "level": "detector", "showers": 300, "primaries": ["p", "Fe"], "lg_energy_ev_min": 19.0,
    "detector": {"trace_bins": 60},
}  # fmt: skip
SHAPE = StationShape(stations=4, bins=40)


def experiment(source: dict[str, Any], **model: Any) -> Experiment:
    return Experiment.model_validate({
        "name": "traces", "seed": 1, "source": source, "features": ["lg_energy_reco"], "reference": ["p"],
        "model": {"kind": "trace", "bins": 40} | model, "gate": {"min_accuracy": 0, "min_anomaly_auc": 0},
    })  # fmt: skip


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> SnapshotRef:
    """A snapshot of some 300 events with stations."""
    expectations = {"raw": "raw_detector", "training": "training_detector"}
    dataset = Dataset.model_validate({"source": SOURCE, "expectations": expectations})
    folder = tmp_path_factory.mktemp("traces")
    return take_snapshot(
        Intake(
            dataset, name="events", seed=3, threads=1, directory=None, suites=REPOSITORY / "expectations", data=folder
        )
    )


@pytest.fixture
def table(snapshot: SnapshotRef, tmp_path: Path) -> StationTable:
    opened = open_stations(snapshot, SHAPE, tmp_path)
    assert opened is not None
    return opened


def showers(snapshot: SnapshotRef, root: Path) -> pl.DataFrame:
    return read_showers(snapshot, root)


def test_each_event_brings_its_hottest_stations(snapshot: SnapshotRef, table: StationTable, tmp_path: Path) -> None:
    frame = showers(snapshot, tmp_path)
    array = take_stations(table, frame)
    stations = table.frame.collect()
    for i in (0, 7, frame.height - 1):
        own = stations.filter(shower_id=frame["shower_id"][i]).sort("signal_vem", descending=True).head(4)
        assert array[i, : own.height, 0] == pytest.approx(own["distance_m"].to_numpy(), rel=1e-6)
        assert array[i, : own.height, 1] == pytest.approx(own["plane_azimuth_deg"].to_numpy(), rel=1e-6)
        assert array[i, : own.height, 3:].tolist() == [trace[:40] for trace in own["trace_vem"].to_list()]
        assert not array[i, own.height :].any()


def test_delays_are_as_sharp_as_the_front_is_thin(snapshot: SnapshotRef, table: StationTable, tmp_path: Path) -> None:
    """Start times span microseconds; behind the plane front they agree to some 100 ns."""
    array = take_stations(table, showers(snapshot, tmp_path))
    assert table.frame.select(pl.col("time_ns").std()).collect().item() > 1000.0
    near = (array[:, :, 0] > 0) & (array[:, :, 0] < 1300.0)
    assert 20.0 < array[:, :, 2][near].std() < 200.0


def test_any_order_and_any_part_of_the_showers(
    snapshot: SnapshotRef, table: StationTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = showers(snapshot, tmp_path)
    whole = take_stations(table, frame)
    rows = np.random.default_rng(1).permutation(frame.height)[:100]
    monkeypatch.setattr(traces, "CHUNK_SHOWERS", 33)
    assert np.array_equal(take_stations(table, frame[rows]), whole[rows])
    assert take_stations(table, frame.head(0)).shape == (0, 4, 43)


def test_a_partition_brings_features_and_stations_of_the_same_showers(
    snapshot: SnapshotRef, table: StationTable, tmp_path: Path
) -> None:
    frame = showers(snapshot, tmp_path)
    manifest = assign(frame, experiment(SOURCE).split, 1)
    features = ("lg_energy_reco", "sec_zenith_reco")
    sample = take_partition(frame, manifest, "test", features=features, classes=("p", "Fe"), stations=table)
    test = frame.filter(manifest["partition"] == "test")
    assert np.array_equal(sample.inputs[1], take_stations(table, test))
    taken = sample.take(sample.labels == 1)
    assert all(np.array_equal(a, b[sample.labels == 1]) for a, b in zip(taken.inputs, sample.inputs, strict=True))
    standardised = sample.standardised(fit_scaling(sample.features, features))
    assert standardised[0].mean(axis=0) == pytest.approx([0.0, 0.0], abs=1e-4)
    assert standardised[1] is sample.stations


def test_only_models_of_traces_see_stations(snapshot: SnapshotRef, tmp_path: Path) -> None:
    assert shape_of(DeepAutoencoder(kind="deep")) is None
    assert open_stations(snapshot, None, tmp_path) is None
    assert shape_of(TraceAutoencoder(kind="trace", stations=5, bins=30)) == StationShape(stations=5, bins=30)


def test_a_snapshot_without_stations_is_refused_with_what_to_do(snapshot: SnapshotRef, tmp_path: Path) -> None:
    bare = snapshot.model_copy(update={"tables": ("truth",)})
    with pytest.raises(ConfigError, match="needs the table 'stations'") as caught:
        open_stations(bare, SHAPE, tmp_path)
    assert "level: detector" in caught.value.hint
    assert caught.value.got == "truth"


def test_an_altered_table_is_noticed(snapshot: SnapshotRef, table: StationTable, tmp_path: Path) -> None:
    altered = snapshot.model_copy(update={"table_sha256": snapshot.table_sha256 | {"stations": "0" * 64}})
    with pytest.raises(ArtifactError, match="table 'stations' of a snapshot was altered"):
        open_stations(altered, SHAPE, tmp_path)
    gone = snapshot.model_copy(update={"tables": ("other",)})
    with pytest.raises(ArtifactError):
        traces.scan_table(gone, "other", tmp_path)


def test_showers_without_stations_are_counted(snapshot: SnapshotRef, table: StationTable, tmp_path: Path) -> None:
    frame = showers(snapshot, tmp_path).with_columns(pl.col("shower_id") + 250)
    with pytest.raises(InvalidDataError, match="stations of some showers cannot be used") as caught:
        take_stations(table, frame)
    known = set(showers(snapshot, tmp_path)["shower_id"])
    assert caught.value.got.startswith(f"{sum(i not in known for i in frame['shower_id'])} showers without a station")


@pytest.mark.parametrize("column", ["time_ns", "plane_azimuth_deg"])
def test_missing_values_are_counted(snapshot: SnapshotRef, table: StationTable, tmp_path: Path, column: str) -> None:
    hole = pl.when(pl.col("shower_id") == 5, station_id=0).then(None).otherwise(pl.col(column)).alias(column)
    with pytest.raises(InvalidDataError) as caught:
        take_stations(StationTable(table.frame.with_columns(hole), SHAPE), showers(snapshot, tmp_path))
    assert "1 with a value that is missing" in caught.value.got


def test_traces_that_are_too_short_are_refused(snapshot: SnapshotRef, table: StationTable, tmp_path: Path) -> None:
    longer = StationTable(table.frame, StationShape(stations=4, bins=61))
    with pytest.raises(ConfigError, match="shorter than the model sees") as caught:
        take_stations(longer, showers(snapshot, tmp_path))
    assert (caught.value.expected, caught.value.got) == ("at least 61 bins", "60 bins")
    assert "model.bins to 60" in caught.value.hint


def test_a_table_without_the_columns_of_an_event_is_refused(snapshot: SnapshotRef, table: StationTable) -> None:
    frame = pl.DataFrame({"shower_id": [1]})
    with pytest.raises(ConfigError, match="columns zenith_reco_deg, signal_vem"):
        take_stations(StationTable(table.frame.drop("signal_vem"), SHAPE), frame)


def test_an_experiment_is_checked_before_anything_is_simulated() -> None:
    check_names(experiment(SOURCE))
    with pytest.raises(ConfigError, match="needs stations") as caught:
        check_names(experiment({"kind": "simulator", "showers": 300, "primaries": ["p", "Fe"]}))
    assert (caught.value.where, caught.value.expected) == ("source.level", "detector")
    with pytest.raises(ConfigError, match="shorter than the model sees") as caught:
        check_names(experiment(SOURCE, bins=61))
    assert caught.value.where == "source.detector.trace_bins"


def test_a_snapshot_of_a_snapshot_keeps_its_stations(snapshot: SnapshotRef, tmp_path: Path) -> None:
    dataset = Dataset.model_validate({
        "source": {"kind": "snapshot", "name": "events"},
        "expectations": {"raw": "raw_detector", "training": "training_detector"},
    })  # fmt: skip
    again = take_snapshot(
        Intake(
            dataset, name="again", seed=0, threads=1, directory=snapshot.path.parent,
            suites=REPOSITORY / "expectations", data=tmp_path,
        )
    )  # fmt: skip
    assert again.table_sha256 == snapshot.table_sha256
    assert again.content_sha256 == snapshot.content_sha256
