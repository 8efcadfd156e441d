"""The trace autoencoder: the order and the number of the places do not matter, and everything passes the bottleneck."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import models
from cascada.config import TraceAutoencoder
from models.trace import delay_of, halved, place_of, pool, stabilise

SPEC = TraceAutoencoder(
    kind="trace", stations=5, bins=24, channels=(3, 4), kernel=5, station_width=7, hidden=(9,), latent=2, head_hidden=6
)


def build(spec: TraceAutoencoder = SPEC) -> models.Autoencoder:
    torch.manual_seed(5)
    return models.build(spec, features=3, reference=(False, True, True, True))


def events(rows: int, *, seen: int = 5, spec: TraceAutoencoder = SPEC, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Features and stations, of which the first `seen` places are filled."""
    rng = torch.Generator().manual_seed(seed)
    stations = torch.zeros(rows, spec.stations, 3 + spec.bins)
    stations[:, :seen, 0] = 300.0 + 2000.0 * torch.rand(rows, seen, generator=rng)
    stations[:, :seen, 1] = 360.0 * torch.rand(rows, seen, generator=rng)
    stations[:, :seen, 2] = 100.0 * torch.randn(rows, seen, generator=rng)
    stations[:, :seen, 3:] = 3.0 * torch.rand(rows, seen, spec.bins, generator=rng) ** 4
    return torch.randn(rows, 3, generator=rng), stations


@pytest.mark.parametrize("rows", [0, 1, 6])
def test_shapes(rows: int) -> None:
    said = build()(*events(rows))
    assert said.latent.shape == (rows, 2)
    assert said.logits.shape == (rows, 4)
    assert said.residuals.shape == (rows, 3 + 4), "features, delay, and three parts of the trace"
    assert said.error.shape == said.penalty.shape == (rows,)


@pytest.mark.parametrize(("bins", "kernel", "channels"), [(16, 3, (2, 2, 2, 2)), (61, 31, (3,)), (120, 4, (2, 5))])
def test_every_size_fits(bins: int, kernel: int, channels: tuple[int, ...]) -> None:
    spec = SPEC.model_copy(update={"bins": bins, "kernel": kernel, "channels": channels})
    assert build(spec)(*events(2, spec=spec)).residuals.isfinite().all()
    assert halved(spec) >= 1


