"""Physics features of a shower, each a named function of the observables; the only inputs that models see.

Every function takes the observables as a mapping from column name to a float64 array of shape (n,) and returns
shape (n,). Training, evaluation and the service call the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascada.errors import ConfigError, nearest
from cascada.physics.ground import GROUND_DEPTH_G_CM2, universal_em_profile

Floats = NDArray[np.float64]
Observables = Mapping[str, Floats]

# A mean proton shower of CORSIKA / QGSJetII-04 at the Pierre Auger Observatory: what features are counted from. It is
# part of the meaning of the features, so it stays when the simulator learns more.
_MUON_CONSTANT, _MUON_ENERGY, _MUON_SEC, _MUON_SEC2 = 17.949, 0.9437, -0.665, -0.283
_EM_SIZE_PER_EEV, _EM_R, _EM_L_G_CM2 = 4.75e9, 0.24, 251.0


def lg_energy(shower: Observables) -> Floats:
    """lg(E / 10 EeV)."""
    return np.log10(shower["energy_eev"] / 10.0)


def sec_zenith(shower: Observables) -> Floats:
    """sec(zenith) - 1: the extra atmosphere of an inclined shower, in vertical atmospheres."""
    return 1.0 / np.cos(np.radians(shower["zenith_deg"])) - 1.0


def mean_proton_xmax(shower: Observables) -> Floats:
    """<Xmax> of protons, g/cm2: a straight line in lg E through the mean depths of QGSJetII-04 (arXiv:1305.2331)."""
    return 790.7 + 54.4 * lg_energy(shower)


def muon_residual(shower: Observables) -> Floats:
    """Ln N_mu minus its mean for protons of the same energy and zenith (Heitler-Matthews)."""
    tilt = sec_zenith(shower)
    expected = (
        _MUON_CONSTANT + _MUON_ENERGY * np.log(shower["energy_eev"] / 10.0) + _MUON_SEC * tilt + _MUON_SEC2 * tilt**2
    )
    return np.log(shower["n_mu"]) - expected


def em_residual(shower: Observables) -> Floats:
    """Ln N_em minus the universal profile of a mean proton shower of the same energy and zenith."""
    distance = GROUND_DEPTH_G_CM2 * (1.0 + sec_zenith(shower)) - mean_proton_xmax(shower)
    profile = universal_em_profile(distance, _EM_R, _EM_L_G_CM2)
    return np.log(shower["n_em"] / (_EM_SIZE_PER_EEV * shower["energy_eev"])) - profile


def xmax_residual(shower: Observables) -> Floats:
    """Xmax minus <Xmax> of protons of the same energy, in 100 g/cm2."""
    return (shower["xmax_g_cm2"] - mean_proton_xmax(shower)) / 100.0


def lg_energy_reco(event: Observables) -> Floats:
    """lg(reconstructed energy / 10 EeV)."""
    return np.log10(event["energy_reco_eev"] / 10.0)


def sec_zenith_reco(event: Observables) -> Floats:
    """sec(reconstructed zenith) - 1, in vertical atmospheres."""
    return 1.0 / np.cos(np.radians(event["zenith_reco_deg"])) - 1.0


def lg_s38(event: Observables) -> Floats:
    """lg(S38 / VEM)."""
    return np.log10(event["s38_vem"])


@dataclass(frozen=True)
class Feature:
    """A feature and the columns of the shower table that it is computed from."""

    compute: Callable[[Observables], Floats]
    columns: tuple[str, ...]


FEATURES = {
    "lg_energy": Feature(lg_energy, ("energy_eev",)),
    "sec_zenith": Feature(sec_zenith, ("zenith_deg",)),
    "muon_residual": Feature(muon_residual, ("energy_eev", "zenith_deg", "n_mu")),
    "em_residual": Feature(em_residual, ("energy_eev", "zenith_deg", "n_em")),
    "xmax_residual": Feature(xmax_residual, ("energy_eev", "xmax_g_cm2")),
    "lg_energy_reco": Feature(lg_energy_reco, ("energy_reco_eev",)),
    "sec_zenith_reco": Feature(sec_zenith_reco, ("zenith_reco_deg",)),
    "lg_s38": Feature(lg_s38, ("s38_vem",)),
}


def find_feature(name: str) -> Feature:
    """Look a feature up by name.

    Raises
    ------
    ConfigError
        If there is no such feature.
    """
    try:
        return FEATURES[name]
    except KeyError:
        raise ConfigError(f"unknown feature {name!r}", hint=nearest(name, FEATURES)) from None


def required_columns(features: Sequence[str]) -> tuple[str, ...]:
    """List the columns that features are computed from, sorted."""
    return tuple(sorted({column for name in features for column in find_feature(name).columns}))


def feature_matrix(shower: Observables, features: Sequence[str]) -> NDArray[np.float32]:
    """Compute features: shape (n, number of features), float32 as the model takes them.

    Raises
    ------
    ConfigError
        If a feature is unknown.
    """
    return np.stack([find_feature(name).compute(shower) for name in features], axis=1).astype(np.float32)
