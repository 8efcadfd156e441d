"""Features of showers by their numbers at the ground and their depth of maximum."""

from __future__ import annotations

import numpy as np

from cascada.physics.ground import GROUND_DEPTH_G_CM2, universal_em_profile
from cascada.physics.observables.feature import Feature, Floats, Observables

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
    """Ln N_mu minus its mean for protons of the same energy and zenith.

    In the model of Heitler and Matthews nuclei of mass A have (1 - beta) ln A more (Astropart. Phys. 22 (2005) 387).
    """
    tilt = sec_zenith(shower)
    expected = (
        _MUON_CONSTANT + _MUON_ENERGY * np.log(shower["energy_eev"] / 10.0) + _MUON_SEC * tilt + _MUON_SEC2 * tilt**2
    )
    return np.log(shower["n_mu"]) - expected


def em_residual(shower: Observables) -> Floats:
    """Ln N_em minus the universal profile of a mean proton shower of the same energy and zenith.

    The profile is the Gaisser-Hillas form of Andringa, Conceicao and Pimenta, Astropart. Phys. 34 (2011) 360.
    """
    distance = GROUND_DEPTH_G_CM2 * (1.0 + sec_zenith(shower)) - mean_proton_xmax(shower)
    profile = universal_em_profile(distance, _EM_R, _EM_L_G_CM2)
    return np.log(shower["n_em"] / (_EM_SIZE_PER_EEV * shower["energy_eev"])) - profile


def xmax_residual(shower: Observables) -> Floats:
    """Xmax minus <Xmax> of protons of the same energy, in 100 g/cm2."""
    return (shower["xmax_g_cm2"] - mean_proton_xmax(shower)) / 100.0


def slant_beyond_maximum(shower: Observables) -> Floats:
    """Slant depth from the shower maximum to the ground at the depth of Auger, in 500 g/cm2.

    What is left of the electromagnetic part at the ground depends on the primary through this distance and the
    energy (universality; Lipari, Phys. Rev. D 79 (2009) 063001).
    """
    return (GROUND_DEPTH_G_CM2 * (1.0 + sec_zenith(shower)) - shower["xmax_g_cm2"]) / 500.0


def universality_residual(shower: Observables) -> Floats:
    """Ln N_em minus the universal profile at the distance of the measured maximum to the ground.

    Where `em_residual` counts from the mean maximum of protons, this one takes the depth of each shower out: what is
    left are the electromagnetic particles that muons bring (Andringa, Conceicao, Pimenta, Astropart. Phys. 34 (2011)
    360; Ave et al., Astropart. Phys. 87 (2017) 23).
    """
    profile = universal_em_profile(500.0 * slant_beyond_maximum(shower), _EM_R, _EM_L_G_CM2)
    return np.log(shower["n_em"] / (_EM_SIZE_PER_EEV * shower["energy_eev"])) - profile


def muon_share(shower: Observables) -> Floats:
    """Ln of N_mu over N_em: the classic mass estimator of arrays with shielded detectors.

    It needs no energy: heavy nuclei have more muons and, with their maximum farther up, fewer electromagnetic
    particles (KASCADE: Antoni et al., Astropart. Phys. 16 (2002) 245).
    """
    return np.log(shower["n_mu"] / shower["n_em"])


SHOWER_FEATURES = {
    "lg_energy": Feature(lg_energy, ("energy_eev",)),
    "sec_zenith": Feature(sec_zenith, ("zenith_deg",)),
    "muon_residual": Feature(muon_residual, ("energy_eev", "zenith_deg", "n_mu")),
    "em_residual": Feature(em_residual, ("energy_eev", "zenith_deg", "n_em")),
    "xmax_residual": Feature(xmax_residual, ("energy_eev", "xmax_g_cm2")),
    "slant_beyond_maximum": Feature(slant_beyond_maximum, ("zenith_deg", "xmax_g_cm2")),
    "universality_residual": Feature(universality_residual, ("energy_eev", "zenith_deg", "n_em", "xmax_g_cm2")),
    "muon_share": Feature(muon_share, ("n_em", "n_mu")),
}
