"""The truth of a partition, from the rows of a snapshot and its table of truths."""

from __future__ import annotations

import numpy as np
import polars as pl

from cascada.evaluation.truth import take_truth

ROWS = pl.DataFrame({
    "shower_id": [7, 3, 5], "group_id": [1, 1, 2], "primary": ["Fe", "photon", "Fe"],
    "energy_reco_eev": [3.0, 4.0, 5.0],
})  # fmt: skip
TOLD = pl.DataFrame({
    "shower_id": [3, 4, 5, 7], "energy_true_eev": [4.5, 9.0, 5.5, 3.5], "zenith_true_deg": [10.0, 9.0, 20.0, 30.0],
    "anomaly": ["none", "lightning", "muon_rich", "none"],
})  # fmt: skip


def test_rows_alone() -> None:
    truth = take_truth(ROWS, ("photon", "Fe"))
    assert truth.labels.tolist() == [1, 0, 1]
    assert truth.groups.tolist() == [1, 1, 2]
    assert truth.energy_eev is not None
    assert truth.energy_eev.tolist() == [3.0, 4.0, 5.0]
    assert truth.zenith_deg is None
    assert truth.kinds is None
    assert truth.ordinary().all()


def test_the_table_of_truths_is_joined_by_shower_in_the_order_of_the_rows() -> None:
    truth = take_truth(ROWS, ("photon", "Fe"), TOLD)
    assert truth.energy_eev is not None
    assert truth.energy_eev.tolist() == [3.5, 4.5, 5.5], "the true energy stands above the reconstructed one"
    assert truth.zenith_deg is not None
    assert truth.zenith_deg.tolist() == [30.0, 10.0, 20.0]
    assert truth.kinds is not None
    assert truth.kinds.tolist() == ["none", "none", "muon_rich"]
    assert truth.ordinary().tolist() == [True, True, False]
    assert np.array_equal(truth.labels, [1, 0, 1])
