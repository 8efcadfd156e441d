"""The variational autoencoder (Kingma and Welling, arXiv:1312.6114) with an annealed weight of its prior."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cascada.config import VariationalAutoencoder
from models.autoencoder import Autoencoder, Pass, primary_head, stack


class VariationalAutoencoderNetwork(Autoencoder):
    """Encoder to mean and log variance, decoder and primary head; evaluation uses the mean.

    The divergence from the standard normal prior has weight beta (Higgins et al., ICLR 2017), which rises from zero
    over the warm-up so that the latent space does not collapse before it is used (Bowman et al., arXiv:1511.06349).

    Parameters
    ----------
    features, classes
        Width of the (standardised) input and number of primaries.
    """

    beta: Tensor

    def __init__(self, spec: VariationalAutoencoder, *, features: int, classes: int) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = stack([features, *spec.hidden])
        self.mean = nn.Linear(spec.hidden[-1], spec.latent)
        self.log_variance = nn.Linear(spec.hidden[-1], spec.latent)
        self.decoder = stack([spec.latent, *reversed(spec.hidden), features])
        self.head = primary_head(spec.latent, spec.head_hidden, classes)
        self.settles = spec.warm_up
        # A tensor, not a number: a compiled step would be compiled anew for every value.
        self.register_buffer("beta", torch.tensor(spec.beta), persistent=False)

    def set_progress(self, share: float) -> None:
        """Raise beta in proportion until the warm-up is over."""
        self.beta.fill_(self.spec.beta * min(share / self.spec.warm_up, 1.0))

    def forward(self, x: Tensor) -> Pass:  # type: ignore[override]
        """Encode, reconstruct and classify features of shape (n, features)."""
        hidden = nn.functional.silu(self.encoder(x))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden).clamp(-12.0, 12.0)
        latent = mean
        if self.training:
            # cascada: ignore[D101]  # the fit seeds PyTorch
            latent = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
        penalty = self.beta * divergence / x.shape[1]
        return Pass(latent, self.head(latent), self.decoder(latent) - x, penalty)
