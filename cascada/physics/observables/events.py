"""Features of events of a surface detector, from what it reconstructs and from the station nearest the reference.

Muons reach a station earlier and in a narrower time than the electromagnetic part, and the more so the farther up the
shower developed: the shape of the signal tells muons and depth (Auger, Phys. Rev. D 96 (2017) 122003,
arXiv:1710.07249).
"""

from __future__ import annotations

import numpy as np

from cascada.physics.observables.feature import Feature, Floats, Observables

# Mean proton events (QGSJetII-04, above lg(E/eV) = 18.5) of this platform's simulated detector: what features are
# counted from. With x = ln(r / 1000 m) and t = sec(zenith) - 1, the ln of a time is c0 + c1 x + c2 t + c3 t^2 + c4 x t.
_LN_RISE = (5.371, 1.030, 0.255, -0.651, -0.055)
_LN_FALL = (6.197, 1.048, 0.262, -0.633, -0.336)
_LDF_SLOPE, _LDF_SLOPE_TILT = -4.142, 1.037
"""``ln(S / S1000) = (c0 + c1 t) x``."""


def lg_energy_reco(event: Observables) -> Floats:
    """Lg(reconstructed energy / 10 EeV)."""
    return np.log10(event["energy_reco_eev"] / 10.0)


def sec_zenith_reco(event: Observables) -> Floats:
    """Sec(reconstructed zenith angle) - 1, in vertical atmospheres."""
    return 1.0 / np.cos(np.radians(event["zenith_reco_deg"])) - 1.0


def lg_s38(event: Observables) -> Floats:
    """Lg(S38 / VEM)."""
    return np.log10(event["s38_vem"])


def lg_signal(event: Observables) -> Floats:
    """Lg(signal of the station / VEM)."""
    return np.log10(event["signal_vem"])


def lg_distance(event: Observables) -> Floats:
    """Lg(distance of the station from the axis / 1000 m), distances below 1 m taken as that."""
    return np.log10(np.maximum(event["distance_m"], 1.0) / 1000.0)


def _ln_distance(event: Observables) -> Floats:
    return np.log(np.maximum(event["distance_m"], 1.0) / 1000.0)


def _mean_time(event: Observables, coefficients: tuple[float, ...]) -> Floats:
    x, t = _ln_distance(event), sec_zenith_reco(event)
    constant, far, tilt, tilt2, both = coefficients
    return constant + far * x + tilt * t + tilt2 * t**2 + both * x * t


def rise_time_residual(event: Observables) -> Floats:
    """Ln of the rise time minus its mean for protons at the same distance and zenith angle.

    Auger's Delta (arXiv:1710.07249) in another form: rise times are taken relative to a benchmark, which takes out
    how they grow with distance and shrink with zenith angle.
    """
    return np.log(event["rise_time_ns"]) - _mean_time(event, _LN_RISE)


def fall_time_residual(event: Observables) -> Floats:
    """Ln of the fall time minus its mean for protons at the same distance and zenith angle."""
    return np.log(event["fall_time_ns"]) - _mean_time(event, _LN_FALL)


def lg_peak_width(event: Observables) -> Floats:
    """Lg of area over peak over rise time: 0 for one smooth pulse, below for a signal of spikes, as muons make it."""
    return np.log10(event["area_over_peak_ns"] / event["rise_time_ns"])


def lateral_residual(event: Observables) -> Floats:
    """Ln of the signal over S1000 minus the mean lateral distribution at the station's distance.

    Electromagnetic particles fall off more steeply than muons, so young and photon-like showers are steeper
    (Ros et al., Astropart. Phys. 35 (2011) 140, arXiv:1104.3399).
    """
    slope = _LDF_SLOPE + _LDF_SLOPE_TILT * sec_zenith_reco(event)
    return np.log(event["signal_vem"] / event["s1000_vem"]) - slope * _ln_distance(event)


EVENT_FEATURES = {
    "lg_energy_reco": Feature(lg_energy_reco, ("energy_reco_eev",)),
    "sec_zenith_reco": Feature(sec_zenith_reco, ("zenith_reco_deg",)),
    "lg_s38": Feature(lg_s38, ("s38_vem",)),
    "lg_signal": Feature(lg_signal, ("signal_vem",)),
    "lg_distance": Feature(lg_distance, ("distance_m",)),
    "rise_time_residual": Feature(rise_time_residual, ("distance_m", "rise_time_ns", "zenith_reco_deg")),
    "fall_time_residual": Feature(fall_time_residual, ("distance_m", "fall_time_ns", "zenith_reco_deg")),
    "lg_peak_width": Feature(lg_peak_width, ("area_over_peak_ns", "rise_time_ns")),
    "lateral_residual": Feature(lateral_residual, ("distance_m", "s1000_vem", "signal_vem", "zenith_reco_deg")),
}
