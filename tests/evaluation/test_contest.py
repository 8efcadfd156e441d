"""A challenger against the champion: what is gained, where it is lost, and what seeds alone would do."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from cascada.evaluation.contest import Contest, hold_contest, protected_slices, seed_noise
from cascada.evaluation.metrics import Metric
from cascada.evaluation.predictions import Predictions
from cascada.evaluation.separation import roc_auc
from cascada.evaluation.truth import Truth

CLASSES = ("photon", "p", "Fe")
N = 3000


def truth(order: NDArray[np.int64] | None = None) -> Truth:
    """Showers of three primaries in three bins of energy and one of zenith angle, two rows a group."""
    rows = np.arange(N) if order is None else order
    labels = rows % 3
    return Truth(labels, rows // 2, energy_eev=10.0 ** (0.25 + 0.5 * (rows % 7 % 3)), zenith_deg=10.0 + 0.0 * rows)


def answer(told: Truth, wrong: NDArray[np.bool_]) -> Predictions:
    """Right but for some showers."""
    said = np.where(wrong, (told.labels + 1) % 3, told.labels)
    return Predictions(np.eye(3)[said], np.zeros(said.size), np.ones(said.size))


def scores(separation: float, seed: int) -> NDArray[np.float64]:
    """Anomaly scores of which those of photons are larger."""
    return np.random.default_rng(seed).normal(separation * (truth().labels == 0))


def found(
    challenger: NDArray[np.float64], champion: NDArray[np.float64], reference: tuple[str, ...] = CLASSES[1:]
) -> Metric | None:
    """Compare two anomaly scores of the same showers."""
    told = truth()
    own, other = (Predictions(np.eye(3)[told.labels], score, np.ones(N)) for score in (challenger, champion))
    contest = hold_contest(own, other, told, CLASSES, reference=reference, rival=1, rng=np.random.default_rng(5))
    return contest.anomalies


def contest(
    challenger: NDArray[np.bool_], champion: NDArray[np.bool_], order: NDArray[np.int64] | None = None
) -> Contest:
    told = truth(order)
    chosen = slice(None) if order is None else order
    return hold_contest(
        answer(told, challenger[chosen]), answer(told, champion[chosen]), told, CLASSES, reference=CLASSES[1:],
        rival=1, rng=np.random.default_rng(5),
    )  # fmt: skip


def wrong(share: float, seed: int, where: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    drawn = np.random.default_rng(seed).random(N) < share
    return drawn if where is None else drawn & where


def test_slices_are_bins_and_primaries_with_enough_showers() -> None:
    names = [
        *("lg_energy_ev 18 to 18.5", "lg_energy_ev 18.5 to 19", "lg_energy_ev 19 to 19.5", "zenith_deg 0 to 30"),
        *("primary photon", "primary p", "primary Fe"),
    ]
    assert list(protected_slices(truth(), CLASSES)) == names
    few = Truth(np.repeat([0, 1], [49, 50]), np.arange(99))
    assert list(protected_slices(few, CLASSES)) == ["primary p"]


def test_equal_answers_gain_nothing_anywhere() -> None:
    same = contest(wrong(0.3, 1), wrong(0.3, 1))
    assert {(m.value, m.low, m.high) for m in (same.gain, *same.slices)} == {(0.0, 0.0, 0.0)}
    assert not same.needs_noise


def test_a_planted_regress_is_found_in_its_slice_and_nowhere_else() -> None:
    """Better by 0.1 overall; worse by 0.3 for iron."""
    iron = truth().labels == 2
    found = contest(wrong(0.3, 2, iron), wrong(0.3, 3, ~iron))
    assert found.gain.low > 0.0
    assert found.needs_noise
    lost = [one.region for one in found.slices if one.high < 0.0]
    assert lost == ["primary Fe"]
    (fe,) = [one for one in found.slices if one.region == "primary Fe"]
    assert (fe.n, fe.value) == (1000, pytest.approx(-0.3, abs=0.04))


def test_the_order_of_the_showers_changes_nothing() -> None:
    order = np.random.default_rng(6).permutation(N)
    one, other = contest(wrong(0.2, 4), wrong(0.3, 5)), contest(wrong(0.2, 4), wrong(0.3, 5), order)
    assert one.gain.value == pytest.approx(other.gain.value, abs=1e-12)
    assert one.gain.low == pytest.approx(other.gain.low, abs=1e-12)
    for left, right in zip(one.slices, other.slices, strict=True):
        assert (left.region, left.n) == (right.region, right.n)
        assert (left.low, left.high) == (pytest.approx(right.low, abs=1e-12), pytest.approx(right.high, abs=1e-12))


def test_intervals_hold_for_all_slices_at_once() -> None:
    """Two equally good models: all seven intervals hold zero in 95 % of experiments; pointwise ones would in fewer."""
    all_hold = [
        all(one.low <= 0.0 <= one.high for one in contest(wrong(0.3, 2 * i), wrong(0.3, 2 * i + 1)).slices)
        for i in range(100)
    ]
    assert 88 <= sum(all_hold) <= 100


def test_a_loss_of_anomaly_auc_is_that_of_the_two_scores() -> None:
    """Unit normals that stand d apart: the AUC is Phi(d / sqrt 2)."""
    worse, better = scores(1.0, 8), scores(2.0, 9)
    lost = found(worse, better)
    assert lost is not None
    photon, weight = truth().labels == 0, np.ones(N)
    assert lost.value == pytest.approx(roc_auc(worse, photon, weight) - roc_auc(better, photon, weight), abs=1e-12)
    normal = NormalDist()
    assert lost.value == pytest.approx(normal.cdf(1.0 / 2.0**0.5) - normal.cdf(2.0**0.5), abs=0.03)
    assert lost.low < lost.value < lost.high < 0.0
    assert lost.n == N


def test_anomalies_are_compared_shower_by_shower() -> None:
    """What both models share cancels: the interval is that of what little differs, not that of two AUCs."""
    score = scores(1.0, 8)
    same, near = found(score, 3.0 * score + 1.0), found(score, score + 0.05 * scores(0.0, 9))
    assert same is not None
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0), "only the order of scores counts"
    assert near is not None
    assert near.high - near.low < 0.005


@pytest.mark.parametrize("reference", [CLASSES, ()])
def test_without_anomalies_or_without_a_reference_there_is_nothing_to_compare(reference: tuple[str, ...]) -> None:
    assert found(scores(1.0, 8), scores(1.0, 9), reference) is None


def test_a_contest_of_before_has_no_anomalies() -> None:
    facts = contest(wrong(0.3, 1), wrong(0.3, 2)).model_dump(mode="json")
    del facts["anomalies"]
    assert Contest.model_validate(facts).anomalies is None


def test_noise_is_students_bound_on_a_difference() -> None:
    noise = seed_noise([0.70, 0.72])
    assert noise.bound == pytest.approx(6.3138 * 0.02, rel=1e-4), "t(1, 0.95) = 6.3138; s sqrt(2) = 0.02"


def test_an_unchanged_recipe_seldom_exceeds_its_noise() -> None:
    """Champion, challenger and three more trainings from one distribution: at most 5 % look like a gain."""
    drawn = NormalDist(0.8, 0.01).samples(5 * 2000, seed=7)
    rounds = np.reshape(drawn, (2000, 5))
    lucky = [row[0] - row[1] > seed_noise([row[0], *row[2:]]).bound for row in rounds.tolist()]
    assert 0.0 < np.mean(lucky) <= 0.055


def test_seeds_that_agree_leave_no_noise() -> None:
    assert seed_noise([0.8, 0.8, 0.8]).bound == 0.0
