"""What a trial is judged by: the answers that the bundle would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundles import CLASSES, NAMES, export, network, observables

from cascada.errors import InvalidDataError
from cascada.evaluation.separation import roc_auc
from cascada.physics.observables import feature_matrix
from cascada.registry.export import Member
from cascada.training.dataset import Sample
from cascada.training.scaling import fit_scaling
from flows.members import FittedModel
from flows.trials import judge
from models.scores import ReconstructionScore

NORMAL = [name != "photon" for name in CLASSES]


@pytest.fixture(scope="module")
def fitted() -> FittedModel:
    scaling = fit_scaling(feature_matrix(observables(999, seed=2), NAMES), NAMES)
    return FittedModel((Member(network(), ReconstructionScore()),), scaling, 2.0, [], ())


def sample(showers: int = 300) -> Sample:
    labels = np.arange(showers) % len(CLASSES)
    return Sample(feature_matrix(observables(showers), NAMES), labels, np.arange(showers))


def test_values_are_those_of_the_bundle(fitted: FittedModel, tmp_path: Path) -> None:
    said, showers = export(tmp_path / "bundle").predict(observables(300)), sample()
    right = said.probabilities[np.arange(300), showers.labels]
    assert judge(fitted, showers, "log_loss", normal=NORMAL) == pytest.approx(-np.log(right).mean(), rel=1e-5)
    hits = (said.probabilities.argmax(axis=1) == showers.labels).mean()
    assert judge(fitted, showers, "accuracy", normal=NORMAL) == pytest.approx(hits, abs=1e-9)
    auc = roc_auc(said.anomaly_score, showers.labels == 0, np.ones(300))
    assert judge(fitted, showers, "anomaly_auc", normal=NORMAL) == pytest.approx(auc, abs=1e-4)
    assert 0.1 < auc != pytest.approx(0.5, abs=1e-3)


def test_what_the_showers_do_not_define_is_refused(fitted: FittedModel) -> None:
    hadrons = sample().take(sample().labels > 0)
    with pytest.raises(InvalidDataError, match="does not define anomaly_auc") as refused:
        judge(fitted, hadrons, "anomaly_auc", normal=NORMAL)
    assert refused.value.got == "0 others of 240"
