"""Several seeds: mean and spread of every metric."""

from __future__ import annotations

import math

import pytest

from cascada.errors import ConfigError
from cascada.evaluation.metrics import Evaluation, Metric
from cascada.evaluation.seeds import summarise_seeds


def evaluation(classes: tuple[str, ...] = ("p", "Fe"), **values: float) -> Evaluation:
    metrics = [
        Metric(name=n, value=v, low=v, high=v, n=9, interval="wilson", region=region)
        for n, v in values.items()
        for region in ("all", "zenith_deg 0 to 30")
    ]
    return Evaluation(classes=classes, metrics=tuple(metrics), confusion=((1, 0), (0, 1)))


def test_three_seeds_by_hand() -> None:
    made = summarise_seeds([evaluation(accuracy=v) for v in (0.7, 0.8, 0.6)])
    assert [(s.name, s.region) for s in made] == [("accuracy", "all"), ("accuracy", "zenith_deg 0 to 30")]
    spread = made[0]
    assert (spread.mean, spread.deviation) == pytest.approx((0.7, 0.1))
    assert (spread.least, spread.most, spread.seeds) == (0.6, 0.8, 3)
    assert str(spread) == "0.700 ± 0.100 (3 seeds)"


def test_a_metric_that_one_seed_lacks_says_so() -> None:
    made = summarise_seeds([evaluation(accuracy=0.7, auc_p_fe=0.9), evaluation(accuracy=0.8)])
    named = {s.name: s for s in made}
    assert (named["accuracy"].seeds, named["auc_p_fe"].seeds) == (2, 1)
    assert named["auc_p_fe"].deviation == 0.0
    assert math.isfinite(named["auc_p_fe"].mean)


def test_nothing_and_unlike_experiments_are_refused() -> None:
    with pytest.raises(ConfigError, match="no evaluation"):
        summarise_seeds([])
    with pytest.raises(ConfigError, match="different primaries"):
        summarise_seeds([evaluation(accuracy=1.0), evaluation(("photon", "p"), accuracy=1.0)])
