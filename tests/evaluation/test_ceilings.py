"""Ceilings: which hold for which features, and what may lie above a linear discriminant."""

from __future__ import annotations

import pytest
from scipy.special import ndtr, ndtri

from cascada.evaluation.ceilings import CEILINGS, INPUTS, SATURATED, Inputs, auc_bound, known_inputs
from cascada.physics.observables import FEATURES, Feature


@pytest.mark.parametrize(
    ("features", "inputs"),
    [
        (("lg_energy", "sec_zenith", "muon_residual"), "muons"),
        (("lg_energy", "xmax_residual"), "xmax"),
        (("muon_residual", "xmax_residual"), "both"),
        (("muon_residual", "em_residual"), "both"),
        (("em_residual",), "both"),
        (("lg_energy", "sec_zenith"), None),
    ],
)
def test_the_columns_of_the_features_say_what_is_known(features: tuple[str, ...], inputs: Inputs | None) -> None:
    assert known_inputs(features) == inputs


def test_images_of_telescopes_have_no_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Feature(lambda shower: shower["image_length_mm"], ("image_length_mm",))
    monkeypatch.setitem(FEATURES, "test_image", image)
    assert known_inputs(("test_image",)) is None


def test_the_table_is_that_of_the_library() -> None:
    assert CEILINGS["p", "Fe"]["both"].auc == 0.999
    assert CEILINGS["p", "Fe"]["both"].merit_factor == 2.41
    assert CEILINGS["p", "He"]["muons"].auc == 0.694
    assert CEILINGS["N", "Fe"]["both_15_20_35"].auc == 0.717
    assert all(set(row) == set(INPUTS) for row in CEILINGS.values())


def test_knowing_more_never_lowers_a_ceiling_and_resolution_never_raises_it() -> None:
    for row in CEILINGS.values():
        for one in ("xmax", "muons"):
            assert row["both"].auc >= row[one].auc
        assert row["both"].auc >= row["both_10_10_20"].auc >= row["both_10_15_25"].auc >= row["both_15_20_35"].auc


def test_the_tolerance_is_a_share_of_the_distance() -> None:
    assert auc_bound(("p", "He"), "both", tolerance=0.0) == pytest.approx(0.79)
    for tolerance in (0.1, 0.35):
        expected = ndtr(ndtri(0.79) * (1 + tolerance))
        assert auc_bound(("p", "He"), "both", tolerance=tolerance) == pytest.approx(expected)


def test_where_a_few_showers_decide_there_is_no_bound() -> None:
    assert CEILINGS["p", "Fe"]["both"].auc >= SATURATED
    assert auc_bound(("p", "Fe"), "both", tolerance=0.1) == 1.0
    assert auc_bound(("p", "Fe"), "muons", tolerance=0.1) < 0.98
