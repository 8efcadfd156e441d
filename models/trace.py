"""The trace autoencoder: convolutions over the 25 ns traces of stations, and nothing that hangs on their order.

Convolutions along time, the same for every station, follow Erdmann, Glombitza and Walz, Astropart. Phys. 97 (2018) 46
(arXiv:1708.00647); what they find is pooled over the stations (Zaheer et al., Deep Sets, arXiv:1703.06114), so that
neither order nor number of the stations matters, and no grid is needed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cascada.config import TraceAutoencoder
from cascada.physics.footprint import PLACE
from models.autoencoder import Autoencoder, Pass, no_penalty, primary_head, stack

SIGNAL_UNCERTAINTY = 0.3
"""Relative uncertainty of the signal in a bin that more particles do not make smaller: where the core is, and with
which particle the trace begins. With it residuals of a fitted network have an rms of 0.4 to 1.2 in bins of 0 to 300
VEM; with 0.1 they reach 2.3."""
DELAY_NS = 100.0
"""Delays count linearly up to here and in logarithms beyond: starts scatter by 60 ns at 1 km, clocks fail by more."""
REFERENCE_M = 1000.0
PARTS = (12, 4, 1)
"""Residuals of traces are summarised up to this part of the bins: for 60 bins up to 125, 375 and 1500 ns."""
_PLACE, _SCALARS = 3, 5  # the place; and with it delay and signal


class TraceAutoencoderNetwork(Autoencoder):
    """Features and stations to a latent space, and back: features, and the trace of each station given its place.

    The residuals, shape (n, features + 4), are those of the features and, over the stations that an event has, the
    root mean square of the residuals of delays and of the signal in the first twelfth, the first quarter and the rest
    of the bins. So their mean square weighs a whole trace like a few features, and a density in latent space and
    residuals has few dimensions.

    Parameters
    ----------
    features, classes
        Width of the (standardised) features and number of primaries.
    """

    def __init__(self, spec: TraceAutoencoder, *, features: int, classes: int) -> None:
        super().__init__()
        self.ends = [spec.bins // part for part in PARTS]
        self.width = spec.channels[-1] * halved(spec)
        self.traces = convolutions(spec)
        self.station = stack([self.width + _SCALARS, spec.station_width, spec.station_width])
        self.encoder = stack([features + 2 * spec.station_width + 1, *spec.hidden, spec.latent])
        self.decoder = stack([spec.latent, *reversed(spec.hidden), features])
        self.station_decoder = stack([spec.latent + _PLACE, *reversed(spec.hidden), 1 + spec.bins])
        self.head = primary_head(spec.latent, spec.head_hidden, classes)

    def forward(self, x: Tensor, stations: Tensor) -> Pass:  # type: ignore[override]
        """Encode, reconstruct and classify.

        Parameters
        ----------
        x
            Standardised features, shape (n, features).
        stations
            Shape (n, stations, 3 + bins), as `cascada.physics.footprint.station_array` lays them out.
        """
        seen = (stations[:, :, 0] > 0.0).to(x.dtype)
        place, delay, trace = place_of(stations), delay_of(stations), stations[:, :, len(PLACE) :].clamp(min=0.0)
        latent = self.encoder(torch.cat([x, self._summary(place, delay, trace, seen)], dim=1))
        given = torch.cat([latent[:, None, :].expand(-1, place.shape[1], -1), place], dim=2)
        residual = self.station_decoder(given) - torch.cat([delay, stabilise(trace)], dim=2)
        residuals = torch.cat([self.decoder(latent) - x, self._spread(residual, seen)], dim=1)
        return Pass(latent, self.head(latent), residuals, no_penalty(latent))

    def _summary(self, place: Tensor, delay: Tensor, trace: Tensor, seen: Tensor) -> Tensor:
        """Summarise the stations; signals enter as logarithms, since they fall by a power of the distance."""
        found = self.traces(torch.log1p(trace).flatten(0, 1)[:, None, :])
        signal = torch.log1p(trace.sum(dim=2, keepdim=True))
        each = torch.cat([found.reshape(*trace.shape[:2], self.width), place, delay, signal], dim=2)
        return pool(self.station(each), seen)

    def _spread(self, residual: Tensor, seen: Tensor) -> Tensor:
        """Root mean square over the stations, shape (n, 1 + regions)."""
        squared = (residual**2) * seen[:, :, None]
        count = seen.sum(dim=1).clamp(min=1.0)
        starts = [0, *self.ends[:-1]]
        parts = [squared[:, :, :1], *(squared[:, :, 1 + a : 1 + b] for a, b in zip(starts, self.ends, strict=True))]
        means = [part.mean(dim=2).sum(dim=1) / count for part in parts]
        return torch.sqrt(torch.stack(means, dim=1) + 1e-12)  # the slope of a root at zero is infinite


def convolutions(spec: TraceAutoencoder) -> nn.Sequential:
    """Build convolutions along time, each with a stride of two bins."""
    layers: list[nn.Module] = []
    for before, after in zip((1, *spec.channels), spec.channels, strict=False):
        layers += [nn.Conv1d(before, after, spec.kernel, stride=2, padding=spec.kernel // 2), nn.SiLU()]
    return nn.Sequential(*layers, nn.Flatten())


def halved(spec: TraceAutoencoder) -> int:
    """Count the bins that are left after the convolutions."""
    bins = spec.bins
    for _ in spec.channels:
        bins = (bins + 2 * (spec.kernel // 2) - spec.kernel) // 2 + 1
    return bins


def place_of(stations: Tensor) -> Tensor:
    """Ln(distance / km), and the direction from the axis: shape (n, stations, 3)."""
    azimuth = torch.deg2rad(stations[:, :, 1:2])
    distance = torch.log(stations[:, :, :1].clamp(min=1.0) / REFERENCE_M)
    return torch.cat([distance, torch.cos(azimuth), torch.sin(azimuth)], dim=2)


def delay_of(stations: Tensor) -> Tensor:
    """Start of the trace behind the plane front, compressed: shape (n, stations, 1)."""
    return torch.asinh(stations[:, :, 2:3] / DELAY_NS)


def stabilise(signal_vem: Tensor) -> Tensor:
    """Transform signals so that their fluctuations have a size near one everywhere.

    The transform for a variance ``S + (b S)^2`` (Anscombe, Biometrika 35 (1948) 246): Poisson for muons of 1 VEM, and
    `SIGNAL_UNCERTAINTY` for bright signals.
    """
    b = SIGNAL_UNCERTAINTY
    return 2.0 / b * torch.asinh(b * torch.sqrt(signal_vem))


def pool(said: Tensor, seen: Tensor) -> Tensor:
    """Take mean and maximum over the stations that are there, and the share of the places that they fill.

    Parameters
    ----------
    said
        Shape (n, stations, width).
    seen
        1 for stations that are there, else 0; shape (n, stations).
    """
    count = seen.sum(dim=1, keepdim=True)
    mean = (said * seen[:, :, None]).sum(dim=1) / count.clamp(min=1.0)
    highest = torch.where(seen[:, :, None] > 0.0, said, torch.full_like(said, -1e9)).amax(dim=1)
    return torch.cat([mean, torch.where(count > 0.0, highest, torch.zeros_like(highest)), count / seen.shape[1]], dim=1)