def test_the_order_of_the_stations_does_not_matter() -> None:
    network, (x, stations) = build(), events(4)
    shuffled = torch.stack([event[torch.randperm(5)] for event in stations])
    assert not torch.equal(shuffled, stations)
    for one, other in zip(network(x, stations), network(x, shuffled), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("seen", [1, 3])
def test_places_without_a_station_do_not_matter(seen: int) -> None:
    """Whatever stands there: a place is empty when its distance is zero."""
    network, (x, stations) = build(), events(4, seen=seen)
    filled = stations.clone()
    filled[:, seen:, 1:] = 50.0
    for one, other in zip(network(x, stations), network(x, filled), strict=True):
        assert torch.equal(one, other)


def test_residuals_are_means_over_the_stations_that_are_there() -> None:
    network, (x, stations) = build(), events(4, seen=2)
    doubled = stations.clone()
    doubled[:, 2:4] = stations[:, :2]
    with torch.no_grad():
        network.encoder[0].weight[:, -1] = 0.0  # how many stations there are is the one thing that changes
    for one, other in zip(network(x, stations), network(x, doubled), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_an_event_without_stations_gets_a_finite_answer() -> None:
    assert all(part.isfinite().all() for part in build()(*events(3, seen=0)))


def test_the_stations_are_looked_at() -> None:
    network, (x, stations) = build(), events(4)
    said = network(x, stations).latent
    for column in (0, 1, 2, 3, 20):
        changed = stations.clone()
        changed[:, 1, column] += 90.0
        assert (network(x, changed).latent - said).abs().min() > 1e-7, column


def test_everything_passes_the_bottleneck() -> None:
    """Given where the stations are, what is rebuilt has as many degrees of freedom as the latent space."""
    network, (x, stations) = build().double(), (part.double()[0] for part in events(1))
    place = place_of(stations[None])

    def rebuilt(inputs: Tensor) -> Tensor:
        joined = torch.cat([stations[:, :3], inputs[3:].reshape(5, -1)], dim=1)
        latent = network(inputs[None, :3], joined[None]).latent
        given = torch.cat([latent[:, None].expand(-1, 5, -1), place], dim=2)
        return torch.cat([network.decoder(latent).flatten(), network.station_decoder(given).flatten()])

    slopes = torch.func.jacrev(rebuilt)(torch.cat([x, stations[:, 3:].flatten()]))
    assert slopes.shape == (3 + 5 * 25, 3 + 5 * 24)
    assert torch.linalg.matrix_rank(slopes, rtol=1e-9) == SPEC.latent


def test_the_error_is_that_of_what_was_rebuilt() -> None:
    """By hand, from the decoders: the mean over features, delay and the three parts of the trace."""
    network, (x, stations) = build(), events(3, seen=2)
    said = network(x, stations)
    given = torch.cat([said.latent[:, None].expand(-1, 5, -1), place_of(stations)], dim=2)
    rebuilt = network.station_decoder(given)[:, :2]
    delay = (rebuilt[:, :, 0] - torch.asinh(stations[:, :2, 2] / 100.0)) ** 2
    trace = (rebuilt[:, :, 1:] - stabilise(stations[:, :2, 3:])) ** 2
    parts = [(network.decoder(said.latent) - x) ** 2, delay.mean(1, keepdim=True)]
    parts += [trace[:, :, a:b].mean((1, 2))[:, None] for a, b in ((0, 2), (2, 6), (6, 24))]
    assert torch.allclose(said.error, torch.cat(parts, dim=1).mean(dim=1), atol=1e-6)


def test_slopes_are_finite_where_a_trace_is_rebuilt_exactly() -> None:
    network, (x, stations) = build(), events(2)
    with torch.no_grad():
        for parameter in network.station_decoder.parameters():
            parameter.zero_()
    stations[:, :, 2:] = 0.0
    network.losses((x, stations), torch.tensor([1, 2]), torch.ones(2))["reconstruction"].backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_a_step_of_a_stabilised_signal_is_one_standard_deviation() -> None:
    """The slope is one over the standard deviation, for the variance S + (0.3 S)^2."""
    signal = torch.tensor([0.04, 1.0, 30.0, 187.0], dtype=torch.float64, requires_grad=True)
    stabilise(signal).sum().backward()
    expected = [(s + (0.3 * s) ** 2) ** -0.5 for s in signal.tolist()]
    assert signal.grad is not None
    assert signal.grad.tolist() == pytest.approx(expected)
    assert stabilise(torch.zeros(1)).item() == 0.0


def test_negative_signals_count_as_nothing() -> None:
    network, (x, stations) = build(), events(3)
    stations[:, 0, 5] = 0.0
    below = stations.clone()
    below[:, 0, 5] = -0.2
    assert torch.equal(network(x, stations).residuals, network(x, below).residuals)


def test_places_and_delays_by_hand() -> None:
    station = torch.tensor([[[math.e * 1000.0, 90.0, 100.0 * math.sinh(2.0), 0.0], [0.0, 0.0, 0.0, 0.0]]])
    assert torch.allclose(place_of(station)[0, 0], torch.tensor([1.0, 0.0, 1.0]), atol=1e-6)
    assert delay_of(station).flatten().tolist() == pytest.approx([2.0, 0.0])
    assert place_of(station).isfinite().all()


def test_pooling_by_hand() -> None:
    said = torch.tensor([[[1.0, -5.0], [3.0, -7.0], [99.0, 99.0]]])
    pooled = pool(said, torch.tensor([[1.0, 1.0, 0.0]]))
    assert pooled[0].tolist() == pytest.approx([2.0, -6.0, 3.0, -5.0, 2 / 3])
