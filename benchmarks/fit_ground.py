"""Fit the parametric showers to CORSIKA: the coefficients of `cascada.physics.ground`, and the depths of photons.

The showers are those of the open five-class benchmark (Herrera et al., Entropy 22 (2020) 998), repaired. Only events of
an even number are used; those of an odd number are left for ``bench_realism.py`` to judge with.

    python -m benchmarks.fit_ground DIR      # DIR holds QGSJet-*-NPaticlesTotal.txt

writes ``cascada/physics/ground.json`` and prints the coefficients of photons for `cascada.physics.depth`.
"""
# ruff: noqa: T201 - a program that prints

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaincc, gammaln

from benchmarks.corsika_showers import Showers, load_showers
from cascada.physics.ground import (
    EM_REFERENCE,
    GROUND_DEPTH_G_CM2,
    MUON_REFERENCE,
    em_location,
    nucleus_terms,
    photon_terms,
    weighted_sum,
)

Floats = NDArray[np.float64]
REPOSITORY = Path(__file__).resolve().parents[1]
PROFILE_START = (0.3, 0.95, 0.0, 0.5)
RIDGE = 1e-5
"""Weight of the squared coefficients in the likelihood: coefficients that the data do not determine stay small."""


class GroundFit:
    """The likelihood of ln N_mu and ln N_em of one primary."""

    def __init__(self, name: str, showers: Showers) -> None:
        self.ell = np.log10(showers.energy_eev / 10.0)
        secant = 1.0 / np.cos(np.radians(showers.zenith_deg))
        self.beyond = GROUND_DEPTH_G_CM2 * secant - showers.xmax_g_cm2
        self.ln_n_mu = np.log(showers.n_mu)
        self.ln_em_per_eev = np.log(showers.n_em / showers.energy_eev)
        self.is_nucleus = name != "photon"
        list_terms = nucleus_terms if self.is_nucleus else photon_terms
        depth = (showers.xmax_g_cm2 - 750.0) / 100.0
        self.terms = list_terms(self.ell, secant - 1.0, depth, self.beyond / 500.0)

    def unpack(self, packed: Floats) -> dict[str, Floats]:
        """Sort a vector of coefficients by quantity."""
        sizes = {name: len(terms) for name, terms in self.terms.items()} | ({"profile": 4} if self.is_nucleus else {})
        ends = np.cumsum(list(sizes.values()))
        return dict(zip(sizes, np.split(packed, ends[:-1]), strict=True))

    def start(self) -> Floats:
        """Begin at the straight-line fit of ln N_mu and a scatter of 10 %."""
        model = {name: np.zeros(len(terms)) for name, terms in self.terms.items()}
        model["mu_mean"] = np.linalg.lstsq(
            np.stack(self.terms["mu_mean"], axis=1), self.ln_n_mu - MUON_REFERENCE, rcond=None
        )[0]
        model["mu_spread"][0] = model["em_spread"][0] = -2.3
        packed = np.concatenate(list(model.values()))
        return np.concatenate([packed, PROFILE_START]) if self.is_nucleus else packed

    def loss(self, packed: Floats) -> float:
        """Mean negative log-likelihood, with a small ridge."""
        model = self.unpack(packed)
        value = {name: weighted_sum(model[name], terms) for name, terms in self.terms.items()}
        centre = em_location(model, value["em_mean"], distance_g_cm2=self.beyond, ell=self.ell, ln_n_mu=self.ln_n_mu)
        first, log_first = _to_normal(self.ln_n_mu - MUON_REFERENCE - value["mu_mean"], value, "mu")
        second, log_second = _to_normal(self.ln_em_per_eev - centre, value, "em")
        rho = 0.98 * np.tanh(value["rho"])
        quadratic = (first**2 - 2 * rho * first * second + second**2) / (1 - rho**2)
        log_density = log_first + log_second - quadratic / 2 - np.log(1 - rho**2) / 2
        return float(RIDGE * np.sum(packed**2) - log_density.mean())


def _to_normal(residual: Floats, value: dict[str, Floats], what: str) -> tuple[Floats, Floats]:
    tail = np.exp(value[f"{what}_tail"])
    z = residual * np.exp(-value[f"{what}_spread"])
    bent = tail * np.arcsinh(z) - value[f"{what}_skew"]
    log_slope = value[f"{what}_tail"] + np.log(np.cosh(bent)) - np.log1p(z**2) / 2 - value[f"{what}_spread"]
    return np.sinh(bent), log_slope


def fit_photon_depths(showers: Showers) -> Floats:
    """Fit mu/100 - 9.5, ln sigma - 4.4 and ln lambda, each quadratic in lg(E/10 EeV); truncated at 1600 g/cm2."""
    ell = np.log10(showers.energy_eev / 10.0)
    powers = np.stack([ell**0, ell, ell**2])

    def loss(packed: Floats) -> float:
        mu, sigma, lam = (
            950 + 100 * packed[:3] @ powers,
            np.exp(4.4 + packed[3:6] @ powers),
            np.exp(packed[6:] @ powers),
        )
        z = (showers.xmax_g_cm2 - mu) / sigma
        log_density = lam * np.log(lam) - gammaln(lam) - np.log(sigma) - lam * (z + np.exp(-z))
        below = gammaincc(lam, lam * np.exp(-(1600 - mu) / sigma))
        # Failed fits of the profile are far from every shower; a floor keeps them from bending the curve.
        return float(-np.maximum(log_density - np.log(below), -14.0).mean())

    return np.asarray(minimize(loss, np.zeros(9), method="L-BFGS-B", options={"maxiter": 500, "maxfun": 50_000}).x)


def main(folder: Path) -> None:
    """Fit all primaries and write the coefficients."""
    stored = {}
    for name, showers in load_showers(folder).items():
        half = showers.select(showers.group_id % 2 == 0)
        fit = GroundFit(name, half)
        answer = minimize(fit.loss, fit.start(), method="L-BFGS-B", options={"maxiter": 1500, "maxfun": 200_000})
        model = fit.unpack(answer.x)
        stored[name] = {key: [float(f"{c:.5g}") for c in values] for key, values in model.items()}
        print(f"{name}: {half.n_mu.size} showers, -ln L {answer.fun:.4f} after {answer.nit} steps")
        if name == "photon":
            print("photon depths:", np.round(fit_photon_depths(half), 4).tolist())
    about = {
        "fit": "benchmarks/fit_ground.py", "showers": "Herrera et al., Entropy 22 (2020) 998, even event numbers",
        "reference": {"ln_n_mu": MUON_REFERENCE, "ln_n_em_per_eev": EM_REFERENCE},
    }  # fmt: skip
    text = json.dumps({"about": about, "coefficients": stored}, indent=1)
    (REPOSITORY / "cascada/physics/ground.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
