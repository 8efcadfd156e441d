"""From a snapshot and its split to the arrays of one partition."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from cascada.data.splits import Partition
from cascada.errors import ConfigError, InvalidDataError
from cascada.training.dataset import observables, take_partition

FEATURES = ("lg_energy", "sec_zenith")
FRAME = pl.DataFrame(
    {
        "shower_id": [0, 1, 2, 3, 4],
        "group_id": [10, 10, 11, 12, 12],
        "primary": ["p", "Fe", "photon", "Fe", "p"],
        "energy_eev": pl.Series([1.0, 10.0, 100.0, 10.0, 1.0], dtype=pl.Float32),
        "zenith_deg": pl.Series([0.0, 60.0, 0.0, 0.0, 60.0], dtype=pl.Float32),
    }
)
MANIFEST = FRAME.select("shower_id", "group_id", "primary").with_columns(
    partition=pl.Series(["train", "train", "test", "validation", "validation"])
)
CLASSES = ("photon", "p", "Fe")


@pytest.mark.parametrize(
    ("partition", "features", "labels", "groups"),
    [
        ("train", [[-1, 0], [0, 1]], [1, 2], [10, 10]),
        ("test", [[1, 0]], [0], [11]),
        ("validation", [[0, 0], [-1, 1]], [2, 1], [12, 12]),
    ],
)
def test_a_partition_brings_its_rows_in_order(
    partition: Partition, features: list[list[float]], labels: list[int], groups: list[int]
) -> None:
    sample = take_partition(FRAME, MANIFEST, partition, features=FEATURES, classes=CLASSES)
    assert sample.features == pytest.approx(np.array(features), abs=1e-6)
    assert (sample.labels.tolist(), sample.groups.tolist()) == (labels, groups)
    assert [a.dtype.name for a in (sample.features, sample.labels, sample.groups)] == ["float32", "int64", "int64"]


def test_labels_follow_the_order_of_the_classes() -> None:
    sample = take_partition(FRAME, MANIFEST, "train", features=FEATURES, classes=CLASSES[::-1])
    assert sample.labels.tolist() == [1, 0]


def test_partitions_share_no_row_and_leave_none_out() -> None:
    rows = [
        take_partition(FRAME, MANIFEST, name, features=FEATURES, classes=CLASSES).labels.size
        for name in ("train", "validation", "calibration", "test")
    ]
    assert rows == [2, 2, 0, 1]


def test_observables_are_those_that_the_features_need() -> None:
    taken = observables(FRAME, ("lg_energy",))
    assert list(taken) == ["energy_eev"]
    assert taken["energy_eev"].dtype == np.float64
    assert taken["energy_eev"].tolist() == [1.0, 10.0, 100.0, 10.0, 1.0]


def test_values_that_are_missing_become_nan() -> None:
    frame = pl.DataFrame({"energy_eev": [1.0, None]})
    assert np.isnan(observables(frame, ("lg_energy",))["energy_eev"]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("features", "lacking"),
    [(("muon_residual",), "the column n_mu,"), (("em_residual", "xmax_residual"), "the columns n_em, xmax_g_cm2,")],
)
def test_a_column_that_the_snapshot_lacks(features: tuple[str, ...], lacking: str) -> None:
    with pytest.raises(ConfigError, match=lacking) as caught:
        observables(FRAME, features)
    assert "zenith_deg" in caught.value.got
    assert "source" in caught.value.hint


@pytest.mark.parametrize("value", [None, float("nan"), 0.0])
def test_a_feature_that_is_not_finite_is_named(value: float | None) -> None:
    frame = FRAME.with_columns(energy_eev=pl.Series([1.0, value, 1.0, 1.0, 1.0], dtype=pl.Float32))
    with pytest.raises(InvalidDataError, match="of the train partition are not finite") as caught:
        take_partition(frame, MANIFEST, "train", features=FEATURES, classes=CLASSES)
    assert caught.value.got == "lg_energy: 1 are not"
    assert take_partition(frame, MANIFEST, "test", features=FEATURES, classes=CLASSES).labels.size == 1
