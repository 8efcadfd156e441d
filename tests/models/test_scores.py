"""Anomaly scores, and every kind of model with either of them through a bundle's graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import CLASSES, KINDS, fit_toy, toy, toy_experiment

from cascada.evaluation.domain import Domain
from cascada.registry.bundle import GRAPH, Bundle, Graph, Lineage
from cascada.registry.export import Member, write_bundle
from cascada.training.density import fit_mixture
from flows.members import FittedModel, ask
from models import Pass
from models.scores import DensityScore, ReconstructionScore, points

DOMAIN = Domain(ranges={"energy_eev": (1.0, 100.0)})
LINEAGE = Lineage(
    experiment="test", run_id="0" * 32, data_sha256="1" * 64, split_sha256="2" * 64, git_commit="3" * 40,
    git_dirty=False, data_valid=True,
)  # fmt: skip


def answer(rows: int, *, seed: int) -> Pass:
    """An answer in two latent coordinates and three residuals, correlated and of different sizes."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((5, 5)) * [1.0, 10.0, 0.1, 1.0, 0.01]
    both = torch.from_numpy((rng.standard_normal((rows, 5)) @ mixing + 3.0).astype(np.float32))
    return Pass(both[:, :2], torch.zeros(rows, 3), both[:, 2:], torch.zeros(rows))


def test_the_reconstruction_score_is_the_mean_squared_residual() -> None:
    said = Pass(torch.zeros(2, 1), torch.zeros(2, 2), torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]]), torch.zeros(2))
    assert ReconstructionScore()(said).tolist() == pytest.approx([14 / 3, 12.0])


def test_points_join_latent_coordinates_and_residuals() -> None:
    said = answer(4, seed=1)
    assert torch.equal(points(said), torch.cat([said.latent, said.residuals], dim=1))


@pytest.mark.parametrize("components", [1, 3])
def test_the_density_score_is_minus_the_log_likelihood_of_the_mixture(components: int) -> None:
    from scipy.stats import multivariate_normal

    said = answer(400, seed=1)
    where = points(said).double().numpy()
    mixture = fit_mixture(where, components, seed=1)
    score = DensityScore(mixture)(said).numpy()
    densities = np.zeros(400)
    weights = []
    for mean, whitening, offset in zip(mixture.mean, mixture.whitening, mixture.log_normalisation, strict=True):
        covariance = np.linalg.inv(whitening @ whitening.T)
        peak = multivariate_normal(mean, covariance).logpdf(mean)
        weights.append(np.exp(offset - peak))
        densities += weights[-1] * multivariate_normal(mean, covariance).pdf(where)
    assert sum(weights) == pytest.approx(1.0)
    assert score == pytest.approx(-np.log(densities), rel=1e-3, abs=2e-3)


def write(members: Sequence[Member], fitted: FittedModel, folder: Path) -> Bundle:
    calibration = toy(90, seed=3).of_classes((False, True, True)).inputs
    return write_bundle(
        members, scaling=fitted.scaling, temperature=fitted.temperature, calibration=calibration,
        classes=CLASSES, reference=CLASSES[1:], features=("lg_energy", "muon_residual", "em_residual"), model={},
        domain=DOMAIN, lineage=LINEAGE, folder=folder,
    )  # fmt: skip


def fit_kind(kind: str, folder: Path) -> FittedModel:
    return fit_toy(toy_experiment(kind, score="density", members=2, epochs=2), folder, rows=300)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(kind: str, tmp_path_factory: pytest.TempPathFactory) -> FittedModel:
    return fit_kind(kind, tmp_path_factory.mktemp("fit"))


@pytest.fixture(scope="module")
def bundle(fitted: FittedModel, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write(fitted.members, fitted, tmp_path_factory.mktemp("bundle"))


def check_graph(folder: Path, members: Sequence[Member], fitted: FittedModel, *, tolerance: float) -> None:
    """Compare what the exported graph says with what the members say in torch."""
    sample = toy(200, seed=7)
    probabilities, scores = Graph(folder / GRAPH).run(sample.features)
    said = [ask(member.network, fitted.scaling, sample) for member in members]
    expected = torch.stack([torch.softmax(one.logits / fitted.temperature, dim=1) for one in said]).mean(dim=0)
    assert probabilities == pytest.approx(expected.numpy(), abs=1e-5)
    strange = torch.stack([member.score(one) for member, one in zip(members, said, strict=True)]).mean(dim=0)
    assert scores == pytest.approx(strange.numpy(), rel=tolerance, abs=tolerance)
    assert np.ptp(scores) > 0.1


def test_a_bundle_says_what_its_members_say(bundle: Bundle, fitted: FittedModel) -> None:
    # The density stretches residuals to unit width, and with them the rounding of float32.
    check_graph(bundle.folder, fitted.members, fitted, tolerance=1e-4)


def test_an_answer_does_not_depend_on_the_batch_bit_by_bit(bundle: Bundle, fitted: FittedModel, tmp_path: Path) -> None:
    members = [Member(member.network, ReconstructionScore()) for member in fitted.members]
    features = toy(200, seed=7).features
    for graph in (Graph(bundle.folder / GRAPH), Graph(write(members, fitted, tmp_path / "bundle").folder / GRAPH)):
        together = graph.run(features)
        for size in (1, 3, 64):
            parts = [graph.run(features[start : start + size]) for start in range(0, 200, size)]
            for whole, cut in zip(together, map(np.concatenate, zip(*parts, strict=True)), strict=True):
                assert np.array_equal(whole, cut)


def test_a_bundle_with_the_reconstruction_score_says_what_its_members_say(fitted: FittedModel, tmp_path: Path) -> None:
    members = [Member(member.network, ReconstructionScore()) for member in fitted.members]
    write(members, fitted, tmp_path)
    check_graph(tmp_path, members, fitted, tolerance=1e-5)


def test_the_same_seed_gives_the_same_bundle_bit_by_bit(
    kind: str, fitted: FittedModel, bundle: Bundle, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    again = fit_kind(kind, tmp_path / "fit")
    assert again.history == fitted.history
    assert write(again.members, again, tmp_path / "again").sha256 == bundle.sha256, "it covers all other files"
