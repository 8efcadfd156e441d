"""A bundle of a model of traces: a graph with two inputs that says what the network said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from cascada.config import TraceAutoencoder
from cascada.errors import ConfigError
from cascada.evaluation.domain import Domain
from cascada.physics.footprint import StationShape
from cascada.physics.observables import feature_matrix
from cascada.registry import bundle as bundles
from cascada.registry.bundle import Bundle, Lineage
from cascada.registry.export import Member, write_bundle
from cascada.training.density import fit_mixture
from cascada.training.scaling import Scaling
from models import build
from models.scores import DensityScore, points

MODEL = TraceAutoencoder(
    kind="trace", stations=4, bins=20, channels=(3,), station_width=5, hidden=(8,), latent=2, head_hidden=4
)
SHAPE = StationShape(stations=4, bins=20)
CLASSES, NAMES = ("photon", "p", "Fe"), ("lg_energy_reco",)
SCALING = Scaling(mean=(0.1,), scale=(0.4,))
DOMAIN = Domain(ranges={"energy_eev": (1.0, 100.0)})
LINEAGE = Lineage(
    experiment="test", run_id="0" * 32, data_sha256="1" * 64, split_sha256="2" * 64, git_commit="3" * 40,
    git_dirty=False, data_valid=True,
)  # fmt: skip


def events(n: int, *, seed: int = 1) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float32]]:
    """Observables, and stations of which every second event has three."""
    rng = np.random.default_rng(seed)
    stations = rng.random((n, 4, SHAPE.width), np.float32) * np.float32(5.0)
    stations[:, :, 0] = 300.0 + 400.0 * stations[:, :, 0]
    stations[::2, 3] = 0.0
    return {"energy_reco_eev": 10.0 * np.exp(rng.standard_normal(n))}, stations


def network() -> nn.Module:
    torch.manual_seed(3)
    built = build(MODEL, features=1, reference=(False, True, True)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(3.0)  # fresh weights hardly look at their input
    return built


def ask(n: int, seed: int = 1) -> list[torch.Tensor]:
    observables, stations = events(n, seed=seed)
    x = torch.from_numpy(SCALING.apply(feature_matrix(observables, NAMES)))
    with torch.no_grad():
        return list(network()(x, torch.from_numpy(stations)))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    observables, stations = events(300, seed=2)
    said = network()(torch.from_numpy(SCALING.apply(feature_matrix(observables, NAMES))), torch.from_numpy(stations))
    density = DensityScore(fit_mixture(points(said).detach().double().numpy(), 2, seed=0))
    return write_bundle(
        [Member(network(), density)], scaling=SCALING, temperature=1.5,
        calibration=(feature_matrix(observables, NAMES), stations), stations=SHAPE, classes=CLASSES,
        reference=CLASSES[1:], features=NAMES, model=MODEL.model_dump(mode="json"), domain=DOMAIN, lineage=LINEAGE,
        folder=tmp_path_factory.mktemp("bundle"),
    )  # fmt: skip


def test_the_bundle_answers_as_the_network_does(bundle: Bundle) -> None:
    answer = bundle.predict(*events(70))
    logits = ask(70)[1]
    assert answer.probabilities == pytest.approx(torch.softmax(logits / 1.5, 1).numpy(), abs=1e-5)
    assert np.ptp(answer.anomaly_score) > 0.1
    assert answer.p_value.min() >= 1 / 301


def test_latent_coordinates_are_those_of_the_network_and_have_no_reference(bundle: Bundle) -> None:
    assert bundle.encode(*events(70)) == pytest.approx(ask(70)[0].numpy(), abs=1e-5)
    assert bundle.spec.latent_reference is None, "no log keeps the stations that they are computed from"


def test_the_order_of_the_stations_does_not_matter(bundle: Bundle) -> None:
    observables, stations = events(40)
    answer, again = bundle.predict(observables, stations), bundle.predict(observables, stations[:, [2, 0, 3, 1]])
    assert again.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
    assert again.anomaly_score == pytest.approx(answer.anomaly_score, abs=1e-4)
    other = bundle.predict(observables, 2 * stations)
    assert np.abs(other.probabilities - answer.probabilities).max() > 1e-3


@pytest.mark.parametrize("size", [1, 7])
def test_answers_do_not_depend_on_the_batch(bundle: Bundle, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    observables, stations = events(40)
    whole = bundle.predict(observables, stations)
    monkeypatch.setattr(bundles, "ASK_ROWS", size)
    parts = bundle.predict(observables, stations)
    assert parts.probabilities == pytest.approx(whole.probabilities, abs=1e-6)
    assert parts.anomaly_score == pytest.approx(whole.anomaly_score, rel=1e-4, abs=1e-4)


def test_no_event_gets_no_answer(bundle: Bundle) -> None:
    answer = bundle.predict(*events(0))
    assert (answer.probabilities.shape, answer.anomaly_score.shape) == ((0, 3), (0,))


def test_the_bundle_says_what_it_needs(bundle: Bundle) -> None:
    assert bundle.spec.stations == SHAPE
    assert bundle.columns == ("energy_reco_eev", "zenith_reco_deg")
    assert Bundle(bundle.folder).spec == bundle.spec


@pytest.mark.parametrize(
    ("stations", "got"),
    [(None, "none"), (np.zeros((5, 4, 24), np.float32), r"(5, 4, 24)"), (np.zeros((4, 4, 23), np.float32), "(4, 4, 2")],
)
def test_other_stations_are_refused(bundle: Bundle, stations: NDArray[np.float32] | None, got: str) -> None:
    with pytest.raises(ConfigError, match="not the stations that the model sees") as caught:
        bundle.predict(events(5)[0], stations)
    assert caught.value.expected == "shape (5, 4, 23)"
    assert got in caught.value.got


def test_a_model_without_traces_takes_no_stations(bundle: Bundle) -> None:
    plain = Bundle(bundle.folder)
    plain.spec = plain.spec.model_copy(update={"stations": None})
    with pytest.raises(ConfigError, match="not the stations") as caught:
        plain.predict(*events(5))
    assert caught.value.expected == "no stations"
